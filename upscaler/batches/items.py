"""The orders of a batch that a program sends, by the same rules as a single order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from upscaler import file_names, upscaling_models
from upscaler.models import Team
from upscaler.ordering import for_channels
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.lookup import BulkLookup
from upscaler.ordering.new_batches import NewBatch
from upscaler.ordering.submission import NewUpscale

OF_ALL = ("model_name", "generation_settings", "result_format", "channels")
"""Fields that the orders of a batch share."""
MAX_NAMED = 100
"""Wrong items that are named one by one."""


@dataclass(frozen=True)
class Refused:
    """Rules that one item breaks, or all of them."""

    index: int | None
    """Which of the items, from 0 on; None for what all of them share."""
    form: UpscaleForm
    """Its errors are the item's alone, or those of `OF_ALL`."""


class ItemsRefused(Exception):
    """Some items break a rule, so there is no batch.

    ``refused``: the first `MAX_NAMED` of them, in the items' order; ``more``: how many there are beside these.
    """

    def __init__(self, refused: list[Refused], more: int) -> None:
        super().__init__(len(refused) + more)
        self.refused = refused
        self.more = more


def orders(body: Mapping[str, Any], *, team: Team, host: str = "") -> list[NewUpscale]:
    """What `submission.submit` takes, of a body with `OF_ALL` and ``items`` of sources, names and SKUs.

    ``host``: as the request calls this desk. Raises ItemsRefused; PublicError with the code `results.UNAVAILABLE` where
    a remote engine has to be asked and is away.
    """
    items: Sequence[Mapping[str, Any]] = body["items"]
    lookup = BulkLookup(team=team, urls=_urls(items), result_ids=set(_result_ids(items)), host=host)
    common = {name: body.get(name) for name in OF_ALL}
    made: list[NewUpscale] = []
    refused: list[Refused] = []
    more = 0
    for index, item in enumerate(items):
        form = UpscaleForm({**common, **item}, team=team, lookup=lookup)
        if form.is_valid() and form.order is not None:
            made.append(form.order)
            continue
        shared = [name for name in OF_ALL if name in form.errors]
        if index == 0 and shared:
            refused.append(Refused(None, form))
        if set(form.errors) - set(shared):
            if len(refused) < MAX_NAMED:
                refused.append(Refused(index, form))
            else:
                more += 1
    if refused:
        raise ItemsRefused(refused, more)
    return made


def batch(body: Mapping[str, Any], made: Sequence[NewUpscale], *, is_single_order: bool = False) -> NewBatch:
    """What is said of all ``made`` orders of the body. ``is_single_order``: its name is the picture's."""
    first = made[0]
    is_factor_given = upscaling_models.FACTOR_KEY in (body.get("generation_settings") or {})
    return NewBatch(
        is_single_order=is_single_order,
        name="" if is_single_order else file_names.without_spoofing(body.get("name") or "").strip(),
        reference="" if is_single_order else body.get("reference") or "",
        model_name=first.model_name,
        settings=for_channels.common_settings(first.settings, first.channels, is_factor_given=is_factor_given),
        requested_format=first.requested_format,
        channels=first.channels,
    )


def _urls(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    # As the form reads them.
    return (str(item.get("image_url") or "").strip() for item in items)


def _result_ids(items: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    field = UpscaleForm.base_fields["generation_result_id"]
    for item in items:
        try:
            number = field.clean(item.get("generation_result_id"))
        except ValidationError:
            continue  # The form says so.
        if number:
            yield number

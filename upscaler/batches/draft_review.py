"""How each item of a draft stands for a model and its settings, judged in bulk: thousands in well under a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db.models import Q

from upscaler import fetching, upscaling_models
from upscaler.accounts import audit_log
from upscaler.batches import draft_skus, drafts
from upscaler.batches.draft_skus import Skus
from upscaler.channels.reach import Plan
from upscaler.channels.table import Channel
from upscaler.engines import offer
from upscaler.errors import PublicError
from upscaler.models import WITHDRAWN, Batch, DraftItem, Team, Upscale, media_storage
from upscaler.ordering import deduplication, for_channels
from upscaler.ordering.for_channels import Planned
from upscaler.ordering.forms import ChoiceForm, size_errors
from upscaler.ordering.submission import NewUpscale
from upscaler.processing import factor_choice, source_reference
from upscaler.storage import pictures
from upscaler.storage.pictures import StoredPicture
from upscaler.text import format_datetime

READY, FETCH, FITTED, MADE, DUPLICATE = "ready", "fetch", "fitted", "made", "duplicate"
UNREADABLE, EMPTY, TOO_LARGE, REFUSED = "unreadable", "empty", "too_large", "refused"
SENT = (READY, FETCH, FITTED)
"""The states of what is sent; what is fitted alone costs nothing."""
STATES = {
    "empty": EMPTY,
    **dict.fromkeys(("not_a_picture", "unsupported_kind", "animated", "damaged", "out_of_memory"), UNREADABLE),
    **dict.fromkeys(("too_large", "too_many_pixels", "result_too_large"), TOO_LARGE),
}
"""By the code of a problem; any other is `REFUSED`."""
MAX_ASKED = 200
"""Results whose files are looked for. Of more, far away in S3, people would wait for the answers too long."""
GROUP = 500
FETCHED_FIRST = (
    "It is looked at when it is fetched, after it is sent: then it is enlarged as much as the shops need. If it is "
    "large enough for them, its price comes back."
)
MEASURED_FIRST = (
    "Its white margin is measured when its turn comes: then it is enlarged as much as the shops need. If it is large "
    "enough for them, its price comes back."
)


@dataclass(frozen=True)
class Choice:
    """What is to be made of the pictures."""

    model_name: str
    settings: dict[str, Any]
    requested_format: str
    channels: tuple[Channel, ...] = ()
    """The shops that they go to."""
    is_factor_given: bool = False
    """Whether somebody chose the factor of the ``settings``, whatever the channels need."""

    @property
    def model(self) -> upscaling_models.UpscalingModel:
        """The catalogue's entry."""
        return upscaling_models.MODELS[self.model_name]


@dataclass
class Judged:
    """An item, and what would come of it."""

    item: DraftItem
    state: str
    message: str = ""
    order: NewUpscale | None = None
    """What would be sent; None where nothing can be."""
    known: Upscale | None = None
    """What the team has had made of it already, or has under way."""
    plan: Plan | None = None
    """What its channels can have of it; None without channels, or where only a worker can tell."""


@dataclass
class Review:
    """A draft, or some of its items, judged for one choice."""

    choice: Choice
    skus: Skus
    items: list[Judged]
    left_out: list[DraftItem] = field(default_factory=list)

    @property
    def orders(self) -> list[NewUpscale]:
        """What would be sent."""
        return [judged.order for judged in self.items if judged.state in SENT and judged.order is not None]

    @property
    def counts(self) -> dict[str, int]:
        """How many items are in each state."""
        return dict(Counter(judged.state for judged in self.items))

    @property
    def credits(self) -> int:
        """What they would cost."""
        return sum(order.credits for order in self.orders)


def choice_in(data: Mapping[str, Any], team: Team) -> Choice:
    """What a form's data say is to be made; of no model at all it is the first one's. Raises PublicError."""
    if not data.get("model_name"):
        usual = offer.usual()
        return Choice(usual.name, usual.defaults, "")
    form = ChoiceForm(data, team=team)
    if not form.is_valid():
        [error, *_] = [error for of_field in form.errors.as_data().values() for error in of_field]
        raise PublicError(" ".join(error.messages), code=error.code or "invalid")
    return chosen(form)


def chosen(form: ChoiceForm) -> Choice:
    """What a form without errors says."""
    values = form.cleaned_data
    return Choice(
        values["model_name"],
        values["generation_settings"],
        values["result_format"],
        form.chosen_channels,
        form.is_factor_given,
    )


def review(draft: Batch, choice: Choice, *, only: Sequence[DraftItem] | None = None) -> Review:
    """Judge all items, or ``only`` some of them beside the others."""
    if only is None:
        # Not by a join: its sixty columns are empty in nearly every row.
        rows = list(draft.items.prefetch_related("result"))
        firsts = _firsts((item.pk, _identity(item), item.name or item.url) for item in rows)
    else:
        rows = list(only)
        firsts = _firsts(_twins(draft, rows))
    items = [row for row in rows if row.problem not in drafts.NO_ITEMS]
    left_out = [row for row in rows if row.problem in drafts.NO_ITEMS]
    no_uploads = source_reference.why_no_uploads()
    skus = draft_skus.skus_of(draft)
    for item in items:
        item.sku = skus.of(item)
    judged = [_judged(item, choice, firsts, no_uploads) for item in items]
    _mark_made(judged, draft)
    return Review(choice, skus, judged, left_out)


def _identity(item: DraftItem) -> str:
    if item.problem:
        return ""
    return item.digest or (f"{deduplication.ADDRESS}{item.url}" if item.url else "")


def _twins(draft: Batch, items: Sequence[DraftItem]) -> Iterable[tuple[int, str, str]]:
    for start in range(0, len(items), GROUP):
        group = items[start : start + GROUP]
        digests = [item.digest for item in group if item.digest]
        same = Q(digest__in=digests) & ~Q(digest="")
        if any(item.url and not item.digest for item in group):
            same |= ~Q(url="") & Q(digest="")
        found = DraftItem.objects.filter(same, batch_id=draft.pk, problem="")
        for item in found.only("id", "batch_id", "digest", "url", "problem", "name"):
            yield item.pk, _identity(item), item.name or item.url


def _firsts(found: Iterable[tuple[int, str, str]]) -> dict[str, tuple[int, str]]:
    """The first item of each picture: its number and name."""
    firsts: dict[str, tuple[int, str]] = {}
    for pk, identity, name in found:
        if identity and (identity not in firsts or pk < firsts[identity][0]):
            firsts[identity] = (pk, name)
    return firsts


def _judged(item: DraftItem, choice: Choice, firsts: Mapping[str, tuple[int, str]], no_uploads: str) -> Judged:
    if item.problem:
        return Judged(item, STATES.get(item.problem, REFUSED), item.problem_message)
    first, name = firsts.get(_identity(item), (item.pk, ""))
    if first != item.pk:
        return Judged(item, DUPLICATE, f"The same picture as “{name}”, which is in this list already.")
    if why := _why_closed(item):
        return Judged(item, REFUSED, f"{why} Choose another picture.")
    planned = _planned(item, choice)
    order = planned.order
    if order.source == Upscale.Source.UPLOAD and no_uploads:
        return Judged(item, REFUSED, no_uploads)
    if errors := size_errors(order, is_kept=True):
        return Judged(item, STATES.get(errors[0].code, REFUSED), errors[0].message)
    if order.is_only_fitted:
        return Judged(item, FITTED, "", order, plan=planned.plan)
    state = FETCH if order.source == Upscale.Source.URL else READY
    message = "It is looked at when it is fetched, after it is sent." if state == FETCH else ""
    if order.is_factor_open:
        message = FETCHED_FIRST if state == FETCH else MEASURED_FIRST
    return Judged(item, state, message, order, plan=planned.plan)


def _planned(item: DraftItem, choice: Choice) -> Planned:
    planned = for_channels.planned(_order(item, choice), choice.channels, is_factor_given=choice.is_factor_given)
    if planned.order.is_only_fitted and item.is_enlarged:
        # Somebody wants it larger all the same: by the smallest factor that there is.
        order = replace(planned.order, is_only_fitted=False)
        least = upscaling_models.with_factor(order.model_name, order.settings, min(choice.model.factors))
        return for_channels.planned(replace(order, settings=least), choice.channels, is_factor_given=True)
    if (
        planned.plan is None
        and choice.channels
        and item.width
        and item.height
        and not factor_choice.needs_margin(choice.channels)
    ):
        # As large as it was when somebody looked; what counts is what is fetched.
        return replace(
            planned,
            plan=for_channels.plan_of(
                planned.order, (item.width, item.height), choice.channels, is_factor_given=choice.is_factor_given
            ),
        )
    return planned


def _why_closed(item: DraftItem) -> str:
    """Why nobody gets the earlier picture any more that the item is; empty where it is given out."""
    earlier = item.result
    if earlier is None:
        return ""
    # Its files may be gone from the row by now, with their names.
    is_result = item.source == DraftItem.Source.RESULT
    is_open = earlier.gives_result if is_result else earlier.gives_source
    return "" if is_open else earlier.why_closed or WITHDRAWN


def _order(item: DraftItem, choice: Choice) -> NewUpscale:
    source: dict[str, Any] = {"source": Upscale.Source.UPLOAD, "source_url": item.url}
    earlier = item.result
    if item.source == DraftItem.Source.URL:
        source["source"] = Upscale.Source.URL
    elif item.source == DraftItem.Source.RESULT and earlier is not None and _is_referable(earlier):
        source.update(source=Upscale.Source.RESULT, source_result=earlier, stored=pictures.result_of(earlier))
    else:
        # Also of a result that ran out while it waited here: the desk has its own copy.
        size = item.width or 0, item.height or 0
        source["stored"] = StoredPicture(
            item.file,
            item.thumbnail,
            *size,
            item.file_size or 0,
            item.digest,
            item.product_share,
            item.source_facts or {},
        )
    return NewUpscale(
        model_name=choice.model_name,
        settings=choice.settings,
        requested_format=choice.requested_format,
        source_name=item.name or fetching.file_name(item.url),
        source_folder=item.folder,
        sku=item.sku,
        **source,
    )


def _is_referable(earlier: Upscale) -> bool:
    return earlier.is_referable and earlier.engine == settings.ENGINE


def _mark_made(judged: Sequence[Judged], draft: Batch) -> None:
    keys = {id(one): deduplication.key(one.order) for one in judged if one.order is not None}
    found = deduplication.find_known(dict.fromkeys(filter(None, keys.values()), 0), team=draft.team)
    if 0 < len(found) <= MAX_ASKED and any(not _is_there(upscale) for upscale in found.values()):
        found, _ = deduplication.find_known_stored(dict.fromkeys(filter(None, keys.values()), 0), team=draft.team)
    for one in judged:
        known = found.get(keys.get(id(one), ""))
        if known is None or one.order is None:
            continue
        one.known = known
        if one.item.is_anew:
            one.order = replace(one.order, seen=known.pk)
        else:
            one.state, one.message = MADE, _made_in_words(known)


def _is_there(upscale: Upscale) -> bool:
    return not upscale.result_file or media_storage().exists(upscale.result_file.name or "")


def _made_in_words(known: Upscale) -> str:
    who = audit_log.name_of(known.created_by)
    by = f" by {who}" if who else ""
    if known.status == Upscale.Status.DONE:
        return f"Made already{by} on {format_datetime(known.created_at)}: use that result, free."
    return f"Ordered already{by} on {format_datetime(known.created_at)}, and under way."

"""The row of a batch that is being ordered: a new one, or the draft that becomes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upscaler.models import ApiToken, Batch, Team, Upscale, WebhookEndpoint
from upscaler.ordering.idempotency_keys import Idempotency

GROUP = 200
"""Items that one statement deletes: a database takes only so many values in one."""


@dataclass(frozen=True)
class NewBatch:
    """What is said of all orders that become one batch."""

    model_name: str
    settings: dict[str, Any]
    requested_format: str = ""
    name: str = ""
    reference: str = ""
    """What the program calls it that orders it."""
    sku_pattern: str = ""
    wants_email: bool = False
    channels: tuple[str, ...] = ()
    """Ids of the channels that files of the results are made for."""
    is_single_order: bool = False
    """It is a program's single order: an ``Idempotency-Key`` is the upscale's, as it is without a batch."""
    webhook: WebhookEndpoint | None = None
    """Who is told of its end and of that of each of its upscales, beside the team's own."""
    draft: Batch | None = None
    """The draft that becomes the batch. A new batch where there is none."""
    draft_items: frozenset[int] = frozenset()
    """The numbers of its items that are done with by this order, and go. Any others wait in a draft of their own."""


class DraftOrderedBefore(Exception):
    """The draft became a batch already: of a second click comes the same. Nothing was charged now."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch.pk)
        self.batch = batch


class DraftChanged(Exception):
    """Items of the order were taken out of the draft meanwhile. Nothing was charged."""


def create(
    new: NewBatch,
    *,
    team: Team,
    user: Any,
    token: ApiToken | None,
    idempotency: Idempotency | None,
    rows: Sequence[Upscale],
) -> Batch:
    """The batch's row, written under the team's lock."""
    made = Batch(team=team, created_by=user, token=token)
    others: list[int] = []
    if new.draft is not None:
        made, others = _taken_draft(new.draft, new.draft_items)
    made.name, made.sku_pattern, made.wants_email = new.name, new.sku_pattern, new.wants_email
    made.model_name, made.settings, made.requested_format = new.model_name, new.settings, new.requested_format
    made.reference = new.reference
    made.channels = list(new.channels)
    made.webhook = new.webhook
    made.ordered_at = rows[0].created_at
    made.total, made.credits = len(rows), sum(row.credits for row in rows)
    if idempotency is not None and not new.is_single_order:
        made.idempotency_key, made.request_digest = idempotency.key, idempotency.digest
    made.save()
    if others:
        rest = Batch.objects.create(team=team, created_by=made.created_by, watched_folder=made.watched_folder)
        made.items.update(batch=rest)
    return made


def _taken_draft(draft: Batch, items: frozenset[int]) -> tuple[Batch, list[int]]:
    """The draft's row without the ``items`` that go, and the numbers of those that came since they were looked at."""
    made = Batch.objects.get(pk=draft.pk)
    if not made.is_draft:
        raise DraftOrderedBefore(made)
    present = set(made.items.values_list("pk", flat=True))
    if not items <= present:
        raise DraftChanged
    going = sorted(items)
    for start in range(0, len(going), GROUP):
        made.items.filter(pk__in=going[start : start + GROUP]).delete()
    return made, sorted(present - items)

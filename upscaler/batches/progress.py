"""How a batch stands, and what people do with it while it is at work: cancel the rest, try the failed ones again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db.models import Case, Count, Exists, OuterRef, Sum, Value, When
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.models import CANCELLED_CODE, AuditEvent, Batch, CreditEntry, Upscale
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.ordering import reorder, submission
from upscaler.ordering.submission import NewUpscale, RetriedBefore
from upscaler.processing import lifecycle

RECENT = 20
"""Ends of upscales from which the pace of a batch is told."""
ORDER = (Upscale.Status.ERROR, Upscale.Status.ONGOING, Upscale.Status.CREATED, Upscale.Status.DONE, CANCELLED_CODE)
"""In which the batch's page lists them: problems first, and what somebody gave up last."""


@dataclass(frozen=True)
class Counts:
    """How many of a batch's pictures stand how. One that was tried again counts as its newest try."""

    created: int
    ongoing: int
    done: int
    failed: int
    cancelled: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.open + self.ended

    @property
    def open(self) -> int:
        """Not ended yet."""
        return self.created + self.ongoing

    @property
    def ended(self) -> int:
        """Done, failed or cancelled."""
        return self.done + self.failed + self.cancelled

    @property
    def percent(self) -> int:
        """Of all that has ended, in whole percent."""
        return self.ended * 100 // self.total if self.total else 0

    def by_status(self) -> dict[str, int]:
        """For each status of the contract its number."""
        return {
            Upscale.Status.CREATED: self.created,
            Upscale.Status.ONGOING: self.ongoing,
            Upscale.Status.DONE: self.done,
            Upscale.Status.ERROR: self.failed + self.cancelled,
        }

    def by_state(self) -> dict[str, int]:
        """For each state of ORDER its number: like `by_status`, with what was cancelled apart from what failed."""
        return {**self.by_status(), Upscale.Status.ERROR: self.failed, CANCELLED_CODE: self.cancelled}


@dataclass(frozen=True)
class Retried:
    """What came of trying the failed ones again."""

    upscales: list[Upscale]
    refused: list[tuple[Upscale, str]]
    """Those that today's rules refuse, with the sentence that says why."""


def pictures(batch: Batch) -> UpscaleQuerySet:
    """The batch's upscales, without failed ones that were tried again: their newest try stands for them."""
    return _pictures(Upscale.objects.filter(batch=batch))


def _pictures(rows: UpscaleQuerySet) -> UpscaleQuerySet:
    # Whatever its batch, which is the same: asked for it too, SQLite reads the whole batch anew for each of its rows.
    tried_again = Upscale.objects.filter(retry_of=OuterRef("pk"))
    # A deleted one is told by the ledger alone.
    return rows.filter(deleted_at__isnull=True).exclude(Exists(tried_again))


def counts(batch: Batch) -> Counts:
    """How the batch's pictures stand now."""
    return counts_of([batch])[batch.pk]


def counts_of(batches: Sequence[Batch]) -> dict[int, Counts]:
    """How the pictures of each batch stand now, by its number."""
    groups = _pictures(Upscale.objects.filter(batch__in=batches)).order_by()
    found = {batch.pk: dict.fromkeys((*Upscale.Status.values, CANCELLED_CODE), 0) for batch in batches}
    for batch_id, status, code, number in groups.values_list("batch_id", "status", "error_code").annotate(Count("pk")):
        found[batch_id][CANCELLED_CODE if (status, code) == (Upscale.Status.ERROR, CANCELLED_CODE) else status] += (
            number
        )
    return {
        batch_id: Counts(
            created=numbers[Upscale.Status.CREATED],
            ongoing=numbers[Upscale.Status.ONGOING],
            done=numbers[Upscale.Status.DONE],
            failed=numbers[Upscale.Status.ERROR],
            cancelled=numbers[CANCELLED_CODE],
        )
        for batch_id, numbers in found.items()
    }


def money(batch: Batch) -> tuple[int, int]:
    """Credits that were charged for the batch, and those that came back."""
    return money_of([batch])[batch.pk]


def money_of(batches: Sequence[Batch]) -> dict[int, tuple[int, int]]:
    """For each batch, by its number, the credits that were charged and those that came back."""
    entries = CreditEntry.objects.filter(upscale__batch__in=batches).order_by()
    sums = {
        (batch_id, kind): total
        for batch_id, kind, total in entries.values_list("upscale__batch_id", "kind").annotate(Sum("amount"))
    }
    charge, refund = CreditEntry.Kind.CHARGE, CreditEntry.Kind.REFUND
    return {batch.pk: (-sums.get((batch.pk, charge), 0), sums.get((batch.pk, refund), 0)) for batch in batches}


def seconds_left(batch: Batch, now: Counts) -> float | None:
    """How long the rest will take at the pace of the last ones that ended; None while that can't be told."""
    ended = pictures(batch).filter(status__in=Upscale.FINAL).exclude(error_code=CANCELLED_CODE)
    last = list(ended.order_by("-completed_at").values_list("completed_at", flat=True)[:RECENT])
    if not now.open or len(last) < 3 or last[0] is None or last[-1] is None:
        return None
    # A picture that takes longer than those before it slows the pace too.
    seconds = max(timezone.now(), last[0]) - last[-1]
    return max(seconds / len(last), timedelta(milliseconds=1)).total_seconds() * now.open


def cancel(batch: Batch, *, user: Any, request: HttpRequest | None = None) -> int:
    """Cancel those of the batch on which no work has begun; their credits come back. Returns how many."""
    cancelled = lifecycle.cancel(Upscale.objects.filter(batch=batch), by=user)
    if cancelled:
        Batch.objects.filter(pk=batch.pk).update(cancelled_at=timezone.now())
        about = f"{len(cancelled):,} of the batch “{batch}”"[:500]
        audit_log.record(AuditEvent.Action.CANCELLED, team=batch.team, user=user, about=about, request=request)
    return len(cancelled)


def failed(batch: Batch) -> UpscaleQuerySet:
    """Those that failed and were not tried again; what was cancelled did not fail."""
    return pictures(batch).filter(status=Upscale.Status.ERROR).exclude(error_code=CANCELLED_CODE)


def retry_failed(batch: Batch, *, user: Any, request: HttpRequest | None = None) -> Retried:
    """Order those that failed anew, in the same batch: all that today's rules take, or none if money is short.

    Raises as `submission.submit` does, but RetriedBefore.
    """
    orders: list[NewUpscale] = []
    refused = []
    for upscale in failed(batch).select_related("team", "source_result", "batch").order_by("pk"):
        try:
            orders.append(replace(reorder.reorder(upscale), retry_of=upscale))
        except PublicError as error:
            refused.append((upscale, error.message))
    while orders:
        try:
            made = submission.submit(orders, team=batch.team, user=user, request=request)
            return Retried(made, refused)
        except RetriedBefore as before:
            # A colleague was quicker with this one.
            orders = [order for order in orders if order.retry_of != before.upscale.retry_of]
    return Retried([], refused)


def page(batch: Batch, *, start: int, size: int, state: str = "") -> list[Upscale]:
    """Some of the batch's pictures, in the page's order, or those of one ``state``, from the ``start``-th on."""
    rows = _in_state(batch, state) if state else pictures(batch)
    # In one question: between two, a picture that a worker takes up would be in neither answer.
    whens = [When(error_code=CANCELLED_CODE, then=Value(ORDER.index(CANCELLED_CODE)))]
    whens += [When(status=value, then=Value(place)) for place, value in enumerate(ORDER) if value != CANCELLED_CODE]
    return list(
        rows.order_by(Case(*whens), "pk")
        .select_related("created_by", "source_result")
        .prefetch_related("retries")[start : start + size]
    )


def _in_state(batch: Batch, state: str) -> UpscaleQuerySet:
    if state == CANCELLED_CODE:
        return pictures(batch).filter(status=Upscale.Status.ERROR, error_code=CANCELLED_CODE)
    return failed(batch) if state == Upscale.Status.ERROR else pictures(batch).filter(status=state)

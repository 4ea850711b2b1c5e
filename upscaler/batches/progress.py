"""How a batch stands, and what people do with it while it is at work: cancel the rest, try the failed ones again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, OuterRef, Subquery, Value, When
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.models import CANCELLED_CODE, AuditEvent, Batch, Upscale
from upscaler.models.batch_queries import Counts, pictures
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.ordering import reorder, submission
from upscaler.ordering.submission import NewUpscale, RetriedBefore
from upscaler.processing import lifecycle
from upscaler.queue import dispatch

RECENT = 20
"""Ends of upscales from which the pace of a batch is told."""
ORDER = (Upscale.Status.ERROR, Upscale.Status.ONGOING, Upscale.Status.CREATED, Upscale.Status.DONE, CANCELLED_CODE)
"""In which the batch's page lists them: problems first, and what somebody gave up last."""


@dataclass(frozen=True)
class Retried:
    """What came of trying the failed ones again."""

    upscales: list[Upscale]
    refused: list[tuple[Upscale, str]]
    """Those that today's rules refuse, with the sentence that says why."""


def recent_end() -> Case:
    """Of each batch under way, when the first of the last `RECENT` ended; empty before there are so many."""
    ended = pictures(OuterRef("pk")).filter(status__in=Upscale.FINAL).exclude(error_code=CANCELLED_CODE)
    moments = ended.order_by("-completed_at").values("completed_at")
    return Case(When(ended_at__isnull=True, then=Subquery(moments[RECENT - 1 : RECENT])))


def seconds_left(now: Counts, recent: datetime | None) -> float | None:
    """How long the rest will take at the pace of the last ones that ended; None while that can't be told.

    ``recent``: the batch's `recent_end`.
    """
    ended = now.done + now.failed
    number, since = (RECENT, recent) if ended >= RECENT else (ended, now.first_end)
    if not now.open or number < 3 or since is None or now.last_end is None:
        return None
    # A picture that takes longer than those before it slows the pace too.
    seconds = max(timezone.now(), now.last_end) - since
    return max(seconds / number, timedelta(milliseconds=1)).total_seconds() * now.open


def cancel(batch: Batch, *, user: Any, request: HttpRequest | None = None) -> int:
    """Cancel those of the batch on which no work has begun; their credits come back. Returns how many."""
    cancelled = lifecycle.cancel(Upscale.objects.filter(batch=batch), by=user)
    if cancelled:
        transaction.on_commit(dispatch.webhooks, robust=True)
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
    for upscale in failed(batch).present().select_related("team", "source_result", "batch").order_by("pk"):
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
        rows.order_by(Case(*whens), "pk").select_related("source_result", "fidelity").to_show()[start : start + size]
    )


def _in_state(batch: Batch, state: str) -> UpscaleQuerySet:
    if state == CANCELLED_CODE:
        return pictures(batch).filter(status=Upscale.Status.ERROR, error_code=CANCELLED_CODE)
    return failed(batch) if state == Upscale.Status.ERROR else pictures(batch).filter(status=state)

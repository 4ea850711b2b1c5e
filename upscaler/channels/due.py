"""When a batch's channel files are to be looked at: `Batch.fit_due_at`, which the sweep reads.

The rows are the truth: what a batch's channels still lack is found from them, whatever became of a message. The time
here only says when a worker is to be woken for them again, so that most batches are never asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from upscaler.models import Batch, Team

GRACE = timedelta(minutes=1)
"""A message that was just sent has so long to come to a worker."""
AGAIN = timedelta(minutes=10)
"""After so long without a sign of work another message is sent."""
RECENT = timedelta(days=30)
"""Batches whose files are made anew by themselves when a channel's rules change; of older ones when somebody asks."""
AT_ONCE = 20
"""Batches that one sweep sends messages for."""


def note_result(batch_id: int | None) -> None:
    """A result of the batch is there. Call it in the transaction that says so."""
    if batch_id is not None:
        # Even where a time stands there: who has looked through the batch already compares it, and looks again.
        wanted = Batch.objects.filter(pk=batch_id).exclude(channels=[])
        wanted.update(fit_due_at=timezone.now() + GRACE)


def overdue(now: datetime) -> list[int]:
    """Batches that a message is to be sent for, since the last one or its worker was lost; the oldest first."""
    return list(Batch.objects.filter(fit_due_at__lte=now).order_by("fit_due_at").values_list("pk", flat=True)[:AT_ONCE])


def note_message(batch_id: int, now: datetime) -> datetime:
    """A message was sent, or a worker is at it. Returns what stands in the row then."""
    until = now + AGAIN
    Batch.objects.filter(pk=batch_id).update(fit_due_at=until)
    return until


def settle(batch_id: int, seen: datetime, *, again_at: datetime | None) -> None:
    """All was looked through that was there when ``seen`` was written: look again then, or not at all."""
    # Not where something has come since.
    Batch.objects.filter(pk=batch_id, fit_due_at=seen).update(fit_due_at=again_at)


def rules_changed(team: Team, channel_id: str) -> None:
    """Have the files of the team's recent batches made anew that are for a channel whose rules have changed."""
    batches = _recent(timezone.now()).filter(team=team).values_list("pk", "channels")
    wanted = [pk for pk, channels in batches if channel_id in channels]
    Batch.objects.filter(pk__in=wanted).update(fit_due_at=timezone.now())


def unasked(now: datetime) -> QuerySet[Batch]:
    """Recent batches with channels of which nobody knows that a file is lacking."""
    return _recent(now).filter(fit_due_at=None).select_related("team").order_by("team_id", "pk")


def _recent(now: datetime) -> QuerySet[Batch]:
    return Batch.objects.filter(ordered_at__gte=now - RECENT).exclude(channels=[])

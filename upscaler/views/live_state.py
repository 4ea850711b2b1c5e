"""Whether anything has changed since an open page asked last: one small query instead of the whole answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from django.conf import settings
from django.db.models import Count, Max, Q, Sum

from upscaler.channels import files
from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.models import Batch, Upscale
from upscaler.processing import circuit_breaker
from upscaler.queue.workers import recently_missing
from upscaler.views.access import TeamRequest

COLUMNS = ("pk", "updated_at", "status", "progress", "progress_text")
"""What tells that an unfinished upscale has changed: whatever changes one says when."""
OF_BATCH = ("pk", "name", "channels", "wants_email", "updated_at", "ended_at", "cancelled_at")


def of_history(request: TeamRequest, numbers: Sequence[int], newest: int | None) -> str:
    """All that a live answer about the history shows, as a short text that is the same while that is the same.

    ``numbers``: the upscales that the page asks about; ``newest``: the newest one that the page knows of.
    Empty where there are newer ones, whose count the page's filters decide.
    """
    mine = Upscale.objects.filter(team=request.team).order_by().values_list(*COLUMNS)
    rows = mine.filter(pk__in=numbers)
    if newest is not None:
        # Each part has an index of its own, which an OR may keep the database from.
        rows = rows.union(mine.filter(pk__gt=newest), all=True)
    found = list(rows[: len(numbers) + 1])
    if newest is not None and any(row[0] > newest for row in found):
        return ""
    return _digest(request, sorted(found))


def of_batch(request: TeamRequest, batch: Batch, numbers: Sequence[int]) -> str:
    """All that a live answer about the batch shows, as a short text that is the same while that is the same."""
    rows = Upscale.objects.filter(batch=batch).order_by()
    found = rows.aggregate(
        Count("pk"),
        Max("updated_at"),
        Sum("progress"),
        Count("deleted_at"),
        Count("pending_since"),
        Count("fidelity"),
        Max("fidelity__checked_at"),
        **{status: Count("pk", filter=Q(status=status)) for status in Upscale.OPEN},
        # With those that were ordered again: it only has to differ where what is shown does.
        results=Count("pk", filter=Q(status=Upscale.Status.DONE, withdrawn_at=None, deleted_at=None)),
    )
    channel_counts = files.counts(batch, found["results"], request.channels)
    of_batch = [getattr(batch, name) for name in OF_BATCH]
    # The time that is left goes on by itself.
    half_minutes = int(time.time() // 30)
    asked = (sorted(numbers), request.GET.get("status"), request.GET.get("page"))
    return _digest(request, (of_batch, list(found.values()), channel_counts, half_minutes, asked))


def _digest(request: TeamRequest, found: object) -> str:
    engine = get_engine(settings.ENGINE)
    down_since = circuit_breaker.down_since(engine) if isinstance(engine, RemoteEngine) else None
    shown = (found, request.team.balance, request.team.reviews, down_since, recently_missing())
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]

"""Whether anything has changed since an open page asked last: one small query instead of the whole answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.conf import settings

from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.models import Upscale
from upscaler.processing import circuit_breaker
from upscaler.queue.workers import recently_missing
from upscaler.views.access import TeamRequest

COLUMNS = ("pk", "updated_at", "status", "progress", "progress_text")
"""What tells that an unfinished upscale has changed: whatever changes one says when."""


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
    engine = get_engine(settings.ENGINE)
    down_since = circuit_breaker.down_since(engine) if isinstance(engine, RemoteEngine) else None
    shown = (sorted(found), request.team.balance, down_since, recently_missing())
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]

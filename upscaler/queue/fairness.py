"""Who is next: start-time fair queueing over the rows. docs/architecture.md says it for people.

Two stages, one inside the other. In each lane the team with the lowest start of its turn is next, and of that team the
upscale with the lowest rank (`processing.ranks`). A turn costs one, whatever the picture. A team that comes back begins
at the lane's time: it gets nothing for the past, and pays for nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.models import Lane, Turn, Upscale
from upscaler.processing import handover, lifecycle, ranks

CPU_QUEUE, IO_QUEUE = "cpu", "io"
IO_SLOTS = 4
"""Of the embedded queue: two for a team that waits for slow shops (FETCHES_PER_TEAM), one for the others' fetches, and
one that never fetches."""
IO_THREADS = 4
"""Of the cluster queue, on each machine."""
MAX_TRIES = 10
"""Rows that are gone under the hand of whoever picks, before it leaves the rest to the next wake-up."""


def slots(queue: str) -> int:
    """How many upscales this machine's workers of the queue work on at the same time."""
    if queue == CPU_QUEUE:
        return int(settings.CPU_SLOTS)
    return IO_SLOTS if settings.TASK_BACKEND == "embedded" else IO_THREADS


def take(queue: str) -> Upscale | None:
    """Claim the upscale that ranks first among those that the queue may work on now; None where there is none."""
    lanes = ranks.lanes_of(queue)
    for _ in range(MAX_TRIES):
        with transaction.atomic():
            # The lock of all who pick: of two, the second sees whose turn the first one used up.
            times = _lock(lanes)
            picked = _first(queue, lanes, timezone.now())
            if picked is None:
                return None
            upscale_id, turn = picked
            upscale = lifecycle.mark_claimed(upscale_id)
            if upscale is None:
                continue
            if turn is not None:
                _use(turn, upscale, time=times[turn.lane])
        if not lifecycle.gave_up(upscale):
            return upscale
    return None


def ready(queue: str, most: int) -> int:
    """How many upscales the queue's workers could take up now, counted up to ``most``."""
    now = timezone.now()
    found = len(_abandoned(queue, now))
    for lane in ranks.lanes_of(queue):
        room = min(_room(lane, now), most - found)
        if room <= 0:
            continue
        if lane == ranks.FOLLOW:
            found += _waiting(lane, now)[:room].count()
            continue
        for turn in _turns(lane, now)[:room]:
            of_team = _waiting(lane, now).filter(team_id=turn.team_id)[:room].count()
            found, room = found + of_team, room - of_team
            if not room:
                break
    return min(found, most)


def paused(queue: str, most: int) -> int:
    """How many of the queue's upscales wait for a moment to come, counted up to ``most``."""
    waits = Upscale.objects.filter(lane__in=ranks.lanes_of(queue), not_before__gt=timezone.now())
    return waits.order_by()[:most].count()


def _lock(lanes: list[str]) -> dict[str, int]:
    rows = Lane.objects.select_for_update().filter(pk__in=lanes).order_by("pk")
    times = {row.name: row.time for row in rows}
    if missing := set(lanes).difference(times):
        Lane.objects.bulk_create([Lane(name=name) for name in sorted(missing)], ignore_conflicts=True)
        times = {row.name: row.time for row in rows.all()}
    return times


def _first(queue: str, lanes: list[str], now: datetime) -> tuple[int, Turn | None] | None:
    """The upscale to take up, with the turn that it uses up, if any."""
    for upscale_id in _abandoned(queue, now):
        return upscale_id, None
    for lane in lanes:
        if lane == ranks.FOLLOW:
            longest = _waiting(lane, now).order_by(F("not_before").asc(nulls_first=True), "pk")
            if (upscale := longest.values("pk").first()) is not None:
                return upscale["pk"], None
        elif _room(lane, now) and (turn := _turns(lane, now).first()) is not None:
            return turn.upscale, turn  # type: ignore[attr-defined]
    return None


def _abandoned(queue: str, now: datetime) -> list[int]:
    """Those whose worker died. Few: one for each worker that did."""
    dead = Upscale.objects.filter(lease_until__lt=now).order_by("lease_until")
    dead = dead.only("source_file", "handed_over_at", "engine")
    # Not by the lane in the row: it may have died after what had changed that.
    return [upscale.pk for upscale in dead if ranks.queue_of(ranks.lane_of(upscale)) == queue]


def _waiting(lane: str, now: datetime) -> QuerySet[Upscale]:
    # In no order: a count up to some number must not sort all that waits.
    return Upscale.objects.waiting(now).filter(lane=lane).order_by()


def _room(lane: str, now: datetime) -> int:
    """How many more may be begun in the lane, whoever has room."""
    if lane == ranks.FETCH and settings.TASK_BACKEND == "embedded":
        return max(0, IO_SLOTS - 1 - sum(_fetches(now).values()))
    if lane not in (ranks.FETCH, ranks.FOLLOW) and isinstance(engine := get_engine(lane), RemoteEngine):
        return handover.free_slots(engine)
    return sys.maxsize


def _fetches(now: datetime) -> Counter[int]:
    """How many sources are being fetched now, by team."""
    busy = Upscale.objects.filter(lease_until__gt=now, lane=ranks.FETCH).order_by()
    # Few, and counted here: to group them, SQLite would read a whole history in the order of its teams.
    return Counter(busy.values_list("team_id", flat=True))


def _turns(lane: str, now: datetime) -> QuerySet[Turn]:
    """The turns of the teams that may begin something, the next first, each with the ``upscale`` that ranks first."""
    first = _waiting(lane, now).filter(team=OuterRef("team")).order_by("rank", "pk")
    turns = Turn.objects.filter(lane=lane)
    if lane == ranks.FETCH:
        fetches = _fetches(now)
        turns = turns.exclude(team__in=[team for team in fetches if fetches[team] >= settings.FETCHES_PER_TEAM])
    turns = turns.annotate(upscale=Subquery(first.values("pk")[:1])).filter(upscale__isnull=False)
    return turns.order_by("start", "team_id")


def _use(turn: Turn, upscale: Upscale, *, time: int) -> None:
    start = max(turn.start, time)
    Turn.objects.filter(pk=turn.pk).update(start=start + 1, rank=max(turn.rank, upscale.rank or 0))
    Lane.objects.filter(pk=turn.lane).update(time=start)

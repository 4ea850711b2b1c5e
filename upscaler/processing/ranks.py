"""The place of each upscale among its team's: start-time fair queueing, one flow for each batch and one for the rest.

An upscale waits in a lane, which is the kind of work that comes next: `FETCH` for its source, the engine's name for the
engine, `FOLLOW` for news of a job that a remote engine has. Each lane has ranks of its own. A flow's first upscale gets
the rank that the team has got to, each further one the next number; the lowest rank goes first. So a batch that was
ordered before takes turns with what comes after it, whatever its length.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import BigIntegerField, CharField, Subquery

from upscaler import engines
from upscaler.models import Turn, Upscale
from upscaler.models.prepared import Place, Prepared

FETCH = "fetch"
FOLLOW = "follow"


def lane_of(upscale: Upscale) -> str:
    """What the upscale waits for, by what is known of it now."""
    if not upscale.source_file:
        return FETCH
    if upscale.handed_over_at is not None:
        return FOLLOW
    # What is only fitted takes turns with what this machine's processor enlarges.
    return Upscale.Engine.LOCAL if upscale.is_only_fitted else upscale.engine


def queue_of(lane: str) -> str:
    """The queue whose workers work in that lane: ``cpu`` or ``io``."""
    return "io" if lane in (FETCH, FOLLOW) else engines.get_engine(lane).queue


def lanes_of(queue: str) -> list[str]:
    """The lanes of that queue, in the order in which they are looked through.

    What a remote engine has is followed first, and what it could have is handed over before more is fetched.
    """
    own = [engine for engine in engines.ENGINES if engine != Upscale.Engine.FIT]
    return [lane for lane in (FOLLOW, *own, FETCH) if queue_of(lane) == queue]


def line_up(upscales: Sequence[Upscale]) -> None:
    """Give upscales of one team that are ordered together their lanes and ranks. To be called under its lock."""
    of_batch = Counter(upscale.batch_id for upscale in upscales)
    lines: dict[tuple[str, int], list[Upscale]] = defaultdict(list)
    for upscale in upscales:
        upscale.lane = lane_of(upscale)
        # A batch of one is a single order, and so is one of a batch that is tried again.
        upscale.flow = 0
        if upscale.batch_id is not None and of_batch[upscale.batch_id] > 1:
            upscale.flow = upscale.batch_id
        lines[upscale.lane, upscale.flow].append(upscale)
    for (lane, _), rows in lines.items():
        for rank, row in enumerate(rows, _next_rank(rows[0], lane)):
            row.rank = rank


def open_lanes(team_id: int, lanes: set[str]) -> None:
    """Let the team take turns in those lanes.

    Better before a long transaction than in it: others who want the same would wait for its end.
    """
    if missing := {lane for lane in lanes if TURN.first(team=team_id, lane=lane) is None}:
        Turn.objects.bulk_create([Turn(team_id=team_id, lane=lane) for lane in missing], ignore_conflicts=True)


def moved(upscale: Upscale) -> dict[str, Any]:
    """What changes in the row of a claimed upscale that waits for something else now."""
    before, lane = upscale.lane, lane_of(upscale)
    if lane == before:
        return {}
    if FOLLOW in (before, lane):
        # Nobody takes turns there; and what comes back, since the engine never got it, comes back to its place.
        return {"lane": lane}
    open_lanes(upscale.team_id, {lane})
    return {"lane": lane, "rank": _next_rank(upscale, lane)}


def _next_rank(upscale: Upscale, lane: str) -> int:
    """The rank of the next one of the upscale's flow: no credit for the time in which it had nothing to do."""
    row = TURN_AND_LAST.first(team=upscale.team_id, lane=lane, flow=upscale.flow)
    taken, last = row or (0, None)
    return taken if last is None else max(taken, last + 1)


TEAM, LANE = Place("team", BigIntegerField()), Place("lane", CharField())
TURN = Prepared(lambda: Turn.objects.filter(team=TEAM, lane=LANE).order_by().values_list("pk"))


def _turn_and_last() -> Any:
    """How far the team has got in a lane, and the last rank of one of its flows there."""
    flow = Upscale.objects.filter(team=TEAM, lane=LANE, flow=Place("flow", BigIntegerField()), rank__gte=0)
    last = flow.order_by("-rank").values("rank")[:1]
    return Turn.objects.filter(team=TEAM, lane=LANE).order_by().values_list("rank", Subquery(last))


TURN_AND_LAST = Prepared(_turn_and_last)

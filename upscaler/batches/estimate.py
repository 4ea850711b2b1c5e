"""How long work will take, from how fast this desk is and what waits before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django.conf import settings

from upscaler.batches import pace, waiting
from upscaler.batches.planned import Plans
from upscaler.batches.waiting import Clock, Order
from upscaler.engines import get_engine
from upscaler.engines.base import PlannedEngine
from upscaler.models import Batch, Team


def seconds(orders: Sequence[Order], *, team: Team | None = None, without: Batch | None = None) -> float | None:
    """How long until the last of ``orders`` is done if they are sent now; None where that can't be told.

    What waits already counts as far as it comes first: all of it, or with ``team`` the share that teams and batches
    get beside each other. ``without`` leaves a batch out of what waits: the one that the orders are of.
    """
    if orders and all(order.is_only_fitted for order in orders):
        return 0.0  # Nothing of it waits for a network.
    clock = _clock()
    each = clock.orders([order for order in orders if not order.is_only_fitted]) if clock is not None else None
    if clock is None or not each:
        return None
    own = sum(each)
    work = defaultdict[tuple[int, int | None], float](float)
    for group in waiting.groups(without):
        work[group.team_id, group.batch_id] += clock.group(group)
    if team is None:
        total = own + sum(work.values())
    else:
        mine, others = 0.0, defaultdict[int, float](float)
        for (team_id, _), of_flow in work.items():
            if team_id == team.pk:
                mine += min(of_flow, own)
            else:
                others[team_id] += of_flow
        of_team = own + mine
        total = of_team + sum(min(of_other, of_team) for of_other in others.values())
    # However many slots there are, one picture is done by one.
    return max(*each, total / clock.at_once)


def _clock() -> Clock | None:
    engine = get_engine(settings.ENGINE)
    return Plans(engine) if isinstance(engine, PlannedEngine) else pace.speed()

"""What an order will cost and how long it will take, before anything is charged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upscaler import credits, file_names
from upscaler.batches import estimate
from upscaler.channels.names import Picture
from upscaler.channels.table import Channel
from upscaler.channels.unnamed import Unnamed, unnamed
from upscaler.credits import Budget
from upscaler.models import Team
from upscaler.ordering import deduplication, looks
from upscaler.ordering.submission import NewUpscale


@dataclass(frozen=True)
class Quote:
    """The same numbers for page and API. Nothing was charged or kept for it."""

    total: int
    """Pictures."""
    credits: int
    """What they cost, those ``already_made`` too: whoever sends them wants them anew."""
    balance: int
    balance_after: int
    """Below zero where credits are missing."""
    budgets: tuple[Budget, ...]
    """The month's budgets that are set, as they stand now: the team's, the person's own."""
    seconds: float | None
    """Until the last one is done; None where this desk has not used the model yet."""
    already_made: int
    """How many of them the team has had done already, or has under way."""
    already_large_enough: int
    """How many the channels would take as they are: these are only fitted, and cost nothing."""
    unnamed: list[Unnamed] | None
    """Files that keep their pictures' own names, since a channel's rule has none for them; None without channels."""


def quote(orders: Sequence[NewUpscale], *, team: Team, user: Any, channels: Sequence[Channel] = ()) -> Quote:
    """Price, time and what is left after it, for ``orders`` that ``user`` would send for ``team``.

    ``channels``: those that all of them go to.
    """
    status = credits.spending_status(team_id=team.pk, user=user)
    price = sum(order.credits for order in orders)
    keys = [deduplication.key(order) for order in orders]
    seen = {key: order.seen for key, order in zip(keys, orders, strict=True) if key}
    known = deduplication.find_known(seen, team=team)
    return Quote(
        total=len(orders),
        credits=price,
        balance=status.balance,
        balance_after=status.balance - price,
        budgets=status.budgets,
        seconds=estimate.seconds(looks.looked_at(orders), team=team),
        already_made=sum(key in known for key in keys),
        already_large_enough=sum(order.is_only_fitted for order in orders),
        unnamed=unnamed_of(orders, team, channels) if channels else None,
    )


def unnamed_of(orders: Sequence[NewUpscale], team: Team, channels: Sequence[Channel]) -> list[Unnamed]:
    """Which of the orders a channel's rule has no name for."""
    pictures = [Picture(order.sku, fallback=file_names.stem(order.source_name) or "picture") for order in orders]
    return unnamed(team, channels, pictures)

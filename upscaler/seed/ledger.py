"""The ledger of a made-up history (`seed.history`), in bulk and in teams that nobody else works in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.db import transaction

from upscaler.models import CreditEntry, MonthlySpend, Team
from upscaler.seed import bulk_insert


def book(entries: Iterable[Mapping[str, Any]]) -> None:
    """Write entries, each with the ``balance_after`` that follows from the one before."""
    bulk_insert.insert(CreditEntry, entries)


@transaction.atomic
def settle(team: Team, *, balance: int, spends: Mapping[tuple[int, date], int]) -> None:
    """Write what the entries come to: the team's balance, and what each person spent in each month (its first day)."""
    Team.objects.filter(pk=team.pk).update(balance=balance)
    MonthlySpend.objects.bulk_create(
        MonthlySpend(team=team, user_id=user, month=month, credits=spent) for (user, month), spent in spends.items()
    )

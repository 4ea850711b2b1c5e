"""The ledger: the only module that writes credit entries and balances.

Every function changes the balance and appends its entry in one transaction, so the sum of a team's entries
always equals its balance. `manage.py check_ledger` proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Sum

from upscaler import bulk
from upscaler.models import CreditEntry, MonthlySpend, Team, Upscale

MOST = 1_000_000_000
"""Credits in one grant: what an integer column holds with room to spare."""


class InsufficientCredits(Exception):
    """The team has fewer credits than the work costs; ``needed`` and ``left`` say how many."""

    def __init__(self, *, needed: int, left: int) -> None:
        super().__init__(needed, left)
        self.needed = needed
        self.left = left

    @property
    def message(self) -> str:
        """The refusal in plain words, with the way out."""
        return (
            f"This costs {counted(self.needed)}, but your team has {counted(self.left)} left. "
            "Choose fewer pictures or a cheaper model, or ask an admin for more credits."
        )


def counted(amount: int) -> str:
    """``1 credit``, ``3 credits``."""
    return f"{amount} credit" if amount == 1 else f"{amount} credits"


@transaction.atomic
def grant(*, team: Team, amount: int, note: str = "", by: Any = None) -> CreditEntry:
    """Add credits to a team; a negative ``amount`` corrects the balance downwards.

    Raises ValueError for an amount of zero or beyond ``MOST``, and InsufficientCredits where the balance would fall
    below zero.
    """
    if amount == 0 or abs(amount) > MOST:
        raise ValueError(f"The amount must not be zero, and at most {MOST:,}.")
    _move(team_id=team.pk, amount=amount)
    kind = CreditEntry.Kind.GRANT if amount > 0 else CreditEntry.Kind.CORRECTION
    return _append(team_id=team.pk, kind=kind, amount=amount, note=note, by=by)


@transaction.atomic
def charge(*, upscale: Upscale) -> CreditEntry:
    """Take an upscale's price from its team.

    Raises InsufficientCredits, and IntegrityError where it was charged before.
    """
    _move(team_id=upscale.team_id, amount=-upscale.credits)
    return _append(
        team_id=upscale.team_id,
        kind=CreditEntry.Kind.CHARGE,
        amount=-upscale.credits,
        upscale=upscale,
        by=upscale.created_by,
    )


@transaction.atomic
def refund(*, upscale: Upscale, note: str = "") -> CreditEntry:
    """Give an upscale's price back to its team. Raises IntegrityError where it was refunded before."""
    _move(team_id=upscale.team_id, amount=upscale.credits)
    return _append(
        team_id=upscale.team_id,
        kind=CreditEntry.Kind.REFUND,
        amount=upscale.credits,
        upscale=upscale,
        note=note,
    )


def _move(*, team_id: int, amount: int) -> None:
    # One conditional UPDATE, so that two submits at once can't both spend the last credit. It also locks the
    # team's row until the transaction ends, which keeps `balance_after` in the order of the entries.
    if not Team.objects.filter(pk=team_id, balance__gte=-amount).update(balance=F("balance") + amount):
        left = Team.objects.values_list("balance", flat=True).get(pk=team_id)
        raise InsufficientCredits(needed=-amount, left=left)


def _append(
    *, team_id: int, kind: str, amount: int, upscale: Upscale | None = None, note: str = "", by: Any = None
) -> CreditEntry:
    return CreditEntry.objects.create(
        team_id=team_id,
        kind=kind,
        amount=amount,
        balance_after=Team.objects.values_list("balance", flat=True).get(pk=team_id),
        upscale=upscale,
        note=note,
        created_by=by,
    )


def book_made_up(entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the entries of a made-up history in bulk (`services.made_up`), in a team that nobody else works in."""
    bulk.insert(CreditEntry, entries)


@transaction.atomic
def settle_made_up(team: Team, *, balance: int, spends: Mapping[tuple[int, date], int]) -> None:
    """End a made-up history: the team's balance, and what each person spent in each month (its first day)."""
    Team.objects.filter(pk=team.pk).update(balance=balance)
    MonthlySpend.objects.bulk_create(
        MonthlySpend(team=team, user_id=user, month=month, credits=spent) for (user, month), spent in spends.items()
    )


@dataclass(frozen=True)
class LedgerReport:
    """What `audit` looked at, and each thing that is wrong as a sentence."""

    teams: int
    entries: int
    upscales: int
    problems: list[str]


def audit() -> LedgerReport:
    """Prove the ledger over the whole database, also while the desk is at work.

    For each team: the entries sum up to the balance, and each entry's ``balance_after`` follows from the one
    before. For each upscale: charged exactly once at its price; refunded exactly once if it ended in Error,
    never otherwise.
    """
    # Rows change while they are read: what is wrong in truth is still wrong, in the same words, at a second look.
    problems = _problems()
    if problems:
        still = set(_problems())
        problems = [problem for problem in problems if problem in still]
    return LedgerReport(
        teams=Team.objects.count(),
        entries=CreditEntry.objects.count(),
        upscales=Upscale.objects.count(),
        problems=problems,
    )


def _problems() -> list[str]:
    problems: list[str] = []
    for team in Team.objects.annotate(total=Sum("entries__amount")):
        if team.balance != (team.total or 0):
            problems.append(
                f"Team {team.slug}: the balance is {team.balance}, the entries sum up to {team.total or 0}."
            )
        running = 0
        for pk, amount, after in team.entries.order_by("pk").values_list("pk", "amount", "balance_after").iterator():
            running += amount
            if after != running:
                problems.append(f"Team {team.slug}, entry {pk}: balance_after is {after}, it should be {running}.")
                break
    Kind = CreditEntry.Kind
    expected: dict[str, dict[str, int]] = {Upscale.Status.ERROR: {Kind.CHARGE: 1, Kind.REFUND: 1}}
    charged_once: dict[str, int] = {Kind.CHARGE: 1}
    found: dict[int, dict[str, int]] = {}
    wrong_amount = set()
    rows = (
        CreditEntry.objects.filter(upscale__isnull=False)
        .values_list("upscale_id", "kind", "upscale__credits")
        .annotate(count=Count("pk"), total=Sum("amount"))
        .order_by()
    )
    for upscale_id, kind, price, count, total in rows.iterator():
        found.setdefault(upscale_id, {})[kind] = count
        if total != (price if kind == Kind.REFUND else -price) * count:
            wrong_amount.add(upscale_id)
    for pk in CreditEntry.objects.exclude(upscale=None).exclude(team=F("upscale__team")).values_list("pk", flat=True):
        problems.append(f"Entry {pk}: it is of another team than its upscale.")
    for pk, status in Upscale.objects.values_list("pk", "status").order_by("pk").iterator():
        if found.get(pk, {}) != expected.get(status, charged_once):
            problems.append(f"Upscale {pk} ({status}): its entries are {found.get(pk, {}) or 'missing'}.")
        if pk in wrong_amount:
            problems.append(f"Upscale {pk}: an entry's amount is not its price.")
    return problems

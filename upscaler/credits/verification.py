"""The ledger proved over the whole database. The database looks for what is wrong, so memory does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import CharField, Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value, Window
from django.db.models.functions import Cast, Coalesce, Concat, Lag

from upscaler.credits.budgets import spend_by_entries
from upscaler.models import CreditEntry, MonthlySpend, Team, Upscale

Kind = CreditEntry.Kind
Status = Upscale.Status

MAX_OF_A_KIND = 100
"""Problems of one sort that are named one by one."""


@dataclass(frozen=True)
class LedgerReport:
    """What `audit` looked at, and each thing that is wrong as a sentence."""

    teams: int
    entries: int
    upscales: int
    problems: list[str]


def verify() -> LedgerReport:
    """Prove the ledger over the whole database, also while the desk is at work.

    For each team: the entries sum up to the balance, and each entry's ``balance_after`` follows from the one
    before. For each upscale: charged exactly once at its price, if it has one; refunded exactly once if it ended in
    Error or was only fitted; refunded at most once, and then by hand, if it is Done otherwise; never while it is open.
    For each month and person: what `MonthlySpend` says is what the entries say.
    """
    # Rows change while they are read: what is wrong in truth is still wrong, in the same words, at a second look.
    problems = [problem for sort in SORTS for problem in _still(sort)]
    return LedgerReport(
        teams=Team.objects.count(),
        entries=CreditEntry.objects.count(),
        upscales=Upscale.objects.count(),
        problems=problems,
    )


def _still(sort: Callable[[], Iterator[str]]) -> list[str]:
    found = list(islice(sort(), MAX_OF_A_KIND))
    if not found:
        return []
    again = set(islice(sort(), MAX_OF_A_KIND))
    return [problem for problem in found if problem in again]


def _balances() -> Iterator[str]:
    teams = Team.objects.annotate(total=Coalesce(Sum("entries__amount"), 0)).exclude(balance=F("total"))
    for slug, balance, total in teams.order_by("pk").values_list("slug", "balance", "total"):
        yield f"Team {slug}: the balance is {balance}, the entries sum up to {total}."


def _chains() -> Iterator[str]:
    before = Window(Lag("balance_after", default=0), partition_by=F("team"), order_by=F("pk").asc())
    chained = CreditEntry.objects.order_by().annotate(should_be=before + F("amount"))
    broken = chained.exclude(balance_after=F("should_be"))
    for slug, pk, after, should_be in broken.values_list("team__slug", "pk", "balance_after", "should_be")[
        :MAX_OF_A_KIND
    ]:
        yield f"Team {slug}, entry {pk}: balance_after is {after}, it should be {should_be}."


def _repeats() -> Iterator[str]:
    # A constraint forbids them; whoever proves does not trust it.
    entries = CreditEntry.objects.filter(upscale__isnull=False).order_by()
    grouped = entries.values("upscale", "kind").annotate(count=Count("pk")).filter(count__gt=1)
    for pk, kind, count in grouped.values_list("upscale", "kind", "count")[:MAX_OF_A_KIND]:
        yield f"Upscale {pk}: it has {count} entries of the kind {kind}."


def _not_charged() -> Iterator[str]:
    yield from _upscales(Upscale.objects.filter(~_has(Kind.CHARGE), credits__gt=0), "its charge is missing")


def _not_refunded() -> Iterator[str]:
    fitted = Q(status=Status.DONE, engine=Upscale.Engine.FIT)
    returned = Upscale.objects.filter(~_has(Kind.REFUND), Q(status=Status.ERROR) | fitted, credits__gt=0)
    yield from _upscales(returned, "its refund is missing")


def _refunded_while_open() -> Iterator[str]:
    refunded = CreditEntry.objects.filter(kind=Kind.REFUND, upscale__status__in=Upscale.OPEN)
    yield from _of_entries(refunded, "it was refunded before it ended")


def _refunded_by_nobody() -> Iterator[str]:
    automatic = Concat(Value("Upscale "), Cast("upscale_id", CharField()), Value(" failed"))
    nobody = Q(created_by=None) & (Q(note="") | Q(note=automatic))
    refunded = CreditEntry.objects.filter(nobody, kind=Kind.REFUND, upscale__status=Status.DONE)
    yield from _of_entries(refunded, "it was refunded, but not by hand")


def _amounts() -> Iterator[str]:
    price = F("upscale__credits")
    is_right = Q(kind=Kind.CHARGE, amount=-price) | Q(kind=Kind.REFUND, amount=price)
    wrong = CreditEntry.objects.filter(upscale__isnull=False).exclude(is_right)
    yield from _of_entries(wrong, "an entry's amount is not its price")


def _strangers() -> Iterator[str]:
    entries = CreditEntry.objects.filter(upscale__isnull=False).exclude(team=F("upscale__team"))
    for pk in entries.order_by("pk").values_list("pk", flat=True)[:MAX_OF_A_KIND]:
        yield f"Entry {pk}: it is of another team than its upscale."


def _spends() -> Iterator[str]:
    # One row for each team, month and person: few, however many upscales there are.
    said: dict[tuple[Any, ...], int] = {}
    for team, month, person, credits in MonthlySpend.objects.values_list("team", "month", "user", "credits"):
        # Of people whose account was deleted there may be several rows of nobody.
        said[team, month, person] = said.get((team, month, person), 0) + credits
    counted = {(row["team"], row["month"], row["person"]): row["total"] for row in spend_by_entries().iterator()}
    for key in sorted(said.keys() | counted.keys(), key=str):
        if said.get(key, 0) != counted.get(key, 0):
            team, month, person = key
            yield (
                f"Team {team}, person {person}, {month:%Y-%m}: the spend is {said.get(key, 0)}, "
                f"the entries sum up to {counted.get(key, 0)}."
            )


SORTS = (
    _balances,
    _chains,
    _repeats,
    _not_charged,
    _not_refunded,
    _refunded_while_open,
    _refunded_by_nobody,
    _amounts,
    _strangers,
    _spends,
)


def _has(kind: str) -> Exists:
    return Exists(CreditEntry.objects.filter(upscale=OuterRef("pk"), kind=kind))


def _upscales(wrong: QuerySet[Upscale], what: str) -> Iterator[str]:
    for pk, status in wrong.order_by("pk").values_list("pk", "status")[:MAX_OF_A_KIND]:
        yield f"Upscale {pk} ({status}): {what}."


def _of_entries(wrong: QuerySet[Any], what: str) -> Iterator[str]:
    for pk, status in wrong.order_by("pk").values_list("upscale", "upscale__status")[:MAX_OF_A_KIND]:
        yield f"Upscale {pk} ({status}): {what}."

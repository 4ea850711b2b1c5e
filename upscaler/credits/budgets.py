"""Monthly budgets: what a team's and a person's upscales of a calendar month cost, and how much may still be spent.

Every charge and refund moves `MonthlySpend` in its own transaction, after the team's row is locked. So a budget is
exact, however many orders arrive at the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, DateField, F, IntegerField, OuterRef, Subquery, Sum
from django.db.models.functions import TruncMonth
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format

from upscaler.accounts import audit_log
from upscaler.accounts.people import require_admin
from upscaler.credits import refusals
from upscaler.models import AuditEvent, CreditEntry, Membership, MonthlySpend, Team
from upscaler.models.prepared import Change, Place, Prepared, PreparedChange

WARNED_AT = 80
"""Percent of a budget from which people are told."""


@dataclass(frozen=True)
class Budget:
    """A month's budget of a team or of one person in it, in credits."""

    is_own: bool
    """The person's, not the team's."""
    limit: int
    spent: int
    month: date

    @property
    def left(self) -> int:
        """What may still be spent; never below zero, though a budget may be lowered below what was spent."""
        return max(self.limit - self.spent, 0)

    @property
    def percent(self) -> int:
        """How much of it is used, from 0 to 100."""
        return 100 if self.spent >= self.limit else max(self.spent, 0) * 100 // self.limit

    @property
    def is_low(self) -> bool:
        """Whether it is time to tell people."""
        return self.percent >= WARNED_AT

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left."""
        return self.left == 0

    @property
    def name(self) -> str:
        """``your own budget for November``."""
        return f"{'your own' if self.is_own else 'the team’s'} budget for {date_format(self.month, 'F')}"

    @property
    def words(self) -> str:
        """``82 of 100 credits of the team's budget for November are used.``"""
        return f"{self.spent:,} of {self.limit:,} credits of {self.name} are used."


@dataclass(frozen=True)
class SpendingStatus:
    """What a team, and one person in it, may spend in a month."""

    balance: int
    low_balance: int
    month: date
    spent: int
    """By the whole team."""
    spent_by_person: int
    budgets: tuple[Budget, ...]
    """Those that are set: the team's, the person's own."""

    @property
    def next_month(self) -> date:
        """The first day on which the budgets are whole again."""
        return following(self.month)

    @property
    def low_budgets(self) -> list[Budget]:
        """Those of which people are to be told."""
        return [budget for budget in self.budgets if budget.is_low]

    @property
    def tightest(self) -> Budget | None:
        """The budget with the least left, which refuses first."""
        return min(self.budgets, key=lambda budget: budget.left, default=None)

    def after(self, price: int) -> SpendingStatus:
        """The same once ``price`` was spent. The balance stays: whoever charges has moved it before."""
        return replace(
            self,
            spent=self.spent + price,
            spent_by_person=self.spent_by_person + price,
            budgets=tuple(replace(budget, spent=budget.spent + price) for budget in self.budgets),
        )


def month_of(moment: datetime) -> date:
    """The first day of the moment's month, in the desk's time zone."""
    return timezone.localdate(moment).replace(day=1)


def following(month: date) -> date:
    """The first day of the month after."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def spending_status(*, team_id: int, user: Any, month: date | None = None) -> SpendingStatus:
    """What ``user`` may spend for the team in ``month``, by default the present one."""
    month = month or month_of(timezone.now())
    row = SPENDING.first(team=team_id, user=user.pk if user is not None else NOBODY, month=month)
    if row is None:
        raise Team.DoesNotExist
    balance, low_balance, of_team, of_person, spent, spent_by_person = row
    budgets = []
    if of_team is not None:
        budgets.append(Budget(is_own=False, limit=of_team, spent=spent or 0, month=month))
    if of_person is not None:
        budgets.append(Budget(is_own=True, limit=of_person, spent=spent_by_person or 0, month=month))
    return SpendingStatus(
        balance=balance,
        low_balance=low_balance,
        month=month,
        spent=spent or 0,
        spent_by_person=spent_by_person or 0,
        budgets=tuple(budgets),
    )


NOBODY = 0
"""No person's number."""
TEAM, PERSON, MONTH = Place("team", BigIntegerField()), Place("user", BigIntegerField()), Place("month", DateField())


def _spending() -> Any:
    """A team's row with what `spending_status` tells, in one question."""
    own = Membership.objects.filter(team=OuterRef("pk"), user=PERSON).order_by().values("monthly_budget")
    spends = MonthlySpend.objects.filter(team=OuterRef("pk"), month=MONTH).order_by().values("team")
    return (
        Team.objects.filter(pk=TEAM)
        .order_by()
        .values_list(
            "balance",
            "low_balance",
            "monthly_budget",
            Subquery(own),
            Subquery(spends.annotate(total=Sum("credits")).values("total")),
            Subquery(spends.filter(user=PERSON).annotate(total=Sum("credits")).values("total")),
        )
    )


SPENDING = Prepared(_spending)


def ensure_affordable(*, team_id: int, user: Any, price: int) -> None:
    """Refuse what could not be paid now. The charge itself decides for good.

    Raises CreditsRefused.
    """
    now = spending_status(team_id=team_id, user=user)
    if price > now.balance:
        way_out = refusals.remedies(team_id, user).more_credits
        raise refusals.insufficient_credits(needed=price, left=now.balance, way_out=way_out)
    check_budgets(now, team_id=team_id, user=user, price=price)


def check_budgets(now: SpendingStatus, *, team_id: int, user: Any, price: int) -> None:
    """Raises CreditsRefused where a budget would be spent beyond its limit; of two, for the one with less left."""
    budget = now.tightest
    if budget is not None and price > budget.left:
        raise refusals.budget_exceeded(
            needed=price,
            left=budget.left,
            way_out=refusals.remedies(team_id, user).larger_budget,
            is_own=budget.is_own,
            limit=budget.limit,
            month=now.month,
            next_month=now.next_month,
        )


def add_spend(*, team_id: int, user_id: int | None, month: date, amount: int) -> None:
    """Move a person's spend of a month. The team's row must be locked: two first rows would be two rows."""
    if user_id is not None:
        is_moved = ADD_SPEND.run(team=team_id, user=user_id, month=month, amount=amount)
    else:
        # People whose account was deleted share the rows of nobody, of which there may be several.
        of_nobody = MonthlySpend.objects.filter(team_id=team_id, user=None, month=month).order_by("pk")
        first = of_nobody.values_list("pk", flat=True).first()
        of_first = MonthlySpend.objects.filter(pk=first) if first is not None else MonthlySpend.objects.none()
        is_moved = of_first.update(credits=F("credits") + amount)
    if not is_moved:
        MonthlySpend.objects.create(team_id=team_id, user_id=user_id, month=month, credits=amount)


ADD_SPEND = PreparedChange(
    lambda: Change(
        MonthlySpend.objects.filter(team=TEAM, user=PERSON, month=MONTH),
        {"credits": F("credits") + Place("amount", IntegerField())},
    )
)


@transaction.atomic
def change_budgets(
    *, team: Team, by: Any, people: Mapping[int, int | None], request: HttpRequest | None = None, **values: int | None
) -> int:
    """Set what is given, and record what is changed by that. Returns how many values are new.

    ``people``: budgets by the person's id, None for no limit. ``values``: the team's ``monthly_budget`` (None for
    no limit) and ``low_balance``, either may be left out.
    Raises PublicError where ``by`` is no admin of the team (any more); None stands for those who run the desk.
    """
    # Every charge locks this row first, so none is between its check and its entry now.
    locked = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if by is not None:
        require_admin(team.pk, by)
    changes = []
    names = {"monthly_budget": "Monthly budget of the team", "low_balance": "E-mail about a low balance"}
    for field, value in values.items():
        if (before := getattr(locked, field)) != value:
            changes.append(f"{names[field]}: {_in_words(before)}, now {_in_words(value)}")
            Team.objects.filter(pk=team.pk).update(**{field: value})
    members = Membership.objects.filter(team=team, user__in=list(people)).select_related("user").order_by("pk")
    for membership in members:
        value = people[membership.user_id]
        if membership.monthly_budget != value:
            before = membership.monthly_budget
            name = audit_log.name_of(membership.user)
            changes.append(f"Monthly budget of {name}: {_in_words(before)}, now {_in_words(value)}")
            Membership.objects.filter(pk=membership.pk).update(monthly_budget=value)
    for about in changes:
        audit_log.record(AuditEvent.Action.BUDGET_CHANGED, team=team, user=by, about=about, request=request)
    return len(changes)


def _in_words(value: int | None) -> str:
    return "no limit" if value is None else f"{value:,}"


def spend_by_entries() -> Any:
    """What each person's upscales of each month cost by the ledger: ``team``, ``person``, ``month``, ``total``."""
    month = TruncMonth("upscale__created_at", output_field=DateField())
    of_upscales = CreditEntry.objects.filter(upscale__isnull=False).order_by()
    grouped = of_upscales.values("team", person=F("upscale__created_by"), month=month)
    return grouped.annotate(total=-Sum("amount"))


@transaction.atomic
def recount() -> int:
    """Write every month's spend anew from the ledger, as after a change of the time zone. Returns how many rows."""
    # All teams, in one order: no charge may come between reading and writing.
    list(Team.objects.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    MonthlySpend.objects.all().delete()
    rows = [
        MonthlySpend(team_id=row["team"], user_id=row["person"], month=row["month"], credits=row["total"])
        for row in spend_by_entries().iterator()
    ]
    return len(MonthlySpend.objects.bulk_create(rows, batch_size=1000))

"""The e-mails that a charge gives rise to, written down in the charge's own transaction."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format

from upscaler.accounts.audit_log import name_of
from upscaler.credits.budgets import Budget, SpendingStatus
from upscaler.mail import outbox
from upscaler.models import CreditEntry, Email, Team
from upscaler.text import format_credits

OWN = "own"
SUBJECTS: dict[str, str] = {
    Email.Kind.TEAM_BUDGET: "most of this month’s budget is used",
    Email.Kind.PERSON_BUDGET: "most of a person’s budget of this month is used",
    Email.Kind.LOW_BALANCE: "few credits are left",
}


def about_budget(budget: Budget, user: Any) -> str:
    """What tells one e-mail about a budget from the next: the month, and whose it is."""
    return f"{budget.month:%Y-%m}:{user.pk}" if budget.is_own else f"{budget.month:%Y-%m}"


def create_notices(now: SpendingStatus, *, team_id: int, user: Any) -> list[Email]:
    """After a charge: one e-mail for each limit that is reached, unless there is one. The team's row is locked."""
    posted = []
    wanted: list[tuple[str, str, str, dict[str, Any]]] = []
    for budget in now.low_budgets:
        about = about_budget(budget, user)
        if budget.is_own:
            to_others = {"to_admins": True, "user": user}
            wanted.append((Email.Kind.PERSON_BUDGET, about, _of_person(budget, now, name_of(user)), to_others))
            wanted.append((Email.Kind.PERSON_BUDGET, f"{about}:{OWN}", _of_own(budget, now), {"user": user}))
        else:
            wanted.append((Email.Kind.TEAM_BUDGET, about, _of_team(budget, now), {"to_admins": True}))
    if now.balance < now.low_balance:
        # Since the newest grant: whoever grants too little is told again.
        grants = CreditEntry.objects.filter(team_id=team_id, kind=CreditEntry.Kind.GRANT)
        newest = grants.order_by("-pk").values_list("pk", flat=True).first() or 0
        wanted.append((Email.Kind.LOW_BALANCE, f"grant:{newest}", _of_balance(now), {"to_admins": True}))
    for kind, about, text, recipients in wanted:
        if not outbox.was_posted(team_id=team_id, kind=kind, about=about):
            name = Team.objects.values_list("name", flat=True).get(pk=team_id)
            email = outbox.post(
                team_id=team_id,
                kind=kind,
                about=about,
                subject=f"{name}: {SUBJECTS[kind]}",
                text=f"{name}: {text}\n{_link()}",
                **recipients,
            )
            posted.append(email)
    return posted


def _used(budget: Budget, whose: str) -> str:
    month = date_format(budget.month, "F Y")
    return f"{budget.spent:,} of {budget.limit:,} credits of {whose} for {month} are used."


def _end(now: SpendingStatus, what: str) -> str:
    return f"Once all of it is used, the desk refuses {what} until {date_format(now.next_month, 'j F')}."


def _of_team(budget: Budget, now: SpendingStatus) -> str:
    return f"{_used(budget, 'the team’s budget')} {_end(now, 'new orders')}\n\nAdmins can raise it on the Credits page."


def _of_person(budget: Budget, now: SpendingStatus, name: str) -> str:
    whose = f"the budget of {name}"
    return f"{_used(budget, whose)} {_end(now, 'their orders')}\n\nAdmins can raise it on the Credits page."


def _of_own(budget: Budget, now: SpendingStatus) -> str:
    whose = "your own budget"
    return f"{_used(budget, whose)} {_end(now, 'your orders')}\n\nYour team’s admins can raise it."


def _of_balance(now: SpendingStatus) -> str:
    verb = "is" if now.balance == 1 else "are"
    return (
        f"{format_credits(now.balance)} {verb} left, fewer than {now.low_balance:,}. Without credits the desk "
        "refuses new orders.\n\nAdmins can grant more on the Credits page."
    )


def _link() -> str:
    return f"{settings.PUBLIC_URL}{reverse('ledger')}\n" if settings.PUBLIC_URL else ""

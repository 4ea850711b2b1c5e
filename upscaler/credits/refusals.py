"""What is said to somebody who may not spend: what it costs, what is left, and whom to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.formats import date_format

from upscaler.accounts.audit_log import name_of
from upscaler.errors import PublicError
from upscaler.models import Team
from upscaler.text import format_credits

MAX_NAMES = 3


class CreditsRefused(PublicError):
    """The price can't be paid: ``needed`` credits, of which ``left`` are there.

    ``code``: ``insufficient_credits``, or ``budget_exceeded`` where a month's budget has less left than the balance.
    """

    def __init__(self, message: str, *, code: str, needed: int, left: int) -> None:
        super().__init__(message, code=code)
        self.needed = needed
        self.left = left


def insufficient_credits(*, needed: int, left: int, way_out: str) -> CreditsRefused:
    """The team has fewer credits than the work costs. ``way_out`` ends the sentence: what to do, or whom to ask."""
    return CreditsRefused(
        f"This costs {format_credits(needed)}, but your team has {format_credits(left)} left. "
        f"Choose fewer pictures or a cheaper model, or {way_out}.",
        code="insufficient_credits",
        needed=needed,
        left=left,
    )


def budget_exceeded(
    *, needed: int, left: int, way_out: str, is_own: bool, limit: int, month: date, next_month: date
) -> CreditsRefused:
    """The work costs more than is left of a month's budget: the team's, or the person's own."""
    whose = "your own budget" if is_own else "your team’s budget"
    rest = f"only {format_credits(left)} {'is' if left == 1 else 'are'} left" if left else "nothing is left"
    return CreditsRefused(
        f"This costs {format_credits(needed)}, but {rest} of {whose} of {format_credits(limit)} for "
        f"{date_format(month, 'F')}. Wait for the next month, which begins on "
        f"{date_format(next_month, 'j F')}, choose fewer pictures or a cheaper model, or {way_out}.",
        code="budget_exceeded",
        needed=needed,
        left=left,
    )


@dataclass(frozen=True)
class Remedies:
    """What a person can do about a refusal: ends of sentences."""

    more_credits: str
    larger_budget: str


def remedies(team_id: int, user: Any) -> Remedies:
    """For a team admin what they can do themself; for others whom to ask for it, by name."""
    admins = Team.objects.get(pk=team_id).admins()
    if user is not None and user.pk in {admin.pk for admin in admins}:
        return Remedies("grant more on the Credits page", "raise the budget on the Credits page")
    ask = f"ask {either(admins) or 'those who run this desk'}"
    return Remedies(f"{ask} for more credits", f"{ask} for a larger budget")


def either(people: list[Any]) -> str:
    """``Ada, Ben or Cem``; of many people the first few."""
    names = [name_of(person) for person in people[:MAX_NAMES]]
    if len(people) > MAX_NAMES:
        names.append("another admin")
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))

"""What is said to somebody who may not spend: what it costs, what is left, and whom to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.formats import date_format

from upscaler.accounts.audit_log import name_of
from upscaler.models import Team
from upscaler.text import format_credits

MAX_NAMES = 3


class CreditsRefused(Exception):
    """The price can't be paid; ``needed`` and ``left`` say how much it is and how much there is."""

    def __init__(self, *, needed: int, left: int, way_out: str) -> None:
        super().__init__(needed, left)
        self.needed = needed
        self.left = left
        self.way_out = way_out
        """The end of the sentence: what to do, or whom to ask."""

    @property
    def message(self) -> str:
        """The refusal in plain words, with the way out."""
        raise NotImplementedError


class InsufficientCredits(CreditsRefused):
    """The team has fewer credits than the work costs."""

    @property
    def message(self) -> str:
        """The refusal in plain words, with the way out."""
        return (
            f"This costs {format_credits(self.needed)}, but your team has {format_credits(self.left)} left. "
            f"Choose fewer pictures or a cheaper model, or {self.way_out}."
        )


class BudgetExceeded(CreditsRefused):
    """The work costs more than is left of a month's budget: the team's, or the person's own."""

    def __init__(
        self, *, needed: int, left: int, way_out: str, is_own: bool, limit: int, month: date, next_month: date
    ) -> None:
        super().__init__(needed=needed, left=left, way_out=way_out)
        self.is_own = is_own
        self.limit = limit
        self.month = month
        self.next_month = next_month

    @property
    def message(self) -> str:
        """The refusal in plain words, with the way out."""
        whose = "your own budget" if self.is_own else "your team’s budget"
        left = (
            f"only {format_credits(self.left)} {'is' if self.left == 1 else 'are'} left"
            if self.left
            else "nothing is left"
        )
        return (
            f"This costs {format_credits(self.needed)}, but {left} of {whose} of {format_credits(self.limit)} for "
            f"{date_format(self.month, 'F')}. Wait for the next month, which begins on "
            f"{date_format(self.next_month, 'j F')}, choose fewer pictures or a cheaper model, or {self.way_out}."
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

"""A model of the ledger that a child could check: what `test_ledger_model` compares the desk with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass
class Work:
    """What the model knows of one upscale."""

    person: str
    price: int
    month: str
    status: str = "Created"
    attempt: int = 0
    failures: int = 0
    lease_until: datetime | None = None
    not_before: datetime | None = None
    is_refunded: bool = False
    retry_of: int | None = None
    batch: int | None = None
    ordered_at: datetime = datetime.min
    ended_at: datetime | None = None


@dataclass
class Model:
    """The ledger, in plain Python."""

    balance: int = 0
    entries: list[tuple[str, int, int, int | None]] = field(default_factory=list)
    spent: dict[tuple[str, str], int] = field(default_factory=dict)
    team_budget: int | None = None
    budgets: dict[str, int | None] = field(default_factory=lambda: {"ana": None, "ben": None})
    low_balance: int = 20
    work: dict[int, Work] = field(default_factory=dict)
    notices: set[tuple[str, str | None]] = field(default_factory=set)
    newest_grant: int = 0

    def move(self, kind: str, amount: int, upscale: int | None = None) -> None:
        self.balance += amount
        self.entries.append((kind, amount, self.balance, upscale))

    def lefts(self, person: str, month: str) -> list[tuple[int, bool]]:
        """What is left of each budget, and whether it is the person's own; the one that refuses first."""
        team = sum(spent for (_, of), spent in self.spent.items() if of == month)
        found = [] if self.team_budget is None else [(max(self.team_budget - team, 0), False)]
        if (own := self.budgets[person]) is not None:
            found.append((max(own - self.spent.get((person, month), 0), 0), True))
        return sorted(found)

    def refusal(self, person: str, price: int, month: str) -> tuple[Any, ...] | None:
        if price > self.balance:
            return ("balance", self.balance)
        lefts = self.lefts(person, month)
        return ("budget", *lefts[0]) if lefts and price > lefts[0][0] else None

    def charge(self, number: int, work: Work, user_id: int) -> None:
        self.work[number] = work
        self.move("charge", -work.price, number)
        key = (work.person, work.month)
        self.spent[key] = self.spent.get(key, 0) + work.price
        team = sum(spent for (_, of), spent in self.spent.items() if of == work.month)
        if self.team_budget and team * 100 >= self.team_budget * 80:
            self.notices.add(("team_budget", work.month))
        if (own := self.budgets[work.person]) and self.spent[key] * 100 >= own * 80:
            self.notices |= {
                ("person_budget", f"{work.month}:{user_id}"),
                ("person_budget", f"{work.month}:{user_id}:own"),
            }
        if self.balance < self.low_balance:
            self.notices.add(("low_balance", f"grant:{self.newest_grant}"))

    def refund(self, number: int) -> None:
        work = self.work[number]
        work.is_refunded = True
        self.move("refund", work.price, number)
        self.spent[work.person, work.month] -= work.price

    def end(self, number: int, status: str, now: datetime) -> None:
        """An upscale came to its end; a batch that took longer than ten minutes is told of with its last one."""
        work = self.work[number]
        work.status, work.lease_until, work.ended_at = status, None, now
        if status == "Error":
            self.refund(number)
        of_batch = [other for other in self.work.values() if work.batch and other.batch == work.batch]
        if not of_batch or any(other.ended_at is None for other in of_batch):
            return
        # What was ordered while nothing was open began anew.
        begun = min(other.ordered_at for other in of_batch)
        for one in of_batch:
            earlier = [other for other in of_batch if other.ordered_at < one.ordered_at]
            if all(other.ended_at and other.ended_at <= one.ordered_at for other in earlier):
                begun = max(begun, one.ordered_at)
        if now - begun > timedelta(minutes=10):
            self.notices.add(("batch", None))

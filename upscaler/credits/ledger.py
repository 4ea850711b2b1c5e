"""Grants, charges and refunds. Each changes the balance and appends its entry in one transaction.

So the sum of a team's entries always equals its balance. `manage.py check_ledger` proves it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import BigIntegerField, F, IntegerField
from django.http import HttpRequest

from upscaler.accounts import audit_log
from upscaler.accounts.people import require_admin
from upscaler.credits import budgets, refusals, thresholds
from upscaler.credits.refusals import CreditsRefused
from upscaler.models import AuditEvent, CreditEntry, Email, Team, Upscale
from upscaler.models.prepared import Change, Place, PreparedChange, PreparedInsert
from upscaler.text import format_credits

MAX_BALANCE = 1_000_000_000
"""Credits in one grant and in one balance: what an integer column holds with room to spare."""
BATCH_SIZE = 500
"""Rows that one statement adds."""


class GrantedBefore(Exception):
    """The request was carried out before; ``entry`` is what came of it."""

    def __init__(self, entry: CreditEntry) -> None:
        super().__init__(entry.pk)
        self.entry = entry


def grant(
    *,
    team: Team,
    amount: int,
    note: str = "",
    by: Any = None,
    request_key: uuid.UUID | None = None,
    request: HttpRequest | None = None,
) -> CreditEntry:
    """Add credits to a team; a negative ``amount`` corrects the balance downwards. A person's deed is recorded.

    Raises PublicError where ``by`` is no admin of the team (any more); None stands for those who run the desk. Raises
    ValueError for an amount of zero or beyond ``MAX_BALANCE``, or a balance beyond it, CreditsRefused where
    the balance would fall below zero, and GrantedBefore where the team has an entry of this ``request_key``.
    """
    if amount == 0 or abs(amount) > MAX_BALANCE:
        raise ValueError(f"The amount must not be zero, and at most {MAX_BALANCE:,}.")
    try:
        with transaction.atomic():
            if by is not None:
                # Under the lock, so that nobody grants who is being removed.
                Team.objects.select_for_update(no_key=True).get(pk=team.pk)
                require_admin(team.pk, by)
            _move(team_id=team.pk, amount=amount, user=by)
            kind = CreditEntry.Kind.GRANT if amount > 0 else CreditEntry.Kind.CORRECTION
            entry = _append(team_id=team.pk, kind=kind, amount=amount, note=note, by=by, request_key=request_key)
            if entry.balance_after > MAX_BALANCE:
                raise ValueError(f"A team can hold at most {MAX_BALANCE:,} credits.")
            if by is not None:
                record_grant(entry, by=by, request=request)
    except (IntegrityError, CreditsRefused):
        # A second click on the button; the first may also have taken what this one would take.
        earlier = CreditEntry.objects.filter(team=team, request_key=request_key).first() if request_key else None
        if earlier is not None:
            raise GrantedBefore(earlier) from None
        raise
    return entry


def record_grant(entry: CreditEntry, *, by: Any, request: HttpRequest | None = None) -> None:
    """Note a grant or a correction in the audit log. Call it in the grant's transaction."""
    is_grant = entry.kind == CreditEntry.Kind.GRANT
    action = AuditEvent.Action.GRANTED if is_grant else AuditEvent.Action.CORRECTED
    amount = format_credits(entry.amount) if is_grant else f"by {format_credits(-entry.amount)}"
    about = f"{amount}: {entry.note}" if entry.note else amount
    audit_log.record(action, team=entry.team, user=by, about=about, request=request)


@transaction.atomic(savepoint=False)
def charge(upscales: Sequence[Upscale]) -> list[Email]:
    """Take the price of all these upscales from their team, the month's budgets included, with an entry for each.

    They were ordered at one time by one person of one team; one that costs nothing has no entry. Returns the e-mails
    that it gives rise to. Raises CreditsRefused where it does not suffice for all, and IntegrityError where one was
    charged before: a transaction around it is lost with it then.
    """
    upscales = [upscale for upscale in upscales if upscale.credits]
    if not upscales:
        return []
    first = upscales[0]
    team_id, user, price = first.team_id, first.created_by, sum(upscale.credits for upscale in upscales)
    _move(team_id=team_id, amount=-price, user=user)
    month = budgets.month_of(first.created_at)
    now = budgets.spending_status(team_id=team_id, user=user, month=month)
    budgets.check_budgets(now, team_id=team_id, user=user, price=price)
    budgets.add_spend(team_id=team_id, user_id=first.created_by_id, month=month, amount=price)
    amounts = [(upscale, -upscale.credits) for upscale in upscales]
    _append_all(team_id, CreditEntry.Kind.CHARGE, amounts, by=user, balance=now.balance)
    return thresholds.create_notices(now.after(price), team_id=team_id, user=user)


@transaction.atomic
def refund(upscales: Sequence[Upscale], *, note: str, by: Any = None) -> list[CreditEntry]:
    """Give the price of all these upscales of one team back, to the months of their charges too.

    ``by`` whom, if a person decided it. One that cost nothing has no entry. Raises IntegrityError where one was
    refunded before.
    """
    upscales = [upscale for upscale in upscales if upscale.credits]
    if not upscales:
        return []
    team_id, total = upscales[0].team_id, sum(upscale.credits for upscale in upscales)
    _move(team_id=team_id, amount=total, user=by)
    # Read anew: an account may have been deleted since its upscale was claimed.
    people = dict(Upscale.objects.filter(pk__in=[upscale.pk for upscale in upscales]).values_list("pk", "created_by"))
    spends: Counter[tuple[int | None, date]] = Counter()
    for upscale in upscales:
        spends[people[upscale.pk], budgets.month_of(upscale.created_at)] += upscale.credits
    for (user_id, month), amount in sorted(spends.items(), key=str):
        budgets.add_spend(team_id=team_id, user_id=user_id, month=month, amount=-amount)
    amounts = [(upscale, upscale.credits) for upscale in upscales]
    balance = Team.objects.values_list("balance", flat=True).get(pk=team_id)
    return _append_all(team_id, CreditEntry.Kind.REFUND, amounts, note=note, by=by, balance=balance)


def _move(*, team_id: int, amount: int, user: Any) -> None:
    # One conditional UPDATE, so that two submits at once can't both spend the last credit. It also locks the
    # team's row until the transaction ends, which keeps `balance_after` in the order of the entries and the budgets
    # exact.
    if not MOVE.run(team=team_id, amount=amount, least=-amount):
        left = Team.objects.values_list("balance", flat=True).get(pk=team_id)
        way_out = refusals.remedies(team_id, user).more_credits
        raise refusals.insufficient_credits(needed=-amount, left=left, way_out=way_out)


MOVE = PreparedChange(
    lambda: Change(
        Team.objects.filter(pk=Place("team", BigIntegerField()), balance__gte=Place("least", IntegerField())),
        {"balance": F("balance") + Place("amount", IntegerField())},
    )
)


def _append(*, team_id: int, kind: str, amount: int, by: Any, **values: Any) -> CreditEntry:
    balance = Team.objects.values_list("balance", flat=True).get(pk=team_id)
    return CreditEntry.objects.create(
        team_id=team_id, kind=kind, amount=amount, balance_after=balance, created_by=by, **values
    )


def _append_all(
    team_id: int, kind: str, amounts: Sequence[tuple[Upscale, int]], *, by: Any, balance: int, note: str = ""
) -> list[CreditEntry]:
    """An entry for each upscale and its amount. The ``balance`` has moved by their sum already."""
    balance -= sum(amount for _, amount in amounts)
    entries = []
    for upscale, amount in amounts:
        balance += amount
        entries.append(
            CreditEntry(
                team_id=team_id,
                kind=kind,
                amount=amount,
                balance_after=balance,
                upscale=upscale,
                note=note,
                created_by=by,
            )
        )
    if len(entries) > 1:
        return CreditEntry.objects.bulk_create(entries, batch_size=BATCH_SIZE)
    INSERT.run(entries[0])
    return entries


INSERT = PreparedInsert(CreditEntry)

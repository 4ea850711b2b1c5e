"""Credits: the only code that writes credit entries, balances, budgets and what a month has cost.

- `ledger`: grant, charge, refund; each appends its entry and moves the balance in one transaction.
- `budgets`: how much of a month's budgets is used, and changing them.
- `refusals`: what is said to somebody who may not spend.
- `thresholds`: the e-mails that a charge gives rise to.
- `verification`: the ledger proved over the whole database.
"""

from upscaler.credits.budgets import (
    Budget,
    SpendingStatus,
    change_budgets,
    ensure_affordable,
    month_of,
    recount,
    spending_status,
)
from upscaler.credits.ledger import MAX_BALANCE, GrantedBefore, charge, grant, record_grant, refund
from upscaler.credits.refusals import CreditsRefused, remedies
from upscaler.credits.verification import LedgerReport, verify

__all__ = [
    "MAX_BALANCE",
    "Budget",
    "CreditsRefused",
    "GrantedBefore",
    "LedgerReport",
    "SpendingStatus",
    "change_budgets",
    "charge",
    "ensure_affordable",
    "grant",
    "month_of",
    "record_grant",
    "recount",
    "refund",
    "remedies",
    "spending_status",
    "verify",
]

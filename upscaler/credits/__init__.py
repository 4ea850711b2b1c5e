"""Credits: the only code that writes credit entries, balances, budgets and what a month has cost.

- `ledger`: grant, charge, refund; each appends its entry and moves the balance in one transaction.
- `budgets`: how much of a month's budgets is used, and changing them.
- `refusals`: what is said to somebody who may not spend.
- `thresholds`: the e-mails that a charge gives rise to.
- `proof`: the ledger proved over the whole database.
- `made_up`: the ledger of a made-up history, for benches.
"""

from upscaler.credits.budgets import Budget, Standing, change_budgets, check, month_of, recount, standing
from upscaler.credits.ledger import MOST, GrantedBefore, charge, grant, record_grant, refund
from upscaler.credits.proof import LedgerReport, audit
from upscaler.credits.refusals import BudgetExceeded, CreditsRefused, InsufficientCredits, counted, ways_out

__all__ = [
    "MOST",
    "Budget",
    "BudgetExceeded",
    "CreditsRefused",
    "GrantedBefore",
    "InsufficientCredits",
    "LedgerReport",
    "Standing",
    "audit",
    "change_budgets",
    "charge",
    "check",
    "counted",
    "grant",
    "month_of",
    "record_grant",
    "recount",
    "refund",
    "standing",
    "ways_out",
]

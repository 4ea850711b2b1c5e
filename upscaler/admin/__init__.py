"""Django's admin for staff. Money and status are to be read there; two actions retry and refund, and say why.

- `base`: what is read only, links from row to row, pages of very long lists, filters that do not list everybody.
- `teams`: teams, memberships, invitations, tokens.
- `accounts`: people's accounts.
- `upscales`: upscales, and the engines' state.
- `records`: the ledger, the audit log and the e-mails.
"""

from upscaler.admin import accounts, records, teams, upscales

__all__ = ["accounts", "records", "teams", "upscales"]

"""Django's admin for staff. Money and status are to be read there; two actions retry and refund, and say why.

- `base`: what is read only, links from row to row, pages of very long lists, filters that do not list everybody.
- `teams`: teams, memberships, invitations, tokens.
- `accounts`: people's accounts.
- `upscales`: upscales, and the engines' state.
- `records`: the ledger, the audit log and the e-mails.
- `channels`: teams' channels, products' codes and channel files.
- `feeds`: feeds, their checks and pictures, the hosts of those.
- `watching`: watched folders and their files.
- `webhooks`: who is told, and what was sent.
- `fidelity`: checks of results.
- `reviews`: decisions about results, and wrong results of paid engines.
- `sharing`: share links, which an action revokes.
"""

from upscaler.admin import (
    accounts,
    channels,
    feeds,
    fidelity,
    records,
    reviews,
    sharing,
    teams,
    upscales,
    watching,
    webhooks,
)

__all__ = [
    "accounts",
    "channels",
    "feeds",
    "fidelity",
    "records",
    "reviews",
    "sharing",
    "teams",
    "upscales",
    "watching",
    "webhooks",
]

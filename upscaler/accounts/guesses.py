"""How wrong guesses are slowed that are no sign-ins: counted by the address that they come from, in the cache.

Guesses at a person's password, wherever one is asked for, count as sign-ins do: see `passwords.is_own`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.http import HttpRequest

from upscaler.accounts import rate_limit
from upscaler.accounts.client_ip import origin


@dataclass(frozen=True)
class Limit:
    """So many from one address in each span of so many seconds."""

    name: str
    most: int
    seconds: int


INVITATION = Limit("invitation", 20, 10 * 60)
"""Links that no invitation has."""
RESET_LINK = Limit("reset-link", 20, 10 * 60)
"""Links for a new password that are wrong or too old."""
RESET = Limit("reset", 20, 10 * 60)
"""Asking for such links, whether or not anybody has the address."""
SHARE_LINK = Limit("share-link", 60, 10 * 60)
"""Share links that nobody ever made. The right ones of the same address go on working, as with tokens."""
TOKEN = Limit("token", 60, 60)
"""API tokens that nobody was ever given. The right ones of the same address go on working: an office is one address,
and one program with a mistyped token in it must not stop the others."""


def note(request: HttpRequest, limit: Limit) -> int:
    """Count one; how many seconds to wait from now on, 0 for none."""
    return _seconds(limit) if rate_limit.count(_key(request, limit), seconds=2 * limit.seconds) > limit.most else 0


def wait(request: HttpRequest, limit: Limit) -> int:
    """How many seconds this address has to wait; 0 for none."""
    return _seconds(limit) if rate_limit.current(_key(request, limit)) >= limit.most else 0


def _key(request: HttpRequest, limit: Limit) -> str:
    return f"guesses-{limit.name}-{origin(request)}-{int(time.time() // limit.seconds)}"


def _seconds(limit: Limit) -> int:
    return int(limit.seconds - time.time() % limit.seconds) + 1

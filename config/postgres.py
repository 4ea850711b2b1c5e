"""How soon PostgreSQL and the desk each notice that the other's machine has vanished.

Without it the system decides: a line on which nothing comes is looked at after two hours, and for as long PostgreSQL
keeps all rows locked that a machine without power, or behind a cut line, held in the middle of a transaction.
"""

from __future__ import annotations

from typing import Any

from config.environment import whole

TRANSACTION_IDLE_SECONDS = whole("TRANSACTION_IDLE_SECONDS", 60)
"""A session that says nothing for so long inside a transaction is ended, and its locks are free.

With 0 nothing is asked of PostgreSQL, for a pool in between that lets nothing be asked.
"""
QUIET, EVERY, TIMES = 30, 10, 3
"""A line that is quiet for 30 seconds is asked for a sign of life, every 10 seconds, and cut after 3 in vain."""
UNHEARD = 60_000
"""Milliseconds that what was sent may go without a receipt."""

OF_THE_DESK: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": QUIET,
    "keepalives_interval": EVERY,
    "keepalives_count": TIMES,
    "tcp_user_timeout": UNHEARD,
}
OF_POSTGRES = {
    "idle_in_transaction_session_timeout": TRANSACTION_IDLE_SECONDS * 1000,
    "tcp_keepalives_idle": QUIET,
    "tcp_keepalives_interval": EVERY,
    "tcp_keepalives_count": TIMES,
    "tcp_user_timeout": UNHEARD,
}


def options(given: dict[str, Any]) -> dict[str, Any]:
    """All options of a connection; those that DATABASE_URL gives come first."""
    asked = [f"-c {name}={value}" for name, value in OF_POSTGRES.items()] if TRANSACTION_IDLE_SECONDS else []
    # Of two values for one name PostgreSQL takes the later one.
    return {**OF_THE_DESK, **given, "options": " ".join([*asked, given.get("options", "")]).strip()}

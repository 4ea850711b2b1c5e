"""Whether a pool gives the desk's sessions one another's connections to PostgreSQL.

A PgBouncer with `pool_mode=transaction` does. Whatever stays with a session is lost there, or found by another one.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

TRIES = 5
"""Others that use the pool may come in between."""


def is_transaction_pooled() -> bool:
    """Whether two sessions can have the same connection to PostgreSQL, one after the other."""
    if connection.vendor != "postgresql":
        return False
    mine, other = connection, connection.copy()
    try:
        for _ in range(TRIES):
            at_first = _process_behind(mine)
            if _process_behind(other) == at_first or _process_behind(mine) != at_first:
                return True
        return False
    finally:
        other.close()


def _process_behind(session: Any) -> int:
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        number: int = cursor.fetchone()[0]
    return number

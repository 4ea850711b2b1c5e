"""Whether an error says that the database, or the line to it, is gone: it passes, and is no fault of the desk's."""

from __future__ import annotations

from django.db import InterfaceError, InternalError, OperationalError

SILENT_TOO_LONG = "25P03"
"""What PostgreSQL says to a session that it has ended for TRANSACTION_IDLE_SECONDS, in no class of errors that pass."""


def is_away(error: BaseException | None) -> bool:
    """Whether the database could not be asked, or not to the end."""
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "sqlstate", None) == SILENT_TOO_LONG
    return isinstance(error, (OperationalError, InterfaceError))

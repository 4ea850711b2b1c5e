"""Whether an error says that a disk or a storage takes nothing more or is out of reach, and how that is said.

Django-free, because the processes that read and enlarge pictures are.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time

from upscaler.errors import PublicError

FULL, UNWRITABLE, AWAY = "storage_full", "storage_unwritable", "storage_away"
CODES = (FULL, UNWRITABLE, AWAY)
RETRY_AFTER = 60
"""Seconds after which a program may ask again."""
SAID_EVERY = 600.0
"""Seconds in which one process writes one line of it into the log, however many pictures meet it."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE)
_FULL_WORDS = (*map(os.strerror, _FULL), "database or disk is full")
_UNWRITABLE_WORDS = (
    os.strerror(errno.EROFS),
    "No usable temporary directory",
    "attempt to write a readonly database",
)
"""In what libraries and databases say, who keep the number to themselves."""

MESSAGES = {
    FULL: "The desk’s storage is full, so nothing can be stored now. Nothing was charged. Tell who runs this desk, and "
    "try again later.",
    UNWRITABLE: "The desk’s storage can’t be written now. Nothing was charged. Tell who runs this desk, and try again "
    "later.",
    AWAY: "The desk’s storage does not answer now. Nothing was charged. Try again in a while; if it stays so, tell who "
    "runs this desk.",
}
WAITING = {
    FULL: "Waiting: the desk’s storage is full",
    UNWRITABLE: "Waiting: the desk’s storage can’t be written",
    AWAY: "Waiting: the desk’s storage does not answer",
}
"""What the row of an upscale says that is tried again."""
GAVE_UP = {
    FULL: "The desk’s storage was full for hours, so this picture could not be stored. Its price went back. Tell who "
    "runs this desk; once there is room, try again.",
    UNWRITABLE: "The desk’s storage could not be written for hours, so this picture could not be stored. Its price "
    "went back. Tell who runs this desk; once that is mended, try again.",
    AWAY: "The desk’s storage did not answer for hours, so this picture could not be read or stored. Its price went "
    "back. Tell who runs this desk; once it answers, try again.",
}
_EITHER = "the picture storage or the temporary folder"
FOR_OPERATORS = {
    FULL: f"{_EITHER} is full: make room, or have old upscales deleted",
    UNWRITABLE: f"{_EITHER} can’t be written: look at its disk, whom its folder belongs to, or what its key may do",
    AWAY: "the picture storage does not answer: look at its server, and at the line to it",
}

_lock = threading.Lock()
_said_at: dict[str, float] = {}


class StorageAway(OSError):
    """The picture storage is on another machine, and could not be asked."""


def code_of(error: BaseException | None) -> str | None:
    """The one of `CODES` that the error, or what it was raised from, is about; else None."""
    while error is not None:
        if isinstance(error, PublicError):
            if error.code in CODES:
                return error.code
        elif (found := _code_of(error)) is not None:
            return found
        error = error.__cause__
    return None


def _code_of(error: BaseException) -> str | None:
    if isinstance(error, StorageAway):
        return AWAY
    number = error.errno if isinstance(error, OSError) else None
    words = str(error)
    if number in _FULL or any(said in words for said in _FULL_WORDS):
        return FULL
    if number in _UNWRITABLE or any(said in words for said in _UNWRITABLE_WORDS):
        return UNWRITABLE
    return None


def refusal(code: str) -> PublicError:
    """What people are told; not permanent."""
    return PublicError(MESSAGES[code], code=code, permanent=False, retry_after=RETRY_AFTER)


def refusal_of(error: BaseException) -> PublicError | None:
    """`refusal`, where the error is about that; then the log has it too. Else None."""
    code = code_of(error)
    if code is None:
        return None
    note(code, error)
    return refusal(code)


def note(code: str, error: BaseException) -> None:
    """Write it into the log, once in a while."""
    now = time.monotonic()
    with _lock:
        if now - _said_at.get(code, -SAID_EVERY) < SAID_EVERY:
            return
        _said_at[code] = now
    # Without the traceback: where it was met says nothing of why.
    logging.getLogger(__name__).error(
        "%s (%s). What waits for it goes on by itself; more of these are not logged for %.0f minutes",
        FOR_OPERATORS[code],
        error,
        SAID_EVERY / 60,
    )


def sentence(error: BaseException, otherwise: str, *, logger: logging.Logger, doing: str) -> str:
    """What people read where something could not be stored; the log has why.

    ``otherwise``: what they read where it is not about room. ``doing``: what failed, for the log.
    """
    refused = refusal_of(error)
    if refused is not None:
        return refused.message
    logger.error("%s", doing, exc_info=error)
    return otherwise

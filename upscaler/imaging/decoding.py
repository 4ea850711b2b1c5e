"""Turns at decoding: a few pictures at once, and of the large ones fewer, so that pages have their share of the
machine. Who waits for too long is told so."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from upscaler.errors import PublicError

BUSY = "busy"
"""The code of a picture that could not be looked at in time. The same again may go well."""

LARGE_FROM = 8_000_000
"""Pixels from which on a picture waits its turn. Smaller ones, as most are, never wait behind large ones."""
MAX_WAIT = 20.0
"""Seconds that a request waits for its turns, for all of its pictures together. Decoding one of 64 megapixels takes
about one."""
SMALL_AT_ONCE = 2
"""Pictures that are not large and are read at the same time in one process."""
WAITING = 10
"""How many people's pictures are read or wait for it in one process: the web server has threads for some more."""
MAX_WAIT_TO_WAIT = 2.0
"""Seconds that somebody waits for one of these places."""


class Patience:
    """What is left of the time that a request may wait for turns."""

    def __init__(self) -> None:
        self._left = MAX_WAIT

    def wait(self, turns: _Turns, *, most: float | None = None) -> bool:
        """Whether a turn came in what is left, or in ``most`` seconds of it; one that is free always does."""
        began = time.monotonic()
        came = turns.acquire(timeout=self._left if most is None else min(most, self._left))
        self._left = max(0.0, self._left - (time.monotonic() - began))
        return came


class _Turns:
    """A number of turns, in the order in which they were asked for: from Python's semaphores, who comes at the right
    moment takes the turn of one who has waited, and under load somebody waits in vain."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float | None = None) -> bool:
        """Whether the turn came in ``timeout`` seconds."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(timeout):
            return True
        with self._lock:
            # It may have come just now.
            if mine.is_set():
                return True
            self._waiting.remove(mine)
            return False

    def release(self) -> None:
        """Hand the turn to the next."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


_turns = _Turns(settings.MAX_LARGE_DECODES)
_small_turns = _Turns(SMALL_AT_ONCE)
_places = _Turns(WAITING)


@contextmanager
def turn(size: tuple[int, int], named: str, *, patience: Patience | None) -> Iterator[None]:
    """Only ``MAX_LARGE_DECODES`` large pictures at once are decoded for this process: inside this is the place for it.

    ``size``: width and height. ``named``: as in `guard.guarded`. ``patience``: how long to wait at most, None for as
    long as it takes.

    Raises PublicError with code ``busy`` where the turn does not come in that time.
    """
    is_large = size[0] * size[1] >= LARGE_FROM
    turns = _turns if is_large else _small_turns
    if not (turns.acquire() if patience is None else patience.wait(turns)):
        raise busy(named, "large pictures are" if is_large else "pictures are")
    try:
        yield
    finally:
        turns.release()


@contextmanager
def place(named: str, patience: Patience) -> Iterator[None]:
    """A person's picture is looked at inside this. Raises PublicError with code ``busy`` where too many are."""
    if not patience.wait(_places, most=MAX_WAIT_TO_WAIT):
        raise busy(named, "pictures are")
    try:
        yield
    finally:
        _places.release()


def busy(named: str, what: str) -> PublicError:
    """The refusal of a picture with which nothing is wrong."""
    return PublicError(
        f"{named} could not be looked at yet, because other {what} being read just now. Nothing is wrong with it: send "
        "it again in half a minute.",
        code=BUSY,
        permanent=False,
    )

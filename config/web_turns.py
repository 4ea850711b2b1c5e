"""Which requests of a process are worked on: two in turns, and those that take long beside them; see `web_worker`.

Of Python's threads one runs at a time. With two dozen at work each waits for another after every look into the
database, up to `sys.getswitchinterval`, and together they do a third of what one would do.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

from config.web_connections import Connection

AT_ONCE = 2
"""While one waits for its database, another runs."""
LONG_SECONDS = 0.01
"""Who has worked for so long most likely waits for something, and holds up nobody any more."""


class Turn:
    """One request's."""

    def __init__(self) -> None:
        self.since = time.monotonic()


class Turns:
    """Gives requests their threads, in the order in which they came. ``work`` must not raise."""

    def __init__(self, threads: Executor, work: Callable[[Connection], None]) -> None:
        self._threads = threads
        self._work = work
        self._lock = threading.Lock()
        self._waiting: deque[Connection] = deque()
        self._turns: dict[Turn, None] = {}
        """Those that hold up others, oldest first."""

    @property
    def is_busy(self) -> bool:
        """Whether a request that comes now has to wait."""
        return len(self._turns) >= AT_ONCE

    def add(self, request: Connection) -> None:
        """Work on a request once it is its turn."""
        with self._lock:
            self._waiting.append(request)
        self.begin()

    def begin(self) -> None:
        """Begin what may begin; to be called again after `seconds_to_next`."""
        with self._lock:
            long_ago = time.monotonic() - LONG_SECONDS
            for turn in [turn for turn in self._turns if turn.since <= long_ago]:
                del self._turns[turn]
            while self._waiting and not self.is_busy:
                self._threads.submit(self._take_turns, *self._next())

    def seconds_to_next(self) -> float:
        """How long until one that takes long holds up nobody any more; infinite where nobody is."""
        with self._lock:
            if not self._waiting:
                return math.inf
            return max(0.0, min(turn.since for turn in self._turns) + LONG_SECONDS - time.monotonic())

    def _next(self) -> tuple[Turn, Connection]:
        turn = Turn()
        self._turns[turn] = None
        return turn, self._waiting.popleft()

    def _take_turns(self, turn: Turn, request: Connection) -> None:
        while True:
            self._work(request)
            with self._lock:
                if turn not in self._turns:
                    # It took long, and another thread has its turn.
                    return
                del self._turns[turn]
                if not self._waiting:
                    return
                # A thread that is awake takes the next sooner than another that has to be woken.
                turn, request = self._next()

"""How many requests a process works on at once: two, and those that take long beside them; see `web_worker`.

Of Python's threads one runs at a time. With two dozen at work each waits for another after every look into the
database, up to `sys.getswitchinterval`, and together they do less than two.
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
LONG_SECONDS = 0.05
"""Who takes longer than a page is drawn in most likely waits for something, and holds up nobody any more."""


class Slot:
    """One of those that hold up others."""

    since: float | None = None
    """When its thread began; None while there is no thread for it."""


class Limiter:
    """Gives requests their threads, in the order in which they came. ``work`` must not raise."""

    def __init__(self, threads: Executor, work: Callable[[Connection], None]) -> None:
        self._threads = threads
        self._work = work
        self._lock = threading.Lock()
        self._waiting: deque[Connection] = deque()
        self._slots: set[Slot] = set()

    def add(self, request: Connection) -> None:
        """Work on a request as soon as there is a slot."""
        with self._lock:
            self._waiting.append(request)
        self.begin()

    def begin(self) -> None:
        """Begin what may begin; to be called again after `seconds_to_next`."""
        with self._lock:
            while self._waiting and self._taken() < AT_ONCE:
                slot = Slot()
                self._slots.add(slot)
                self._threads.submit(self._run, slot, self._waiting.popleft())

    def seconds_to_next(self) -> float:
        """How long until one that takes long holds up nobody any more; infinite where nobody is held up."""
        with self._lock:
            if not self._waiting:
                return math.inf
            now = time.monotonic()
            began = (now if slot.since is None else slot.since for slot in self._slots)
            return max(0.0, min(began, default=now) + LONG_SECONDS - now)

    def _taken(self) -> int:
        """How many slots are taken, once those are forgotten that have been for long."""
        long_ago = time.monotonic() - LONG_SECONDS
        self._slots = {slot for slot in self._slots if slot.since is None or slot.since > long_ago}
        return len(self._slots)

    def _run(self, slot: Slot, request: Connection) -> None:
        while True:
            slot.since = time.monotonic()
            self._work(request)
            with self._lock:
                if slot not in self._slots:
                    # It took long, and another thread has its slot.
                    return
                if not self._waiting:
                    self._slots.remove(slot)
                    return
                # A thread that is awake takes the next sooner than another that has to be woken.
                request = self._waiting.popleft()

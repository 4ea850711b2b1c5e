"""Looks at sources before they are ordered, so that their time can be told.

In a child process of its own, since the engine's may be at work for minutes. It ends when nobody has asked for a while.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from itertools import count

from upscaler.engines.local.child import Child, Message
from upscaler.logs import context

logger = logging.getLogger(__name__)

IDLE = 60.0
"""Seconds after the last look until the child ends: it keeps a network compiled, and some 300 MB."""

REST = 300.0
"""Seconds without looks after one that did not end in time: the machine is busy, and people would wait for nothing."""


class Lookout:
    """Holds at most one child. Looks from several threads come one after the other."""

    def __init__(self, start: Callable[[], Child]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._ids = count(1)
        self._child: Child | None = None
        self._rests_until = 0.0
        self._timer: threading.Timer | None = None

    def look(self, asked: Message, *, seconds: float) -> Message | None:
        """What the child found, in ``seconds`` at most; None where it did not, for whatever reason."""
        # Who waits for another's look longer than half the time would leave too little of it for its own.
        began = time.monotonic()
        deadline = began + seconds
        if began < self._rests_until or not self._lock.acquire(timeout=seconds / 2):
            return None
        try:
            if self._child is None or not self._child.alive:
                self._drop()
                self._child = self._start()
            return self._answer(self._child, asked, deadline)
        except (TimeoutError, EOFError) as error:
            why = "it took too long" if isinstance(error, TimeoutError) else "the process that does it has ended"
            logger.warning("a source was not looked at: %s", why)
            self._drop()
            self._rests_until = time.monotonic() + REST
            return None
        finally:
            self._end_later()
            self._lock.release()

    def close(self) -> None:
        """End the child. Another look starts another."""
        with self._lock:
            self._drop()

    def _answer(self, child: Child, asked: Message, deadline: float) -> Message | None:
        look_id = next(self._ids)
        child.send({"id": look_id, "look": asked, "log_context": context.current()})
        while True:
            message = child.receive(max(0.0, deadline - time.monotonic()))
            if message["id"] != look_id or "progress" in message:
                continue
            found: Message | None = message.get("found")
            if found is None:
                logger.warning("a source was not looked at: %s", message.get("error"))
            return found

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
        self._child = None

    def _end_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(IDLE, self._end_idle)
        self._timer.daemon = True
        self._timer.start()

    def _end_idle(self) -> None:
        # Somebody who looks just now sets the timer anew.
        if self._lock.acquire(blocking=False):
            with contextlib.ExitStack() as stack:
                stack.callback(self._lock.release)
                self._drop()

"""Whether the parts that the desk needs are there: what `/readyz` answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import connection

from upscaler import no_room
from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, RemoteEngine
from upscaler.processing import circuit_breaker, handover
from upscaler.queue import workers
from upscaler.queue.broker import check_broker
from upscaler.storage import room
from upscaler.text import format_datetime

logger = logging.getLogger(__name__)

OK = "ok"
"""How the state of a part begins that does not keep the desk from taking orders."""
KEEP_FOR = 5.0
"""Seconds for which a process gives the answer that it found last."""
MAX_STALE = 60.0
"""Seconds for which callers get that answer while one of them finds the next, however long that takes."""
ASK_AGAIN = timedelta(seconds=30)
"""For how long what a remote engine said counts."""
LOG_EVERY = 600.0
"""Seconds between two lines in the log of one process that say the same."""


_logged_at: dict[str, float] = {}
_last: tuple[float, dict[str, str]] | None = None
_looking = threading.Lock()


def recent_report() -> dict[str, str]:
    """What `report` found a moment ago in this process.

    Anyone may ask, however often, and each look writes a file and asks a broker, so one caller in a while looks.
    """
    global _last
    if (found := _not_older_than(KEEP_FOR)) is not None:
        return found
    if not _looking.acquire(blocking=False):
        if (found := _not_older_than(MAX_STALE)) is not None:
            return found
        _looking.acquire()
    try:
        # Whoever waited for the lock has an answer now.
        if (found := _not_older_than(KEEP_FOR)) is None:
            found = report()
            _last = (time.monotonic(), found)
        return found
    finally:
        _looking.release()


def _not_older_than(seconds: float) -> dict[str, str] | None:
    last = _last
    return last[1] if last is not None and time.monotonic() - last[0] < seconds else None


def report() -> dict[str, str]:
    """Each part by name: ``ok``, or a short text that says what is wrong."""
    return {
        "database": _state(_database, "does not answer"),
        "queue": _state(_queue, "does not answer"),
        "engine": _state(_engine, "can't be loaded"),
        "media": _state(_media, "can't be written"),
        "workers": _state(_workers, "can't be told"),
    }


class _Trouble(Exception):
    """Something that is said in words of its own. ``passes``: the desk takes orders all the same."""

    def __init__(self, text: str, *, passes: bool) -> None:
        super().__init__(text)
        self.text = text
        self.passes = passes


def _state(probe: Callable[[], None], otherwise: str) -> str:
    try:
        probe()
    except EngineError as error:
        # Its words are made for people and name the setting. While it is only away, the desk still takes orders.
        return _said(error.message, passes=error.unavailable)
    except _Trouble as trouble:
        return _said(trouble.text, passes=trouble.passes)
    except Exception:
        # Anyone may ask, so the answer does not say more; the log does.
        logger.exception("not ready: %s", probe.__name__.lstrip("_"))
        return otherwise
    return OK


def _said(text: str, *, passes: bool) -> str:
    # Once in a while: whoever watches asks every few seconds, for hours.
    now = time.monotonic()
    if now - _logged_at.get(text, -LOG_EVERY) >= LOG_EVERY:
        _logged_at[text] = now
        logger.warning("not ready: %s", text)
    return f"{OK}, but {text}" if passes else text


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _queue() -> None:
    # The embedded one lives in the database.
    if settings.TASK_BACKEND == "cluster":
        check_broker()


def _engine() -> None:
    engine = get_engine(settings.ENGINE)
    engine.check()
    if isinstance(engine, RemoteEngine):
        _remote_engine(engine)


def _remote_engine(engine: RemoteEngine) -> None:
    # Anyone may ask us, however often, and each question would be a call to the vendor and hold a thread of ours while
    # that hangs. So one caller in a while asks, and the others get what was found last.
    handover.ask_how_it_is(engine, every=ASK_AGAIN)
    trouble, passes = circuit_breaker.last_found(engine)
    since = circuit_breaker.down_since(engine)
    if since is not None and (passes or not trouble):
        trouble, passes = f"{engine.title} does not answer since {format_datetime(since)}. {trouble}".strip(), True
    if trouble:
        raise EngineError(trouble, code="engine_trouble", permanent=not passes, unavailable=passes)


def _media() -> None:
    try:
        room.probe()
    except Exception as error:
        code = no_room.code_of(error)
        if code is None:
            raise
        # Anyone may ask, so it names no folder; the log does.
        no_room.note(code, error)
        raise _Trouble(no_room.FOR_OPERATORS[code], passes=False) from None


def _workers() -> None:
    none = workers.missing()
    if none is None:
        return
    is_alive = f"has been alive since {format_datetime(none.since)}" if none.since else "is alive"
    raise _Trouble(
        f"no worker of {' and '.join(none.queues)} {is_alive}. Start them: manage.py runworker",
        passes=settings.READY_WITHOUT_WORKERS,
    )

"""Which worker processes are alive. Each says so in a row of its own; where none does, the desk says that.

A process that is frozen says nothing and counts as gone, like one that was killed.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

from django.conf import settings
from django.db import connections
from django.db.models import Max, QuerySet
from django.utils import timezone

from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.models import WorkerProcess

logger = logging.getLogger(__name__)

BEAT_SECONDS = 15.0
ALIVE_FOR = timedelta(seconds=60)
"""A worker that has said nothing for so long is not there."""
FORGET_AFTER = timedelta(days=1)
KEEP_FOR = 5.0
"""Seconds for which a process gives the answer that it found last: every page asks."""

_began = time.monotonic()
_last: tuple[float, NoWorkers | None] | None = None


@dataclass(frozen=True)
class NoWorkers:
    """Queues that nobody works on. ``since`` is None where nobody ever did."""

    queues: tuple[str, ...]
    since: datetime | None


class Presence:
    """While it is entered, a thread says every ``BEAT_SECONDS`` that this worker process is alive."""

    def __init__(self, queue: str, worker_id: str) -> None:
        self.queue = queue
        self.worker_id = worker_id
        self._started_at = timezone.now()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="presence", daemon=True)

    def __enter__(self) -> Presence:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        # It waits for the database at most; what it can't write, time does.
        self._thread.join(5)

    def say(self, *, is_last: bool = False) -> None:
        """Write that it is alive now, or that it ends."""
        now = timezone.now()
        said = {"seen_at": now, "stopped_at": now if is_last else None}
        if WorkerProcess.objects.filter(pk=self.worker_id).update(**said):
            return
        WorkerProcess.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()
        WorkerProcess.objects.create(
            worker_id=self.worker_id,
            queue=self.queue,
            host=socket.gethostname(),
            process=os.getpid(),
            release=settings.RELEASE,
            engine=_engine_in_words() if self.queue == "cpu" else "",
            started_at=self._started_at,
            **said,
        )

    def _beat(self) -> None:
        while not self._end.is_set():
            self._try_to_say()
            self._end.wait(BEAT_SECONDS)
        self._try_to_say(is_last=True)

    def _try_to_say(self, *, is_last: bool = False) -> None:
        try:
            self.say(is_last=is_last)
        except Exception:
            logger.exception("worker %s could not say that it is alive, tried again later", self.worker_id)
        finally:
            # None is held in between: it would be one more connection of each worker, mostly idle.
            connections.close_all()


def _engine_in_words() -> str:
    if settings.ENGINE != "local":
        return settings.ENGINE
    threads = settings.LOCAL_THREADS or max(1, len(os.sched_getaffinity(0)) // settings.CPU_SLOTS)
    return f"local, {settings.LOCAL_DEVICE}, precision {settings.LOCAL_PRECISION}, {threads} threads"


def needed_queues() -> tuple[str, ...]:
    """The queues without whose workers the desk does no work."""
    # With a remote engine the other one only does what can wait, and its documentation lets it be left out.
    return ("io",) if isinstance(get_engine(settings.ENGINE), RemoteEngine) else tuple(settings.QUEUES)


def alive(now: datetime | None = None) -> QuerySet[WorkerProcess]:
    """The worker processes that are there now, on all machines."""
    since = (now or timezone.now()) - ALIVE_FOR
    return WorkerProcess.objects.filter(seen_at__gt=since, stopped_at=None)


def missing(now: datetime | None = None) -> NoWorkers | None:
    """The needed queues that no worker has been alive for since a minute; None where each has one.

    Where no worker ever was, a desk that has just been started is given that minute.
    """
    now = now or timezone.now()
    needed = needed_queues()
    rows = WorkerProcess.objects.order_by().filter(queue__in=needed).values_list("queue").annotate(Max("seen_at"))
    seen: dict[str, datetime] = dict(rows)
    is_new = time.monotonic() - _began < ALIVE_FOR.total_seconds()
    gone = tuple(queue for queue in needed if (seen[queue] <= now - ALIVE_FOR if queue in seen else not is_new))
    if not gone:
        return None
    return NoWorkers(gone, max((seen[queue] for queue in gone if queue in seen), default=None))


def recently_missing() -> NoWorkers | None:
    """What `missing` found in this process, a moment ago at most."""
    global _last
    if _last is None or time.monotonic() - _last[0] >= KEEP_FOR:
        _last = (time.monotonic(), missing())
    return _last[1]


def forget(worker_id: str) -> None:
    """A process that died is not waited for until its minute is over."""
    WorkerProcess.objects.filter(pk=worker_id, stopped_at=None).update(stopped_at=timezone.now())

"""The parent of the worker processes: starts them, restarts one that dies, sweeps, and stops them cleanly.

::

    runworker ──► queue_worker cpu   (CPU_SLOTS of them)
        │    ──► queue_worker io    (IO_SLOTS of them)
        └── sweep, every SWEEP_SECONDS

A child is told to stop by closing its standard input. The same happens by itself when the parent is killed, so no
worker outlives its parent for longer than the job at hand.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.core.management import call_command
from django.db import close_old_connections
from django.utils import timezone

from upscaler.channels.work import find_lost
from upscaler.queue import dispatch, fairness, tasks, workers
from upscaler.queue.broker import celery_app
from upscaler.queue.sweep import sweep
from upscaler.storage import cleanup
from upscaler.storage.draft_files import remove_old_drafts

logger = logging.getLogger(__name__)

MAX_RESTART_PAUSE = 30.0
HEALTHY_AFTER = 60.0
PRUNE_SECONDS = 60 * 60
CLEANUP_SECONDS = cleanup.TURN.total_seconds()
DELETED_SECONDS = 10 * 60
CHANNEL_FILES_SECONDS = 60 * 60
TASK_ROW_LIFETIME = timedelta(hours=2)


@dataclass
class Child:
    """One worker process of one queue."""

    queue: str
    process: subprocess.Popen[bytes] | None = None
    worker_id: str = ""
    started_at: float = 0.0
    start_at: float = 0.0
    crashes: int = 0
    is_stopping: bool = False

    def start(self) -> None:
        """Start the process with a fresh worker id."""
        self.worker_id = f"{self.queue}-{uuid.uuid4().hex[:12]}"
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, sys.argv[0], "queue_worker", self.queue, "--worker-id", self.worker_id],
            stdin=subprocess.PIPE,
            # A session of its own: Ctrl-C and a supervisor's group signal reach the parent, which then lets every
            # child end its job.
            start_new_session=True,
        )
        logger.info("worker %s started (process %s)", self.worker_id, self.process.pid)

    def stop(self) -> None:
        """Let it end the job at hand and exit."""
        self.is_stopping = True
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None


@dataclass
class Chore:
    """Work that is done every so many seconds."""

    name: str
    every: float
    work: Callable[[], object]
    due_at: float = 0.0

    def run_if_due(self) -> None:
        if time.monotonic() >= self.due_at:
            self.due_at = time.monotonic() + self.every
            _guarded(self.name, self.work)


@dataclass
class Supervisor:
    """Runs until it is told to stop."""

    children: list[Child]
    with_sweep: bool = True
    more_chores: list[Chore] = field(default_factory=list)
    """Of rooms that this one knows nothing of; done where it sweeps."""
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, queues: list[str], *, with_sweep: bool = True, more_chores: Sequence[Chore] = ()) -> Supervisor:
        """In the embedded queue one child for each slot; Celery's workers have a pool of their own, so one each."""
        is_embedded = settings.TASK_BACKEND == "embedded"
        children = [Child(queue) for queue in queues for _ in range(fairness.slots(queue) if is_embedded else 1)]
        return cls(children=children, with_sweep=with_sweep, more_chores=list(more_chores))

    def run(self) -> None:
        """Start everything, keep it running, and on SIGTERM or SIGINT end when each job at hand has ended."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        _guarded("temporary folders", cleanup.remove_left_folders)
        chores = [*_chores(), *self.more_chores] if self.with_sweep else []
        while not self._stop.is_set():
            for child in self.children:
                self._keep_running(child)
            for chore in chores:
                chore.run_if_due()
            self._stop.wait(0.2)
        self._end()

    def _on_signal(self, number: int, frame: object) -> None:
        if self._stop.is_set():
            logger.warning("told to stop again: killing the workers now")
            for child in self.children:
                if child.is_running and child.process is not None:
                    child.process.kill()
        self._stop.set()

    def _keep_running(self, child: Child) -> None:
        if child.is_running or time.monotonic() < child.start_at:
            return
        if child.process is not None:
            self._bury(child)
            if child.start_at > time.monotonic():
                return
        child.start()

    def _bury(self, child: Child) -> None:
        code = child.process.returncode if child.process else None
        child.process = None
        lived = time.monotonic() - child.started_at
        child.crashes = 0 if lived > HEALTHY_AFTER else child.crashes + 1
        pause = min(2.0 ** (child.crashes - 1), MAX_RESTART_PAUSE) if child.crashes else 0.0
        child.start_at = time.monotonic() + pause
        logger.error("worker %s died (code %s), restarted in %.0f s", child.worker_id, code, pause)
        _guarded(f"rows of {child.worker_id}", lambda: fail_task_rows_of(child.worker_id))
        _guarded(f"presence of {child.worker_id}", lambda: workers.forget(child.worker_id))

    def _end(self) -> None:
        logger.info("stopping: each worker ends the job at hand")
        for child in self.children:
            child.stop()
        for child in self.children:
            if child.process is not None:
                child.process.wait()


def _chores() -> list[Chore]:
    chores = [
        Chore("sweep", settings.SWEEP_SECONDS, sweep),
        Chore("cleanup", CLEANUP_SECONDS, cleanup.remove_orphans),
        Chore("drafts", CLEANUP_SECONDS, remove_old_drafts),
        Chore("removed feeds", CLEANUP_SECONDS, dispatch.removed_feeds),
        Chore("lost channel files", CHANNEL_FILES_SECONDS, find_lost),
        Chore("deleted", DELETED_SECONDS, cleanup.remove_deleted),
        Chore("old files", DELETED_SECONDS, tasks.wake_counting),
        Chore("sessions", CLEANUP_SECONDS, lambda: call_command("clearsessions")),
    ]
    if settings.TASK_BACKEND == "embedded":
        chores.append(Chore("prune", PRUNE_SECONDS, prune_task_rows))
    return chores


def _guarded(name: str, work: Callable[[], object]) -> None:
    """Housekeeping must never take the workers along: a database that is away now is there at the next turn."""
    try:
        close_old_connections()
        work()
    except Exception:
        logger.exception("housekeeping (%s) failed, tried again later", name)


def fail_task_rows_of(worker_id: str) -> None:
    """Close the queue's rows that a dead worker left RUNNING; the sweep finds the upscales themselves."""
    if settings.TASK_BACKEND != "embedded":
        return
    from django_tasks_db.models import DBTaskResult

    for row in DBTaskResult.objects.running():
        if worker_id in row.worker_ids:
            row.set_failed(RuntimeError(f"worker {worker_id} died"))


def prune_task_rows() -> None:
    """Remove the queue's ended rows, and close those whose worker is long gone."""
    from django_tasks_db.models import DBTaskResult

    for row in DBTaskResult.objects.running().filter(started_at__lt=timezone.now() - TASK_ROW_LIFETIME):
        row.set_failed(RuntimeError("its worker is gone"))
    call_command("prune_db_task_results", min_age_days=0, queue_name="*", verbosity=0)


def run_queue_worker(queue: str, worker_id: str) -> None:
    """Be one worker of ``queue`` until standard input is closed: end the job at hand then, and return."""
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    with workers.Presence(queue, worker_id):
        _work_on(queue, worker_id)


def _work_on(queue: str, worker_id: str) -> None:
    queues = ",".join(settings.QUEUES[queue])
    if settings.TASK_BACKEND == "embedded":
        call_command(
            "db_worker", queue_name=queues, worker_id=worker_id, interval=0.25, reload=False, startup_delay=False
        )
        return
    pool = [f"--pool={'threads' if queue == 'io' else 'prefork'}", f"--concurrency={fairness.slots(queue)}"]
    arguments = ["worker", f"--queues={queues}", f"--hostname={worker_id}@%h", "--loglevel=WARNING"]
    celery_app().worker_main([*arguments, *pool, "--without-gossip", "--without-mingle"])


def _stop_at_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

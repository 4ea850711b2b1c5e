"""The queue's entry points. A message of work names no upscale: whoever gets it takes the one that is next.

Each kind of messages has a queue of its own (settings.QUEUES), so that those that stand can be counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.utils import timezone
from django_tasks import task

from upscaler.accounts import passwords
from upscaler.channels import work as channel_work
from upscaler.feeds import records
from upscaler.feeds import work as feed_work
from upscaler.feeds.turns import forget_hosts
from upscaler.logs.context import about
from upscaler.mail import outbox
from upscaler.models import Batch, Email, Upscale
from upscaler.processing import fidelity_checks, ranks, worker_step
from upscaler.processing.worker_step import NextStep
from upscaler.queue import broker, fairness
from upscaler.storage import cleanup, file_marks, old_files
from upscaler.webhooks import delivery as webhooks

logger = logging.getLogger(__name__)

FILES_AT_ONCE = 5
"""Channel files that one message makes, and files that one reads: then others have their turn."""
SLICES_AT_ONCE = 5
"""Of old files that one message counts."""
MAX_ALARMS = 20
"""So many upscales of a queue that wait for a moment get a message for it; the sweep sees to the others."""


@task(queue_name="cpu")
def work(queue: str) -> None:
    """Take the next step of the upscale that is next in the queue. Of one alone: a worker can stop after it."""
    upscale = fairness.take(queue)
    if upscale is None:
        return
    # Before the work too: it may take an hour, and others may be idle.
    _wake_others(queue)
    next_step = worker_step.work(upscale)
    _fit_its_files(upscale)
    _have_it_checked()
    _have_its_files_read()
    _tell_of(upscale)
    if next_step is not None:
        _wake_for(next_step)
    _wake_others(queue)


@task(queue_name="checks")
def check_fidelity() -> None:
    """Check one result, where no picture waits, and send a message for what is left."""
    if fidelity_checks.step(may_wait=_is_busy()):
        wake_checks()
        # A faithful result waits no more, and somebody may be told so.
        wake_webhooks()


def wake_checks() -> int:
    """Send a message where results are to be checked now and none stands there. Returns how many were sent."""
    return _send_missing("checks", int(fidelity_checks.waiting(may_wait=_is_busy()).exists()), check_fidelity.enqueue)


def _is_busy() -> bool:
    return bool(fairness.ready("cpu", 1))


@task(queue_name="files")
def fit_files(batch_id: int) -> None:
    """Make files for the batch's channels, and send a message for the rest where there are many.

    One that is lost is sent again by the sweep, which goes by the rows.
    """
    with about(batch_id=batch_id):
        made = channel_work.make_due(batch_id, most=FILES_AT_ONCE)
    if made == FILES_AT_ONCE:
        fit_files.enqueue(batch_id)
    _have_its_files_read()


def _fit_its_files(upscale: Upscale) -> None:
    if upscale.batch_id is None or not Batch.objects.filter(pk=upscale.batch_id).exclude(channels=[]).exists():
        return
    if Upscale.objects.filter(pk=upscale.pk, status=Upscale.Status.DONE).exists():
        try:
            fit_files.enqueue(upscale.batch_id)
        except Exception:
            # The result is there, and the sweep sends the message later.
            logger.exception("batch %s: no message for its channel files could be sent", upscale.batch_id)


def _have_it_checked() -> None:
    try:
        wake_checks()
    except Exception:
        # Its row is there, and the sweep sends the message later.
        logger.exception("no message for checks of results could be sent, tried again at the next sweep")


@task(queue_name="marks")
def read_files() -> None:
    """Read what some files say of themselves, and send a message for what is left."""
    for _ in range(FILES_AT_ONCE):
        if not file_marks.step():
            return
    wake_reading()


def wake_reading() -> int:
    """Send a message where files are to be read and none stands there. Returns how many were sent."""
    return _send_missing("marks", int(file_marks.waiting().exists()), read_files.enqueue)


def _have_its_files_read() -> None:
    try:
        wake_reading()
    except Exception:
        # Their rows are there, and the sweep sends the message later.
        logger.exception("no message for files to be read could be sent, tried again at the next sweep")


def wake(queue: str) -> int:
    """Send as many wake-ups as the queue's workers can do with, without those that stand there. Returns how many."""
    send = partial(work.using(queue_name=queue).enqueue, queue)
    return _send_missing(queue, fairness.ready(queue, fairness.slots(queue)), send)


def wake_for_new(queue: str) -> int:
    """`wake` for what was just committed, unless a message stands there: whoever takes that one wakes the others.

    So while much is ordered, an order does not count what is ready.
    """
    return 0 if broker.waiting_messages(queue) else wake(queue)


def _wake_for(next_step: NextStep) -> None:
    queue = ranks.queue_of(next_step.upscale.lane)
    if not next_step.due_in:
        _wake_others(queue)
    elif fairness.paused(queue, MAX_ALARMS + 1) <= MAX_ALARMS:
        run_after = timezone.now() + timedelta(seconds=next_step.due_in)
        work.using(queue_name=queue, run_after=run_after).enqueue(queue)


def _wake_others(queue: str) -> None:
    try:
        wake(queue)
    except Exception:
        # It must not keep this worker from what it has taken up.
        logger.exception("no wake-ups could be sent to the %s queue, tried again at the next sweep", queue)


@task(queue_name="mail")
def send_email(email_id: int) -> None:
    """Send one e-mail."""
    outbox.send(email_id, writers={Email.Kind.PASSWORD: passwords.write})


@task(queue_name="chores")
def remove_deleted() -> None:
    """Remove the files of deleted upscales, and send a message for the rest where there are many."""
    if cleanup.remove_deleted() == cleanup.BATCH:
        remove_deleted.enqueue()


@task(queue_name="counts")
def count_old_files() -> None:
    """Count files that were stored before the desk counted, and send a message for what is left."""
    for _ in range(SLICES_AT_ONCE):
        if not old_files.step():
            return
    count_old_files.enqueue()


def wake_counting() -> int:
    """Send a message where a team's files are not all counted. Returns how many: one, or none."""
    return _send_missing("counts", int(old_files.uncounted().exists()), count_old_files.enqueue)


@task(queue_name="feeds")
def check_feeds() -> None:
    """Take one step of the catalogue check that is next, and send a message for what is left."""
    turn = feed_work.step()
    if turn is None:
        return
    wake_feeds()
    # For a longer rest the sweep is soon enough.
    if turn.due_in and turn.due_in < settings.SWEEP_SECONDS:
        check_feeds.using(run_after=timezone.now() + timedelta(seconds=turn.due_in)).enqueue()


def wake_feeds() -> int:
    """Send as many messages as workers could take up checks, without those that stand there. Returns how many."""
    return _send_missing("feeds", feed_work.ready(), check_feeds.enqueue)


@task(queue_name="webhooks")
def send_webhooks() -> None:
    """Send to the endpoint that is next, and send a message for what is left."""
    if webhooks.step():
        wake_webhooks()


def wake_webhooks() -> int:
    """Send as many messages as workers could send webhooks, without those that stand there. Returns how many."""
    return _send_missing("webhooks", webhooks.ready(), send_webhooks.enqueue)


def _send_missing(queue: str, wanted: int, send: Callable[[], object]) -> int:
    """Have as many messages stand in the queue as are ``wanted``. Returns how many were sent."""
    missing = max(0, wanted - broker.waiting_messages(queue)) if wanted else 0
    for _ in range(missing):
        send()
    return missing


def _tell_of(upscale: Upscale) -> None:
    try:
        wake_webhooks()
    except Exception:
        # They are written down, and sent after the next sweep.
        logger.exception("upscale %s: no message for its webhooks could be sent", upscale.pk)


@task(queue_name="chores")
def forget_removed_feeds() -> None:
    """Delete the rows of removed feeds and of those that nobody checks, and send a message for the rest."""
    records.remove_unused()
    forget_hosts()
    if records.forget_removed() == records.REMOVED_AT_ONCE:
        forget_removed_feeds.enqueue()

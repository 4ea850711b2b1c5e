"""The queue's entry points. A message of work names no upscale: whoever gets it takes the one that is next."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from upscaler.accounts import passwords
from upscaler.channels import files
from upscaler.feeds import records
from upscaler.feeds import work as feed_work
from upscaler.mail import outbox
from upscaler.models import Batch, Email, Upscale
from upscaler.processing import ranks, worker_step
from upscaler.processing.worker_step import NextStep
from upscaler.queue import broker, fairness
from upscaler.storage import cleanup

logger = logging.getLogger(__name__)

FILES_AT_ONCE = 5
"""Channel files that one message makes: then enlarging has its turn."""
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
    if next_step is not None:
        _wake_for(next_step)
    _wake_others(queue)


@task(queue_name="cpu")
def fit_files(batch_id: int) -> None:
    """Make files for the batch's channels, and send a message for the rest where there are many."""
    if files.make_due(batch_id, most=FILES_AT_ONCE) == FILES_AT_ONCE:
        fit_files.enqueue(batch_id)


def _fit_its_files(upscale: Upscale) -> None:
    if upscale.batch_id is None or not Batch.objects.filter(pk=upscale.batch_id).exclude(channels=[]).exists():
        return
    if Upscale.objects.filter(pk=upscale.pk, status=Upscale.Status.DONE).exists():
        try:
            fit_files.enqueue(upscale.batch_id)
        except Exception:
            # The result is there, and its files are made with the next one's, or when somebody asks again.
            logger.exception("batch %s: no message for its channel files could be sent", upscale.batch_id)


def wake(queue: str) -> int:
    """Send as many wake-ups as the queue's workers can do with, without those that stand there. Returns how many."""
    missing = fairness.ready(queue, fairness.slots(queue))
    if missing:
        missing = max(0, missing - broker.waiting_messages(queue, work.module_path))
    for _ in range(missing):
        work.using(queue_name=queue).enqueue(queue)
    return missing


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


@task(queue_name="io")
def send_email(email_id: int) -> None:
    """Send one e-mail."""
    outbox.send(email_id, writers={Email.Kind.PASSWORD: passwords.write})


@task(queue_name="io")
def remove_deleted() -> None:
    """Remove the files of deleted upscales, and send a message for the rest where there are many."""
    if cleanup.remove_deleted() == cleanup.BATCH:
        remove_deleted.enqueue()


@task(queue_name="io")
def check_feeds() -> None:
    """Take one step of the catalogue check that is next, and send a message for what is left."""
    if feed_work.step():
        wake_feeds()


def wake_feeds() -> int:
    """Send as many messages as workers could take up checks, without those that stand there. Returns how many."""
    missing = feed_work.ready()
    if missing:
        missing = max(0, missing - broker.waiting_messages("io", check_feeds.module_path))
    for _ in range(missing):
        check_feeds.enqueue()
    return missing


@task(queue_name="io")
def forget_removed_feeds() -> None:
    """Delete the rows of removed feeds."""
    records.forget_removed()

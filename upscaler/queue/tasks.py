"""The queue's entry points. A message carries an id and nothing else: the row is the truth."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_tasks import task

from upscaler.accounts import passwords
from upscaler.engines import get_engine
from upscaler.mail import outbox
from upscaler.models import Email, Upscale
from upscaler.processing import worker_step
from upscaler.storage import cleanup


@task(queue_name="cpu")
def advance(upscale_id: int) -> None:
    """Take the upscale's next step, and send a message for the one after it, if there is one."""
    next_step = worker_step.step(upscale_id)
    if next_step is not None:
        enqueue_step(next_step.upscale, delay=next_step.due_in)


def enqueue_step(upscale: Upscale, *, delay: float = 0) -> None:
    """Send the upscale's id to the queue that its next step belongs on, to be taken up after ``delay`` seconds."""
    needs_fetch = not upscale.source_file
    queue = "io" if needs_fetch else get_engine(upscale.engine).queue
    run_after = timezone.now() + timedelta(seconds=delay) if delay else None
    advance.using(queue_name=queue, run_after=run_after).enqueue(upscale.pk)


@task(queue_name="io")
def send_email(email_id: int) -> None:
    """Send one e-mail."""
    outbox.send(email_id, writers={Email.Kind.PASSWORD: passwords.write})


@task(queue_name="io")
def remove_deleted() -> None:
    """Remove the files of deleted upscales, and send a message for the rest where there are many."""
    if cleanup.remove_deleted() == cleanup.BATCH:
        remove_deleted.enqueue()

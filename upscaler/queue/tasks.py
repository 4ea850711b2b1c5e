"""The queue's entry points. A message carries an id and nothing else: the row is the truth."""

from __future__ import annotations

from django_tasks import task


@task(queue_name="cpu")
def advance(upscale_id: int) -> None:
    """Take the upscale's next step."""
    # Here and not above: services put messages on the queue, so they import this module.
    from upscaler.processing import worker_step

    worker_step.step(upscale_id)


@task(queue_name="io")
def send_notice(notice_id: int) -> None:
    """Send one e-mail."""
    from upscaler.mail import outbox

    outbox.send(notice_id)

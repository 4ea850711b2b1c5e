"""Messages for what a transaction has just committed. Each is a wake-up: a lost one is sent again by the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from upscaler.channels import due
from upscaler.mail import outbox
from upscaler.models import Team, Upscale
from upscaler.processing import ranks
from upscaler.queue import tasks


def upscales(rows: Sequence[Upscale]) -> None:
    """Wake the workers for new orders: as many as can work on them, however many orders there are."""
    # Where the first can't be sent, the others would only wait for the same time-out.
    for queue in sorted({ranks.queue_of(row.lane) for row in rows}):
        tasks.wake_for_new(queue)


def follow_ups() -> None:
    """Wake a worker for a job at a remote engine that is to be asked about now."""
    tasks.wake("io")


def removal() -> None:
    """Wake a worker for the files of what was deleted."""
    tasks.remove_deleted.enqueue()


def fit_files(batch_id: int) -> None:
    """Wake a worker for the files that a batch's channels lack."""
    tasks.fit_files.enqueue(batch_id)


def overdue_fit_files(now: datetime) -> None:
    """Wake workers for channel files whose message or worker was lost, or that could not be made before."""
    for batch_id in due.overdue(now):
        fit_files(batch_id)
        due.note_message(batch_id, now)


def fidelity_checks() -> None:
    """Wake a worker for results that are to be checked."""
    tasks.wake_checks()


def file_marks() -> None:
    """Wake a worker for files of which nobody has read yet what they say of themselves."""
    tasks.wake_reading()


def feeds() -> None:
    """Wake the workers for catalogue checks."""
    tasks.wake_feeds()


def removed_feeds() -> None:
    """Wake a worker for the rows of removed feeds, and of those that nobody checks any more."""
    tasks.forget_removed_feeds.enqueue()


def reviews() -> None:
    """Wake the workers for who is told of a decision, once that is committed. A lost message changes no decision."""
    transaction.on_commit(webhooks, robust=True)


def webhooks() -> None:
    """Wake the workers for webhooks that are due."""
    tasks.wake_webhooks()


def email(email_id: int) -> None:
    """Wake a worker for one e-mail."""
    tasks.send_email.enqueue(email_id)


def emails(*, team: Team) -> None:
    """Wake the workers for the team's e-mails that are due, if any."""
    for email_id in outbox.due(team_id=team.pk):
        email(email_id)


def overdue_emails(now: datetime) -> None:
    """Wake the workers for e-mails whose message was lost, or that could not be sent before."""
    for email_id in outbox.overdue(now):
        email(email_id)

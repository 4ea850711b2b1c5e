"""Messages for what a transaction has just committed. Each is a wake-up: a lost one is sent again by the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from upscaler.mail import outbox
from upscaler.models import Team, Upscale
from upscaler.processing import ranks
from upscaler.queue import tasks


def upscales(rows: Sequence[Upscale]) -> None:
    """Wake the workers for new orders: as many as can work on them, however many orders there are."""
    # Where the first can't be sent, the others would only wait for the same time-out.
    for queue in sorted({ranks.queue_of(row.lane) for row in rows}):
        tasks.wake(queue)


def removal() -> None:
    """Wake a worker for the files of what was deleted."""
    tasks.remove_deleted.enqueue()


def fit_files(batch_id: int) -> None:
    """Wake a worker for the files that a batch's channels lack."""
    tasks.fit_files.enqueue(batch_id)


def feeds() -> None:
    """Wake the workers for catalogue checks."""
    tasks.wake_feeds()


def removed_feeds() -> None:
    """Wake a worker for the rows of removed feeds."""
    tasks.forget_removed_feeds.enqueue()


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

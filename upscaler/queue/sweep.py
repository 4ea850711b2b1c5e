"""Finds out that work waits whose message or worker was lost, and wakes workers for it.

E-mails, catalogue checks and channel files likewise.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.mail import outbox
from upscaler.processing import circuit_breaker, handover
from upscaler.queue import dispatch, tasks
from upscaler.webhooks import delivery

logger = logging.getLogger(__name__)


def sweep(now: datetime | None = None) -> int:
    """Wake workers where there is work and no message stands for it. Returns how many messages were sent.

    Never more of them stand than the workers can do with, however much work there is.
    """
    now = now or timezone.now()
    _ask_whether_it_is_back(now)
    _emails(now)
    _feeds()
    _channel_files(now)
    _old_webhooks(now)
    _webhooks()
    _fidelity_checks()
    _file_marks()
    sent = {queue: _wake(queue) for queue in settings.QUEUES}
    if any(sent.values()):
        logger.info("sweep: wake-ups sent: %s", ", ".join(f"{queue} {number}" for queue, number in sent.items()))
    return sum(sent.values())


def _wake(queue: str) -> int:
    try:
        return tasks.wake(queue)
    except Exception:
        # The queue is away, or this one's engine is. Neither may hold up the others.
        logger.exception("no wake-ups could be sent to the %s queue, tried again at the next sweep", queue)
        return 0


def _emails(now: datetime) -> None:
    try:
        outbox.forget_expired(now)
        dispatch.overdue_emails(now)
    except Exception:
        logger.exception("messages about unsent e-mails could not be sent, tried again at the next sweep")


def _feeds() -> None:
    try:
        tasks.wake_feeds()
    except Exception:
        logger.exception("no messages about catalogue checks could be sent, tried again at the next sweep")


def _channel_files(now: datetime) -> None:
    try:
        dispatch.overdue_fit_files(now)
    except Exception:
        logger.exception("no messages about channel files could be sent, tried again at the next sweep")


def _old_webhooks(now: datetime) -> None:
    try:
        delivery.forget_old(now)
    except Exception:
        logger.exception("old webhooks could not be forgotten, tried again at the next sweep")


def _webhooks() -> None:
    try:
        dispatch.webhooks()
    except Exception:
        logger.exception("no messages about webhooks could be sent, tried again at the next sweep")


def _fidelity_checks() -> None:
    try:
        tasks.wake_checks()
    except Exception:
        logger.exception("no message about checks of results could be sent, tried again at the next sweep")


def _file_marks() -> None:
    try:
        tasks.wake_reading()
    except Exception:
        logger.exception("no message about files to be read could be sent, tried again at the next sweep")


def _ask_whether_it_is_back(now: datetime) -> None:
    """One free call to a remote engine that is down, once its pause is over: without work nobody else would ask."""
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine) or not circuit_breaker.is_due(engine, now):
        return
    handover.ask_how_it_is(engine, every=timedelta(0))

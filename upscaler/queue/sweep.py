"""Finds open upscales whose message or worker was lost, and sends their messages again. E-mails likewise."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.mail import outbox
from upscaler.models import Upscale
from upscaler.processing import circuit_breaker, handover
from upscaler.queue import dispatch, tasks

logger = logging.getLogger(__name__)

BATCH = 500
FIRST_WAIT = 30.0
MAX_WAIT = 900.0


def sweep(now: datetime | None = None) -> int:
    """Send one message for each open upscale that is overdue and that no worker holds. Returns how many.

    A message may only be waiting in a long queue, so each upscale's wait doubles with every resend. A message too
    many is harmless: its worker finds nothing to claim.
    """
    now = now or timezone.now()
    _ask_whether_it_is_back(now)
    idle = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    _emails(now)
    sent = 0
    for upscale in Upscale.objects.open().filter(idle, due_at__lte=now).order_by("due_at")[:BATCH]:
        wait = min(FIRST_WAIT * 2**upscale.resends, MAX_WAIT)
        # Conditional on what was read: two sweeps at once send one message, and a claim in between none.
        took = Upscale.objects.filter(pk=upscale.pk, due_at=upscale.due_at, attempt=upscale.attempt).update(
            due_at=now + timedelta(seconds=wait), resends=F("resends") + 1
        )
        if took and _resend(upscale):
            sent += 1
    return sent


def _emails(now: datetime) -> None:
    try:
        outbox.forget_expired(now)
        dispatch.overdue_emails(now)
    except Exception:
        logger.exception("messages about unsent e-mails could not be sent, tried again at the next sweep")


def _ask_whether_it_is_back(now: datetime) -> None:
    """One free call to a remote engine that is down, once its pause is over: without work nobody else would ask."""
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine) or not circuit_breaker.is_due(engine, now):
        return
    handover.ask_how_it_is(engine, every=timedelta(0))


def _resend(upscale: Upscale) -> bool:
    logger.info("upscale %s: no worker has it, its message is sent again", upscale.pk)
    try:
        tasks.enqueue_step(upscale)
    except Exception:
        # The queue is away, or this row's engine is. Neither may hold up the others, nor lengthen this one's wait.
        logger.exception("upscale %s: its message could not be sent, tried again at the next sweep", upscale.pk)
        Upscale.objects.filter(pk=upscale.pk, attempt=upscale.attempt).update(
            due_at=upscale.due_at, resends=upscale.resends
        )
        return False
    return True

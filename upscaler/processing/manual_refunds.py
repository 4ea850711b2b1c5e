"""Giving the price of a finished upscale back, because a person says so."""

from __future__ import annotations

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest

from upscaler import credits, usage
from upscaler.accounts import audit_log
from upscaler.models import AuditEvent, CreditEntry, Upscale
from upscaler.text import format_credits

logger = logging.getLogger(__name__)

MAX_NOTE_LENGTH = 500


class RefundRefused(Exception):
    """Nothing was given back; ``message`` says why in plain words."""

    message = ""

    def __init__(self, message: str = "") -> None:
        self.message = message or self.message
        super().__init__(self.message)


class NotDone(RefundRefused):
    """The upscale is open, or has ended in Error."""


class RefundedBefore(RefundRefused):
    """An upscale is refunded once."""

    message = "This upscale was refunded before. Its price goes back once only."


class NoteMissing(RefundRefused):
    """Nobody will know the reason later."""

    message = "Say why the credits go back: the note stays in the ledger."


class NoteTooLong(RefundRefused):
    """The ledger has no room for it."""

    message = f"The note is too long. Keep it to {MAX_NOTE_LENGTH} characters."


def refund_by_hand(upscale: Upscale, *, note: str, by: Any, request: HttpRequest | None = None) -> CreditEntry:
    """Give the price of a Done upscale back to its team, once, and record who did it and why.

    Raises NoteMissing, NoteTooLong, NotDone and RefundedBefore, all of them RefundRefused.
    """
    note = " ".join(note.replace("\0", " ").split())
    if not note:
        raise NoteMissing
    if len(note) > MAX_NOTE_LENGTH:
        raise NoteTooLong
    status = Upscale.objects.values_list("status", flat=True).get(pk=upscale.pk)
    if status == Upscale.Status.ERROR:
        raise NotDone("This upscale failed, and its price went back by itself.")
    if status != Upscale.Status.DONE:
        raise NotDone("This upscale is not finished. If it fails, its price goes back by itself.")
    try:
        with transaction.atomic():
            entry = credits.refund(upscale=upscale, note=note, by=by)
            usage.count_refund(upscale)
            about = f"{format_credits(upscale.credits)} for upscale {upscale.pk}: {note}"
            audit_log.record(
                AuditEvent.Action.REFUNDED, team=upscale.team, user=by, about=about, upscale=upscale, request=request
            )
    except IntegrityError:
        # The ledger takes one refund for each upscale, whoever is quicker.
        raise RefundedBefore from None
    logger.info("upscale %s: refunded by hand by %s", upscale.pk, by)
    return entry

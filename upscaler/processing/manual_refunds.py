"""Giving the price of a finished upscale back, because a person says so."""

from __future__ import annotations

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from upscaler import credits, usage
from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, CreditEntry, Upscale
from upscaler.text import format_credits

logger = logging.getLogger(__name__)

MAX_NOTE_LENGTH = 500


def refund_by_hand(upscale: Upscale, *, note: str, by: Any, request: HttpRequest | None = None) -> CreditEntry:
    """Give the price of a Done upscale back to its team, once, and record who did it and why.

    From then on nobody gets the result: it would be one for nothing.

    Raises PublicError with the code ``note_missing``, ``note_too_long``, ``not_done``, ``cost_nothing`` or
    ``refunded_before``.
    """
    note = " ".join(note.replace("\0", " ").split())
    if not note:
        raise PublicError("Say why the credits go back: the note stays in the ledger.", code="note_missing")
    if len(note) > MAX_NOTE_LENGTH:
        raise PublicError(f"The note is too long. Keep it to {MAX_NOTE_LENGTH} characters.", code="note_too_long")
    status = Upscale.objects.values_list("status", flat=True).get(pk=upscale.pk)
    if status == Upscale.Status.ERROR:
        raise PublicError("This upscale failed, and its price went back by itself.", code="not_done")
    if status != Upscale.Status.DONE:
        raise PublicError("This upscale is not finished. If it fails, its price goes back by itself.", code="not_done")
    if not upscale.credits:
        raise PublicError("This picture was only fitted and cost nothing, so nothing goes back.", code="cost_nothing")
    try:
        with transaction.atomic():
            [entry] = credits.refund([upscale], note=note, by=by)
            usage.count_refund(upscale)
            Upscale.objects.filter(pk=upscale.pk).update(withdrawn_at=timezone.now())
            about = f"{format_credits(upscale.credits)} for upscale {upscale.pk}: {note}"
            audit_log.record(
                AuditEvent.Action.REFUNDED, team=upscale.team, user=by, about=about, upscale=upscale, request=request
            )
    except IntegrityError:
        # The ledger takes one refund for each upscale, whoever is quicker.
        raise PublicError(
            "This upscale was refunded before. Its price goes back once only.", code="refunded_before"
        ) from None
    logger.info("upscale %s: refunded by hand by %s", upscale.pk, by)
    return entry

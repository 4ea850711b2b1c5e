"""The end of a batch: noted with the last of its upscales, and told to whoever ordered it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from upscaler.mail import outbox
from upscaler.models import CANCELLED_CODE, Batch, Email, Upscale, batch_queries
from upscaler.webhooks import outbox as webhooks

TOLD_AFTER = timedelta(minutes=10)
"""Nobody waits in front of the page for longer, so they get an e-mail unasked."""


def note(batch_id: int | None) -> None:
    """Note the end of a batch if this was its last upscale. Call it in the transaction in which an upscale ends."""
    if batch_id is None:
        return
    # The lock: of two workers that end the last two at once, the second sees what the first did.
    batch = Batch.objects.select_for_update(of=("self",), no_key=True).get(pk=batch_id)
    if Upscale.objects.filter(batch=batch).open().exists():
        return
    batch.ended_at = timezone.now()
    batch.save(update_fields=["ended_at", "updated_at"])
    webhooks.note_batch(batch)
    if batch.wants_email or batch.ended_at - _begun(batch) > TOLD_AFTER:
        _write_email(batch, batch.ended_at)


def reopen(batch_id: int | None) -> None:
    """Some of the batch is tried again, so it has not ended. Call it in the transaction of the order."""
    if batch_id is not None:
        Batch.objects.filter(pk=batch_id).update(ended_at=None)


def _begun(batch: Batch) -> datetime:
    """When its work began: with the order, or with what was tried again after all had ended once."""
    rows = Upscale.objects.filter(batch=batch).order_by()
    retries = rows.filter(retry_of__isnull=False).values_list("created_at", flat=True).distinct()
    for moment in sorted(retries, reverse=True):
        if not rows.filter(created_at__lt=moment, completed_at__gt=moment).exists():
            return moment
    return batch.ordered_at or batch.created_at


def _write_email(batch: Batch, now: datetime) -> None:
    if batch.created_by_id is None:
        return
    rows = batch_queries.pictures(batch)
    done = rows.filter(status=Upscale.Status.DONE).count()
    failed = rows.filter(status=Upscale.Status.ERROR)
    cancelled = failed.filter(error_code=CANCELLED_CODE).count()
    broken = failed.count() - cancelled
    lines = [f"{done:,} of {done + broken + cancelled:,} pictures of the batch “{batch}” are ready."]
    if broken:
        lines.append(f"{broken:,} could not be enlarged; their credits were returned. The batch’s page says why.")
    if cancelled:
        lines.append(f"{cancelled:,} were cancelled; their credits were returned.")
    lines += ["", f"{settings.PUBLIC_URL}{batch.get_absolute_url()}"]
    outbox.post(
        kind=Email.Kind.BATCH,
        team_id=batch.team_id,
        user=batch.created_by,
        subject=f"{batch}: {done:,} picture{'' if done == 1 else 's'} ready",
        text="\n".join(lines),
        expires_at=now + timedelta(days=1),
    )

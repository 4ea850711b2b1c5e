"""What is to be told, written in the transaction of what it tells: there is both or neither."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from upscaler.models import Batch, Upscale, WebhookDelivery, WebhookEndpoint

LIFETIME = timedelta(days=3)
"""For which a delivery is tried."""
GROUP = 500
Event = WebhookEndpoint.Event


def note_upscales(upscales: Sequence[Upscale]) -> None:
    """Tell of upscales of one team that have just ended. Call it in the transaction in which they end."""
    _note(upscales, lambda upscale: Event.COMPLETED if upscale.status == Upscale.Status.DONE else Event.FAILED)


def note_review(upscale: Upscale) -> None:
    """Tell that the review of a result has just changed. Call it in the transaction in which it does."""
    _note([upscale], lambda _: Event.REVIEWED)


def note_batch(batch: Batch) -> None:
    """Tell that a batch has just ended. Call it in that transaction."""
    listeners = _listeners(batch.team_id, {batch.webhook_id})
    heard = _hear(listeners, Event.BATCH, batch.webhook_id)
    WebhookDelivery.objects.bulk_create([new(endpoint, Event.BATCH, batch=batch) for endpoint in heard])


def new(
    endpoint: WebhookEndpoint,
    event: str,
    *,
    upscale: Upscale | None = None,
    batch: Batch | None = None,
    now: datetime | None = None,
) -> WebhookDelivery:
    """A delivery that is due at once, not stored yet."""
    now = now or timezone.now()
    return WebhookDelivery(
        endpoint=endpoint,
        event=event,
        message_id=f"msg_{uuid.uuid4().hex}",
        upscale=upscale,
        batch=batch,
        created_at=now,
        due_at=now,
        expires_at=now + LIFETIME,
    )


def _note(upscales: Sequence[Upscale], event_of: Callable[[Upscale], str]) -> None:
    if not upscales:
        return
    orders: dict[int | None, int | None] = {row.batch_id: row.batch.webhook_id for row in upscales if row.batch}
    listeners = _listeners(upscales[0].team_id, {row.webhook_id for row in upscales} | set(orders.values()))
    deliveries = []
    for upscale in upscales:
        event = event_of(upscale)
        own = upscale.webhook_id or orders.get(upscale.batch_id)
        deliveries += [new(endpoint, event, upscale=upscale) for endpoint in _hear(listeners, event, own)]
    WebhookDelivery.objects.bulk_create(deliveries, batch_size=GROUP)


def _listeners(team_id: int, of_orders: Iterable[int | None]) -> list[WebhookEndpoint]:
    # Two questions: each finds its few rows by an index, however many addresses the team's orders have named.
    on = WebhookEndpoint.objects.filter(team=team_id, off_since=None, removed_at=None)
    named = [pk for pk in of_orders if pk is not None]
    return [*on.filter(is_of_orders=False), *(on.filter(pk__in=named) if named else ())]


def _hear(listeners: Sequence[WebhookEndpoint], event: str, own: int | None) -> list[WebhookEndpoint]:
    return [one for one in listeners if event in one.events and (not one.is_of_orders or one.pk == own)]

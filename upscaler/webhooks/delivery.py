"""Sends what the outbox holds: an endpoint at a time, so that a slow one holds up nobody else's messages.

A worker holds an endpoint's lease while it sends to it. One that dies is replaced once the lease has run out, and what
it was sending is sent again: at least once, and told apart by ``webhook-id``.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from upscaler import representations
from upscaler.errors import PublicError
from upscaler.fetching import posting
from upscaler.logs.context import about
from upscaler.models import Team, Upscale, WebhookDelivery, WebhookEndpoint
from upscaler.webhooks import endpoints, signing

logger = logging.getLogger(__name__)

TIME_LIMIT = 10.0
"""Seconds for an endpoint to answer."""
MAX_ANSWER = 2_000
"""Bytes of an answer that are read and kept."""
SLICE = 10.0
"""Seconds after which an endpoint with more to hear lets the next one go first."""
LEASE = timedelta(seconds=60)
"""More than a slice and an answer take."""
AT_ONCE = 2
"""Endpoints that are sent to at the same time: the same few workers fetch the pictures of orders and send e-mails."""
TEAM_AT_ONCE = 1
"""Of one team: an order may name an address of its own, so that a slow host has thousands of endpoints."""
PAUSES = [timedelta(seconds=5), timedelta(seconds=30)] + [
    timedelta(minutes=minutes) for minutes in (2, 10, 30, 60, 180, 360, 720)
]
"""After each failed attempt; the last one again and again until the delivery expires."""
REST = timedelta(minutes=10)
"""For which a failing endpoint is left alone at most, with all that waits for it."""
MAX_WISH = timedelta(hours=12)
"""Of a ``Retry-After``."""
BROKEN_AFTER = timedelta(days=3)
"""An endpoint that has taken nothing for so long is switched off."""
KEPT = timedelta(days=30)
"""For which the log of deliveries goes back."""
OWN_FAULT = (
    "The desk could not make this message. It is tried again; whoever runs the desk finds the reason in its log."
)
GROUP = 1_000
"""Old deliveries that are deleted at a time."""


def step() -> bool:
    """Send to the endpoint that has waited longest, for some seconds. False where none waits."""
    endpoint = _claim()
    if endpoint is None:
        return False
    try:
        end = time.monotonic() + SLICE
        with about(team_id=endpoint.team_id):
            while time.monotonic() < end and (delivery := _next(endpoint)) is not None and _send(endpoint, delivery):
                pass
    finally:
        _release(endpoint)
    return True


def ready() -> int:
    """How many workers could send now."""
    now = timezone.now()
    at_work = _at_work(now)
    free = AT_ONCE - at_work.total()
    return min(free, len(_teams(now, at_work)) * TEAM_AT_ONCE, _waiting(now)[:AT_ONCE].count()) if free > 0 else 0


def forget_old(now: datetime) -> None:
    """Give up what has waited too long, and delete what was sent or given up long ago, with addresses that no order
    names any more; some of it at a time."""
    WebhookDelivery.objects.filter(due_at__lte=now, expires_at__lt=now).update(due_at=None)
    old = WebhookDelivery.objects.filter(created_at__lt=now - KEPT, due_at=None)
    WebhookDelivery.objects.filter(pk__in=list(old.order_by("pk").values_list("pk", flat=True)[:GROUP])).delete()
    endpoints.forget_unused(now - KEPT)


def _waiting(now: datetime) -> QuerySet[WebhookEndpoint]:
    # From the few messages that are due: a team whose orders each name an address of their own has endless endpoints.
    due = WebhookDelivery.objects.filter(due_at__lte=now).values("endpoint")
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return WebhookEndpoint.objects.filter(free, pk__in=due, due_at__lte=now, off_since=None, removed_at=None)


def _at_work(now: datetime) -> Counter[int]:
    """How many endpoints of each team are being sent to."""
    return Counter(WebhookEndpoint.objects.filter(lease_until__gte=now).values_list("team", flat=True))


def _teams(now: datetime, at_work: Counter[int]) -> list[int]:
    """The teams that may be sent to, the one first that was told longest ago."""
    waiting = _waiting(now).order_by().values_list("team", flat=True).distinct()
    free = [team for team in waiting if at_work[team] < TEAM_AT_ONCE]
    if len(free) < 2:
        return free
    last = WebhookEndpoint.objects.filter(team=OuterRef("pk"), last_sent_at__isnull=False).order_by("-last_sent_at")
    told_at = dict(Team.objects.filter(pk__in=free).values_list("pk", Subquery(last.values("last_sent_at")[:1])))
    return sorted(free, key=lambda team: (told_at[team] is not None, told_at[team], team))


def _claim() -> WebhookEndpoint | None:
    now = timezone.now()
    at_work = _at_work(now)
    if at_work.total() >= AT_ONCE:
        return None
    longest_ago_first = F("last_sent_at").asc(nulls_first=True)
    for team in _teams(now, at_work)[:AT_ONCE]:
        waiting = _waiting(now).filter(team=team).select_related("team").order_by(longest_ago_first, "pk")
        for endpoint in waiting[: AT_ONCE * 2]:
            lease = now + LEASE
            # Another worker may have been quicker.
            mine = WebhookEndpoint.objects.filter(pk=endpoint.pk, lease_until=endpoint.lease_until)
            if mine.update(lease_until=lease, last_sent_at=now):
                endpoint.lease_until = lease
                return endpoint
    return None


def _release(endpoint: WebhookEndpoint) -> None:
    WebhookEndpoint.objects.filter(pk=endpoint.pk, lease_until=endpoint.lease_until).update(lease_until=None)


def _next(endpoint: WebhookEndpoint) -> WebhookDelivery | None:
    due = WebhookDelivery.objects.filter(endpoint=endpoint, due_at__lte=timezone.now())
    return due.select_related("upscale", "batch").order_by("due_at", "pk").first()


def _send(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> bool:
    """One attempt. Whether the endpoint takes more now."""
    now = timezone.now()
    mine = WebhookDelivery.objects.filter(pk=delivery.pk)
    body: str | None = None
    answer, failure = None, ""
    began = time.monotonic()
    try:
        body = _body(endpoint, delivery)
        if body is None:
            mine.update(due_at=None, failure="It was deleted before it was told.")
            _note_rest(endpoint)
            return True
        answer = _post(endpoint, delivery, body, now)
    except PublicError as error:
        failure = _in_words(error)
    except DatabaseError:
        raise
    except Exception:
        # The desk's own fault: no reason to hold up what waits behind it, nor to take the endpoint for broken.
        logger.exception("webhook %s, delivery %s: it could not be sent", endpoint.pk, delivery.pk)
        _note(delivery, {"attempted_at": now, "failure": OWN_FAULT}, _again(delivery, None))
        return True
    took = time.monotonic() - began
    is_taken = answer is not None and 200 <= answer.status < 300
    if answer is not None and not is_taken:
        failure = _refusal(answer.status)
    tried = {
        "attempted_at": now,
        "request": body or "",
        "status": answer.status if answer is not None else None,
        "answer": answer.text if answer is not None else "",
        "failure": failure,
        "seconds": took,
    }
    if is_taken:
        _note(delivery, tried, {"due_at": None, "delivered_at": timezone.now()})
        if endpoint.failing_since is not None:
            WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=None)
            endpoint.failing_since = None
        return True
    logger.info("webhook %s, delivery %s: %s", endpoint.pk, delivery.pk, failure)
    _note(delivery, tried, _again(delivery, answer))
    _note_failure(endpoint, _next_attempt(delivery, answer), is_gone=answer is not None and answer.status == 410)
    return False


def _note(delivery: WebhookDelivery, tried: dict[str, Any], then: dict[str, datetime | None]) -> None:
    """What came of an attempt, and how it goes on: unless somebody had it sent again meanwhile, which then holds."""
    row = WebhookDelivery.objects.filter(pk=delivery.pk)
    if not row.filter(due_at=delivery.due_at).update(**tried, **then, attempts=F("attempts") + 1):
        row.update(**tried)


def _note_rest(endpoint: WebhookEndpoint) -> None:
    """An endpoint that nothing waits for any more fails no longer: the pause until the next message is no failure."""
    waits = WebhookDelivery.objects.filter(endpoint=endpoint, due_at__isnull=False)
    if endpoint.failing_since is not None and not waits.exists():
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=None)
        endpoint.failing_since = None


def _body(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> str | None:
    """The message as it is sent; None where what it tells of was deleted."""
    data = _data(endpoint, delivery)
    if data is None:
        return None
    told = {"type": delivery.event, "timestamp": delivery.created_at, "data": data}
    return json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False)


def _post(endpoint: WebhookEndpoint, delivery: WebhookDelivery, body: str, now: datetime) -> posting.Answer:
    return posting.post(
        endpoint.url,
        body.encode(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": "Upscaler (webhook)",
            **signing.headers(delivery.message_id, now, body, given=_secrets(endpoint, now)),
        },
        time_limit=TIME_LIMIT,
        max_answer=MAX_ANSWER,
    )


def _again(delivery: WebhookDelivery, answer: posting.Answer | None) -> dict[str, datetime | None]:
    """When it is tried again, as the row has it; never where it expires before."""
    due_at = _next_attempt(delivery, answer)
    return {"due_at": due_at if due_at < delivery.expires_at else None}


def _next_attempt(delivery: WebhookDelivery, answer: posting.Answer | None) -> datetime:
    pause = PAUSES[min(delivery.attempts, len(PAUSES) - 1)]
    if answer is not None and answer.retry_after is not None:
        pause = max(pause, min(timedelta(seconds=answer.retry_after), MAX_WISH))
    return timezone.now() + pause


def _note_failure(endpoint: WebhookEndpoint, due_at: datetime, *, is_gone: bool) -> None:
    now = timezone.now()
    since = endpoint.failing_since or now
    # What waits behind this message would fail too: the endpoint rests, and others have the workers.
    rest_until = min(due_at, now + REST)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=since, due_at=rest_until)
    if is_gone:
        endpoints.switch_off_broken(
            endpoint, reason="The program there answered 410: it wants no more messages.", now=now
        )
    elif now - since > BROKEN_AFTER:
        endpoints.switch_off_broken(endpoint, reason=f"It has taken no message for {BROKEN_AFTER.days} days.", now=now)


def _secrets(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    return [secret for secret in (endpoint.secret, *reversed(endpoint.old_secrets(now))) if secret]


def _data(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> dict[str, Any] | None:
    """As GET shows it now; None where it was deleted."""
    if delivery.event == endpoints.TEST:
        return {"message": "This message tries the address. It tells of no upscale."}
    if delivery.batch is not None:
        return representations.batch(delivery.batch)
    upscale: Upscale | None = delivery.upscale
    if upscale is None or upscale.deleted_at is not None:
        return None
    shown = representations.generation_detail(endpoint.site, upscale)
    # Twice, since programs written for the vendor's newer interface look there.
    return {**shown, "results": shown["generation_results"]}


def _in_words(error: PublicError) -> str:
    words = {
        "url_private": "The address leads into a private network, which the desk does not call.",
        "fetch_timeout": f"It did not answer within {TIME_LIMIT:.0f} seconds.",
        "fetch_unreachable": "It could not be reached.",
    }
    return words.get(error.code, "The address is none that the desk calls any more.")


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"It answered {status}: redirects are not followed. Give the final address."
    return f"It answered {status}; an answer from 200 to 299 says that the message was taken."

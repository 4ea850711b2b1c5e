"""Who is told: a team's own addresses, and those that an order names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from upscaler import fetching
from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.mail import outbox as mail
from upscaler.models import AuditEvent, Batch, Email, Team, Upscale, WebhookDelivery, WebhookEndpoint
from upscaler.storage.signed_links import site
from upscaler.webhooks import outbox, signing

MAX_ENDPOINTS = 20
"""Of one team's own."""
OVERLAP = timedelta(hours=24)
"""For which a replaced secret still signs."""
MAX_BETWEEN = 3
"""Of the secrets that were made between the oldest that still signs and the newest."""
NAMED_TO = timedelta(days=1)
"""How exactly it is noted when an order named an endpoint last: not at every order, which would wait for each other."""
FORGOTTEN_AT_ONCE = 500
TEST = "webhook.test"
"""The event of a message that somebody asked for to try the address."""
EVENTS = tuple(WebhookEndpoint.Event.values)


def check_address(url: str) -> None:
    """Refuse an address that can't be told anything, without asking the network. Raises PublicError."""
    try:
        fetching.check_url(url)
    except PublicError as error:
        reasons = {
            "url_too_long": f"The address has {len(url):,} characters; the limit is {fetching.MAX_URL_LENGTH:,}.",
            "url_private": "This address is inside a private network, which the desk does not call. Give a public one.",
            "url_port": "The desk calls the ports 80 and 443 alone. Give an address with one of these.",
        }
        usual = "This is no web address. It must name a public host, like https://shop.example/hooks/upscaler."
        raise PublicError(reasons.get(error.code, usual), code=error.code) from None


def of_team(team: Team) -> QuerySet[WebhookEndpoint]:
    """The team's own endpoints, the newest first."""
    return WebhookEndpoint.objects.filter(team=team, is_of_orders=False, removed_at=None)


@transaction.atomic
def add(*, team: Team, user: Any, url: str, events: Sequence[str], request: HttpRequest) -> WebhookEndpoint:
    """A new endpoint of the team; its ``secret`` is to be shown this once. Raises PublicError."""
    check_address(url)
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if of_team(team).count() >= MAX_ENDPOINTS:
        raise PublicError(
            f"Your team has {MAX_ENDPOINTS} webhooks, which is as many as are kept. Remove one that you need no more.",
            code="too_many_webhooks",
        )
    endpoint = WebhookEndpoint.objects.create(
        team=team,
        created_by=user,
        url=url,
        events=[event for event in EVENTS if event in events],
        secret=signing.new_secret(),
        site=site(request),
    )
    _record(AuditEvent.Action.WEBHOOK_ADDED, endpoint, user, "", request)
    return endpoint


def of_order(
    *, team: Team, user: Any, url: str, secret: str, events: Sequence[str], request: HttpRequest | None
) -> WebhookEndpoint:
    """The endpoint that an order names: a row for all orders with the same address, secret and events."""
    wanted = [event for event in EVENTS if event in (events or EVENTS)]
    address = site(request)
    content = json.dumps([url, secret, wanted, address])
    now = timezone.now()
    while True:
        endpoint, _ = WebhookEndpoint.objects.get_or_create(
            team=team,
            key=hashlib.sha256(content.encode()).hexdigest(),
            defaults={
                "created_by": user,
                "is_of_orders": True,
                "url": url,
                "secret": secret,
                "events": wanted,
                "site": address,
                "named_at": now,
            },
        )
        mine = WebhookEndpoint.objects.filter(pk=endpoint.pk)
        # Where `forget_old` was quicker, it is made anew.
        if endpoint.named_at > now - NAMED_TO or mine.update(named_at=now):
            break
    if endpoint.off_since is not None:
        # Whoever orders with it again wants to be told again.
        mine.update(off_since=None, off_reason="", failing_since=None)
    return endpoint


def named_again(pk: int | None) -> int | None:
    """The number of an order's endpoint which a retry of that order names; None where it is gone."""
    if pk is None:
        return None
    return pk if WebhookEndpoint.objects.filter(pk=pk).update(named_at=timezone.now()) else None


def forget_unused(before: datetime) -> None:
    """Delete endpoints that no order has named since, or that were removed before, once nothing tells of them any more.

    Some at a time: those with a message in the log stay, and those that what is under way names.
    """
    open_ = Upscale.objects.open()
    unused = WebhookEndpoint.objects.filter(
        Q(is_of_orders=True) | Q(removed_at__lt=before),
        ~Exists(WebhookDelivery.objects.filter(endpoint=OuterRef("pk"))),
        ~Exists(open_.filter(webhook=OuterRef("pk"))),
        ~Exists(open_.filter(batch__webhook=OuterRef("pk"))),
        named_at__lt=before,
    )
    found = list(unused.order_by("named_at").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    if not found:
        return
    with transaction.atomic():
        # What names them first and then they themselves, as orders do: neither waits for the other.
        Upscale.objects.filter(webhook__in=found).update(webhook=None)
        Batch.objects.filter(webhook__in=found).update(webhook=None)
        # Without those that an order has just named.
        still = unused.filter(pk__in=found).order_by("pk").select_for_update()
        WebhookEndpoint.objects.filter(pk__in=[row.pk for row in still]).delete()


@transaction.atomic
def rotate(endpoint: WebhookEndpoint, *, by: Any, request: HttpRequest) -> str:
    """Replace the secret. For a day messages carry signatures of both. Returns the new one, to be shown this once.

    Of several that are made within a day, as by a double click, all sign, but the first is the one that programs have.
    """
    # Not the key: whatever ends meanwhile is written down for it.
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    now = timezone.now()
    first, *between = [*endpoint.old_secrets(now), endpoint.secret]
    endpoint.old_secret = " ".join([first, *between[-MAX_BETWEEN:]])
    endpoint.old_secret_until = now + OVERLAP
    endpoint.secret = signing.new_secret()
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    _record(AuditEvent.Action.WEBHOOK_CHANGED, endpoint, by, ": new secret", request)
    return endpoint.secret


@transaction.atomic
def switch(endpoint: WebhookEndpoint, *, on: bool, by: Any, request: HttpRequest) -> None:
    """Switch an endpoint on or off. What waits for it is sent once it is on again, if it has not expired."""
    now = timezone.now()
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        off_since=None if on else now, off_reason="", failing_since=None, due_at=now
    )
    _record(AuditEvent.Action.WEBHOOK_CHANGED, endpoint, by, f": switched {'on' if on else 'off'}", request)


@transaction.atomic
def remove(endpoint: WebhookEndpoint, *, by: Any, request: HttpRequest) -> None:
    """Tell an address nothing more."""
    if WebhookEndpoint.objects.filter(pk=endpoint.pk, removed_at=None).update(
        removed_at=timezone.now(), secret="", old_secret=""
    ):
        _record(AuditEvent.Action.WEBHOOK_REMOVED, endpoint, by, "", request)


def test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """A message that tells nothing, to try the address."""
    delivery = outbox.new(endpoint, TEST)
    delivery.save()
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(due_at=timezone.now())
    return delivery


def send_again(delivery: WebhookDelivery, *, after: str) -> bool:
    """Send a message once more, whatever became of it, with its own ``webhook-id``; False where it was sent meanwhile.

    ``after`` is its ``last_attempt`` that the person has seen: however often they click, it is sent once more.
    """
    now = timezone.now()
    with transaction.atomic():
        # Whoever has sent it notes so in this row.
        row = WebhookDelivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
        if row.last_attempt != after:
            return False
        row.due_at, row.expires_at, row.delivered_at, row.attempts = now, now + outbox.LIFETIME, None, 0
        row.save(update_fields=["due_at", "expires_at", "delivered_at", "attempts"])
    WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(due_at=now)
    return True


def switch_off_broken(endpoint: WebhookEndpoint, *, reason: str, now: datetime) -> None:
    """Switch an endpoint off that takes nothing any more, and tell the team's admins of it if it is the team's own.

    Of those that orders name there may be thousands, and no admin switches them on again: the next order does.
    """
    with transaction.atomic():
        if not WebhookEndpoint.objects.filter(pk=endpoint.pk, off_since=None).update(off_since=now, off_reason=reason):
            return
        if endpoint.is_of_orders:
            return
        address = endpoint.url[:200]
        mail.post(
            kind=Email.Kind.WEBHOOK,
            team_id=endpoint.team_id,
            to_admins=True,
            subject=f"A webhook of {endpoint.team.name} was switched off",
            text=f"{reason}\n\n{address}\n\nMend the program at this address, then switch the webhook on again on the "
            f"page Webhooks of the desk.\n{endpoint.site}/webhooks/",
        )


def _record(action: str, endpoint: WebhookEndpoint, user: Any, what: str, request: HttpRequest) -> None:
    # The host alone: the rest of an address often holds a secret.
    about = f"{fetching.normal_form(endpoint.url).split('/')[2]}{what}"
    audit_log.record(action, team=endpoint.team, user=user, about=about, request=request)

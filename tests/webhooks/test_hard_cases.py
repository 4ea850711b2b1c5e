"""Webhooks whose other end is hostile, or whose admins are in a hurry."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import Person
from tests.support import webserver
from tests.support.receiver import receiving, send_all
from tests.webhooks.test_delivery import PAGE, listen, told
from upscaler import representations
from upscaler.models import Email, Upscale, WebhookEndpoint
from upscaler.processing import lifecycle
from upscaler.webhooks import delivery, endpoints


@pytest.mark.parametrize("moment", [f"Fri, 01 Jan {'9' * 20} 00:00:00 GMT", f"Fri, 01 Jan 2027 00:00:00 +{'9' * 20}"])
def test_a_mad_retry_after_is_a_failure_like_others(owner: Person, moment: str) -> None:
    with receiving(webserver.body(b"no", 503, Retry_After=moment)) as receiver:
        listen(owner, receiver)
        told(owner)
        [one] = send_all()
        assert one.status == 503 and one.attempts == 1 and one.due_at


def test_a_secret_is_used_as_it_stands(owner: Person) -> None:
    with receiving() as receiver:
        order = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft"}
        hook = {"webhook_url": receiver.address, "webhook_secret": " two words\n"}
        assert owner.api("post", "generation-upscale", {**order, **hook}).status_code == 200
        lifecycle.cancel(Upscale.objects.all(), by=owner.user)
        send_all()
        assert receiver.verified(b" two words\n")


def test_a_webhook_of_orders_is_changed_by_orders_alone(head: Person) -> None:
    order = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft"}
    with receiving() as receiver:
        hook = {"webhook_url": receiver.address, "webhook_secret": "whsec_" + "A" * 32}
        assert head.api("post", "generation-upscale", {**order, **hook}).status_code == 200
        pk = WebhookEndpoint.objects.get().pk
        for path in ("secret", "remove", "switch", "test"):
            assert head.client.post(f"/webhooks/{pk}/{path}/").status_code == 404, path
        head.api("post", "generation-upscale", {**order, **hook})
        lifecycle.cancel(Upscale.objects.all(), by=head.user)
        send_all()
        assert receiver.verified(hook["webhook_secret"])


def test_a_double_click_on_new_secret_keeps_the_one_that_programs_have(owner: Person) -> None:
    with receiving() as receiver:
        endpoint = listen(owner, receiver)
        between = endpoints.rotate(endpoint, by=owner.user, request=PAGE)
        new = endpoints.rotate(endpoint, by=owner.user, request=PAGE)
        told(owner)
        send_all()
        assert receiver.verified(endpoint.secret) == receiver.verified(between) == receiver.verified(new)


def test_one_message_that_can_t_be_sent_holds_up_no_other(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    show = representations.generation_detail

    def broken(site: str, upscale: Upscale) -> dict[str, Any]:
        if upscale.pk == first.upscale_id:
            raise RuntimeError("no")
        return show(site, upscale)

    with receiving() as receiver:
        listen(owner, receiver)
        first, second = told(owner), told(owner)
        monkeypatch.setattr(representations, "generation_detail", broken)
        send_all()
        first.refresh_from_db()
        second.refresh_from_db()
        assert first.attempts == 1 and first.due_at and first.failure
        assert second.delivered_at or second.due_at


def test_thousands_of_addresses_at_one_slow_host_hold_up_no_other_team(owner: Person, outsider: Person) -> None:
    order = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft"}
    with receiving(webserver.body(b"no", 500)) as slow, receiving() as other:
        for number in range(4):
            owner.api("post", "generation-upscale", {**order, "webhook_url": f"{slow.address}?order={number}"})
        lifecycle.cancel(Upscale.objects.all(), by=owner.user)
        listen(outsider, other)
        told(outsider)
        assert delivery.step() and delivery.step()
        assert len(other.messages) == 1 and len(slow.messages) == 1
        last = WebhookEndpoint.objects.filter(team=owner.team).latest("pk").pk
        WebhookEndpoint.objects.filter(pk=last).update(lease_until=timezone.now() + delivery.LEASE)
        assert not delivery.ready() and not delivery.step(), "no team has all the workers"
        told(outsider)
        assert delivery.ready() == 1 and delivery.step() and len(other.messages) == 2


def test_programs_that_want_no_more_of_their_orders_fill_no_mailbox(owner: Person, head: Person) -> None:
    type(head.user).objects.filter(pk=head.user.pk).update(email="head@atelier.example")
    order = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft"}
    with receiving(webserver.body(b"", 410)) as receiver:
        for number in range(3):
            owner.api("post", "generation-upscale", {**order, "webhook_url": f"{receiver.address}?order={number}"})
        lifecycle.cancel(Upscale.objects.all(), by=owner.user)
        send_all()
        assert WebhookEndpoint.objects.filter(off_since__isnull=False).count() == 3
        assert not Email.objects.filter(kind=Email.Kind.WEBHOOK).exists()


def test_a_body_without_end_takes_nothing_from_the_status(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TIME_LIMIT", 1.0)
    with receiving(webserver.dripping_body) as receiver:
        listen(owner, receiver)
        told(owner)
        [one] = send_all()
        assert one.delivered_at and one.status == 200 and len(receiver.messages) == 1

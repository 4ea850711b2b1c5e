"""The admin's pages of webhooks."""

from __future__ import annotations

import logging
import re

import pytest

from tests.conftest import Person
from tests.support import webserver
from tests.support.receiver import receiving, send_all
from tests.webhooks.test_delivery import listen, told
from upscaler.models import AuditEvent, Membership, WebhookDelivery, WebhookEndpoint
from upscaler.webhooks import endpoints


def shown_secret(html: str) -> str:
    [secret] = re.findall(r'value="(whsec_[^"]+)"', html)
    return secret


def test_an_admin_adds_one_tries_it_and_reads_what_was_sent(head: Person, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with receiving() as receiver:
        form = {"url": receiver.address, "events": ["batch.completed"]}
        made = head.client.post("/webhooks/", form).content.decode()
        secret = shown_secret(made)
        endpoint = WebhookEndpoint.objects.get()
        assert secret not in head.client.get("/webhooks/").content.decode(), "it is shown once"
        head.client.post(f"/webhooks/{endpoint.pk}/test/")
        send_all()
        assert receiver.verified(secret)["type"] == "webhook.test"
        log = head.client.get(f"/webhooks/{endpoint.pk}/").content.decode()
        assert "webhook.test" in log and "thanks" in log and receiver.ids[0] in log and secret not in log
        new = shown_secret(head.client.post(f"/webhooks/{endpoint.pk}/secret/").content.decode())
        delivery = WebhookDelivery.objects.get()
        head.client.post(f"/webhooks/deliveries/{delivery.pk}/again/", {"after": delivery.last_attempt})
        send_all()
        assert receiver.ids[0] == receiver.ids[1] and receiver.verified(new) == receiver.verified(secret)
        head.client.post(f"/webhooks/{endpoint.pk}/remove/")
        told(head)
        send_all()
        assert len(receiver.messages) == 2 and head.client.get(f"/webhooks/{endpoint.pk}/").status_code == 404
    assert new not in caplog.text and secret not in caplog.text
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    added = [action for action in actions if "webhook" in action]
    assert added == ["webhook_added", "webhook_changed", "webhook_removed"]
    assert not any(secret in about or "/hooks" in about for about in AuditEvent.objects.values_list("about", flat=True))


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"url": "", "events": ["batch.completed"]}, "Give the address"),
        ({"url": "https://shop.example/"}, "Choose at least one event"),
        ({"url": "https://shop.example/", "events": ["all"]}, "There is no event “all”"),
        ({"url": "http://192.168.1.5/", "events": ["batch.completed"]}, "private network"),
        ({"url": "https://shop.example:8080/", "events": ["batch.completed"]}, "ports 80 and 443"),
        ({"url": "x" * 3000, "events": ["batch.completed"]}, "the limit is 2,000"),
    ],
)
def test_what_is_wrong_is_said(head: Person, form: dict[str, object], says: str) -> None:
    answer = head.client.post("/webhooks/", form)
    assert answer.status_code == 422 and says in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_one_that_is_off_waits_until_it_is_on_again(head: Person) -> None:
    with receiving(webserver.body(b"", 410), webserver.body(b"")) as receiver:
        endpoint = listen(head, receiver)
        told(head)
        send_all()
        assert "wants no more messages" in head.client.get("/webhooks/").content.decode()
        head.client.post(f"/webhooks/{endpoint.pk}/switch/", {"on": "true"})
        WebhookDelivery.objects.update(due_at=endpoint.created_at)
        send_all()
        assert len(receiver.messages) == 2 and WebhookDelivery.objects.get().delivered_at


def test_there_are_so_many_and_no_more(head: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 1)
    form = {"url": "https://shop.example/", "events": ["batch.completed"]}
    assert head.client.post("/webhooks/", form).status_code == 200
    answer = head.client.post("/webhooks/", form)
    assert answer.status_code == 422 and "Remove one" in answer.content.decode()


def test_another_team_s_are_not_there(head: Person, outsider: Person) -> None:
    Membership.objects.filter(user=outsider.user).update(role=Membership.Role.ADMIN)
    with receiving() as receiver:
        endpoint = listen(head, receiver)
        told(head)
        delivery = WebhookDelivery.objects.get()
        assert receiver.address not in outsider.client.get("/webhooks/").content.decode()
        assert outsider.client.get(f"/webhooks/{endpoint.pk}/").status_code == 404
        for path in ("test", "secret", "switch", "remove"):
            assert outsider.client.post(f"/webhooks/{endpoint.pk}/{path}/").status_code == 404
        assert outsider.client.post(f"/webhooks/deliveries/{delivery.pk}/again/").status_code == 404

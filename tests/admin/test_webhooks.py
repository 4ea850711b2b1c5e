"""Webhooks and hosts of feeds in the admin: to be read, and without anything secret."""

from __future__ import annotations

from tests.conftest import Person
from tests.support.receiver import receiving, send_all
from tests.webhooks.test_delivery import listen, told
from upscaler.models import FeedHost, WebhookDelivery

ENDPOINTS, DELIVERIES, HOSTS = (
    f"/admin/upscaler/{name}/" for name in ("webhookendpoint", "webhookdelivery", "feedhost")
)


def test_staff_see_who_is_told_and_what_was_sent_and_no_secret(owner: Person) -> None:
    owner.user.is_staff = owner.user.is_superuser = True
    owner.user.save()
    with receiving() as receiver:
        endpoint = listen(owner, receiver)
        told(owner)
        send_all()
    delivery = WebhookDelivery.objects.get()
    FeedHost.objects.create(name="shop.example", queue=[1, 2])
    shown = ""
    for address in (
        ENDPOINTS, f"{ENDPOINTS}{endpoint.pk}/change/", f"{ENDPOINTS}?failing_since__isempty=1", HOSTS,
        f"{HOSTS}shop.example/change/", f"{DELIVERIES}?endpoint__id__exact={endpoint.pk}",
        f"{DELIVERIES}{delivery.pk}/change/", f"{DELIVERIES}?q={delivery.message_id}",
    ):  # fmt: skip
        answer = owner.client.get(address)
        assert answer.status_code == 200, address
        shown += answer.content.decode()
        if "change" in address:
            assert 'name="_save"' not in answer.content.decode()
    assert "127.0.0.1" in shown and delivery.message_id in shown and "shop.example" in shown
    assert endpoint.secret not in shown and "/hooks" not in shown and "generation_results" not in shown
    for wrong in (f"{ENDPOINTS}?secret__startswith=whsec_", f"{DELIVERIES}?endpoint__secret__startswith=whsec_"):
        assert owner.client.get(wrong).status_code in (302, 400), wrong

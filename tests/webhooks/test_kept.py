"""What is kept of webhooks, for how long, and sending a message again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.processing.test_worker_step import raising
from tests.support import webserver
from tests.support.receiver import Receiver, receiving, send_all
from tests.webhooks.test_delivery import listen, told
from upscaler.models import Upscale, WebhookDelivery, WebhookEndpoint
from upscaler.processing import lifecycle
from upscaler.queue import sweep
from upscaler.webhooks import delivery, endpoints, outbox

LATER = delivery.KEPT + timedelta(days=1)


def ordered(person: Person, receiver: Receiver, name: str = "") -> int:
    """An order that names an address of its own; its number."""
    hook = {"webhook_url": f"{receiver.address}?order={name}", "webhook_secret": "whsec_" + "A" * 32}
    body = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft", **hook}
    return int(person.api("post", "generation-upscale", body).json()["generation_id"])


def cancel(person: Person) -> None:
    lifecycle.cancel(Upscale.objects.all(), by=person.user)


def test_addresses_of_orders_go_with_the_log_of_what_was_sent(owner: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving() as receiver:
        own = listen(owner, receiver)
        gone = listen(owner, receiver)
        number = ordered(owner, receiver, "ended")
        cancel(owner)
        send_all()
        ordered(owner, receiver, "under way")
        WebhookEndpoint.objects.filter(pk=gone.pk).update(removed_at=timezone.now())
        delivery.forget_old(timezone.now() + delivery.KEPT - timedelta(hours=1))
        assert WebhookEndpoint.objects.count() == 4, "as long as its messages are in the log"
        clock.shift(LATER)
        delivery.forget_old(timezone.now())
        left = WebhookEndpoint.objects.order_by("pk")
        assert [row.pk for row in left][:1] == [own.pk] and left[1].url.endswith("under way") and len(left) == 2
        assert Upscale.objects.get(pk=number).webhook_id is None
        cancel(owner)
        send_all()
        [told_of] = {row.message_id for row in left[1].deliveries.all()}
        said = receiver.verified("whsec_" + "A" * 32, receiver.ids.index(told_of))
        assert said["type"] == "generation.failed", "it is told all the same"


def test_an_address_that_orders_go_on_naming_stays_one_row(owner: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving() as receiver:
        ordered(owner, receiver)
        pk = WebhookEndpoint.objects.get().pk
        for _ in range(2):
            clock.shift(delivery.KEPT - timedelta(days=1))
            ordered(owner, receiver)
            cancel(owner)
            send_all()
            WebhookDelivery.objects.all().delete()
            delivery.forget_old(timezone.now())
            assert WebhookEndpoint.objects.get().pk == pk


def test_what_can_t_be_forgotten_holds_up_no_message(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        listen(owner, receiver)
        told(owner)
        monkeypatch.setattr(delivery, "forget_old", raising(OSError("the database is busy")))
        DBTaskResult.objects.all().delete()
        sweep.sweep()
        assert DBTaskResult.objects.filter(queue_name="webhooks").count() == 1


def test_an_end_reads_only_the_addresses_that_hear_of_it(owner: Person) -> None:
    with receiving() as receiver:
        listen(owner, receiver)
        for number in range(3):
            ordered(owner, receiver, str(number))
        upscale = Upscale.objects.latest("pk")
        with CaptureQueriesContext(connection) as asked:
            outbox.note_upscales([upscale])
        assert WebhookDelivery.objects.count() == 2
        reads = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
        assert len(reads) == 2 and all(" OR " not in read for read in reads)
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                plans = [cursor.execute(f"EXPLAIN QUERY PLAN {read}").fetchall() for read in reads]
            assert not any("SCAN upscaler_webhookendpoint" in str(plan) for plan in plans)


def test_two_clicks_send_a_message_again_once(head: Person) -> None:
    with receiving(webserver.body(b"no", 500), webserver.body(b"")) as receiver:
        endpoint = listen(head, receiver)
        told(head)
        [one] = send_all()
        seen = {"after": one.last_attempt}
        assert one.last_attempt in head.client.get(f"/webhooks/{endpoint.pk}/").content.decode()
        path = f"/webhooks/deliveries/{one.pk}/again/"
        for _ in range(2):
            assert "on its way again" in head.client.post(path, seen, follow=True).content.decode()
        send_all()
        assert len(receiver.messages) == 2
        late = head.client.post(path, seen, follow=True).content.decode()
        assert "was sent meanwhile" in late and len(send_all()) == 1
        assert len(receiver.messages) == 2 and len(set(receiver.ids)) == 1
        head.client.post(path, {"after": WebhookDelivery.objects.get().last_attempt})
        send_all()
        assert len(receiver.messages) == 3, "who has seen the answer may have it sent once more"


@pytest.mark.parametrize("status", [200, 500])
def test_a_click_while_it_is_being_sent_is_not_forgotten(owner: Person, status: int) -> None:
    # In the worker's own thread, since the test's connection sees what it does.
    with receiving() as receiver:
        listen(owner, receiver)
        told(owner)
        send = delivery._post

        def post(*given: Any) -> Any:
            if not receiver.messages:
                assert endpoints.send_again(WebhookDelivery.objects.get(), after="")
            return send(*given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delivery, "_post", post)
            receiver.answers = [webserver.body(b"", status), webserver.body(b"")]
            WebhookEndpoint.objects.update(due_at=timezone.now())
            delivery.step()
        WebhookEndpoint.objects.update(due_at=timezone.now())
        [one] = send_all()
        assert len(receiver.messages) == 2 and one.delivered_at and one.attempts == 1 and one.due_at is None


def test_what_is_deleted_before_it_is_told_leaves_no_failure(owner: Person) -> None:
    with (
        time_machine.travel(timezone.now(), tick=False) as clock,
        receiving(webserver.body(b"no", 500), webserver.body(b"no", 500), webserver.body(b"")) as receiver,
    ):
        endpoint = listen(owner, receiver)
        told(owner)
        send_all()
        Upscale.objects.update(deleted_at=timezone.now())
        clock.shift(delivery.PAUSES[0] + timedelta(seconds=1))
        [one] = send_all()
        endpoint.refresh_from_db()
        assert "deleted" in one.failure and endpoint.failing_since is None
        clock.shift(timedelta(days=30))
        told(owner)
        send_all()
        endpoint.refresh_from_db()
        assert endpoint.off_since is None and endpoint.failing_since, "of one failure nobody is switched off"

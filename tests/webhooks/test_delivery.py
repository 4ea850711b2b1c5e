"""Webhooks as the program at the other end sees them: what comes, how often, and that it can be trusted."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures, webserver
from tests.support.mail import deliver
from tests.support.receiver import Receiver, receiving, send_all
from tests.support.waiting import batch, quick, single, worked
from upscaler.batches import progress
from upscaler.models import FidelityCheck, Team, Upscale, WebhookDelivery, WebhookEndpoint
from upscaler.processing import fidelity_checks, lifecycle
from upscaler.review import decisions
from upscaler.webhooks import delivery, endpoints, outbox

PAGE = RequestFactory().get("/webhooks/")
ALL = endpoints.EVENTS


def listen(person: Person, receiver: Receiver, events: Any = ALL) -> WebhookEndpoint:
    return endpoints.add(team=person.team, user=person.user, url=receiver.address, events=events, request=PAGE)


def told(person: Person) -> WebhookDelivery:
    """Something to tell: a picture that was cancelled."""
    upscale = single(person)
    lifecycle.cancel(Upscale.objects.filter(pk=upscale.pk), by=person.user)
    return WebhookDelivery.objects.latest("pk")


def test_each_end_is_told_once_as_get_shows_it(owner: Person, outsider: Person) -> None:
    with receiving() as receiver, quick():
        endpoint = listen(owner, receiver)
        first, second = batch(owner, 2)
        single(outsider)
        worked(1)
        progress.cancel(second.batch, user=owner.user)
        done, failed, ended = send_all()
        said = [receiver.verified(endpoint.secret, number) for number in range(3)]
        assert [one["type"] for one in said] == ["generation.completed", "generation.failed", "batch.completed"]
        shown = owner.api("get", f"generation/{first.pk}").json()
        assert said[0]["data"]["results"] == said[0]["data"]["generation_results"]
        for result in (shown["generation_results"][0], said[0]["data"]["results"][0]):
            assert owner.client.get(result["image_url"]).status_code == 200
            result["image_url"] = ""
        said[0]["data"]["generation_results"] = said[0]["data"]["results"]
        assert {**said[0]["data"], "results": None} == {**shown, "results": None}
        assert said[1]["data"] == {**owner.api("get", f"generation/{second.pk}").json(), "results": []}
        assert said[2]["data"] == owner.api("get", f"batches/{first.batch_id}").json()
        assert len(set(receiver.ids)) == 3 and all(one.delivered_at for one in (done, failed, ended))
        assert send_all() and len(receiver.messages) == 3, "nobody is told twice"


def test_only_the_events_that_were_asked_for(owner: Person) -> None:
    with receiving() as receiver, quick():
        listen(owner, receiver, ["batch.completed"])
        batch(owner, 2)
        worked(2)
        send_all()
        assert [json.loads(body)["type"] for _, body in receiver.messages] == ["batch.completed"]


def test_an_order_names_who_is_told(owner: Person) -> None:
    with receiving() as receiver, quick():
        hook = {"webhook_url": receiver.address, "webhook_secret": "whsec_" + "A" * 32}
        body = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft"}
        made = owner.api("post", "generation-upscale", {**body, **hook, "webhook_events": ["generation.failed"]})
        assert made.status_code == 200 and "webhook" not in made.content.decode()
        many = owner.api(
            "post", "batches", {"model_name": "recraft", "items": [{"image_url": body["image_url"]}], **hook}
        )
        owner.api("post", "generation-upscale", body)
        lifecycle.cancel(Upscale.objects.all(), by=owner.user)
        send_all()
        said = [receiver.verified(hook["webhook_secret"], number) for number in range(len(receiver.messages))]
        assert sorted((one["type"], one["data"].get("generation_id", 0)) for one in said) == sorted(
            [
                ("generation.failed", made.json()["generation_id"]),
                ("generation.failed", many.json()["generation_ids"][0]),
                ("batch.completed", 0),
            ]
        )


@pytest.mark.parametrize(
    ("fields", "loc", "kind"),
    [
        ({"webhook_url": "http://10.0.0.7/hooks"}, "webhook_url", "url_private"),
        ({"webhook_url": "ftp://shop.example/"}, "webhook_url", "url_parsing"),
        ({"webhook_secret": "whsec_AAAA", "webhook_url": "https://shop.example/"}, "webhook_secret", "webhook_secret"),
        ({"webhook_secret": "word"}, "webhook_secret", "missing"),
        ({"webhook_url": "https://shop.example/", "webhook_events": ["all"]}, "webhook_events", "enum"),
        ({"webhook_url": "https://shop.example/", "webhook_events": 5}, "webhook_events", "list_type"),
    ],
)
def test_a_wrong_webhook_refuses_the_order(owner: Person, fields: dict[str, Any], loc: str, kind: str) -> None:
    picture = {"image_url": "https://shop.example/shirt.jpg"}
    for call, body in {
        "generation-upscale": {**picture, "model_name": "recraft"},
        "batches": {"items": [picture], "model_name": "recraft"},
        "quotes": {"items": [picture], "model_name": "recraft"},
    }.items():
        answer = owner.api("post", call, {**body, **fields})
        assert answer.status_code == 422, call
        assert {(one["type"], one["loc"][1]) for one in answer.json()["detail"]} == {(kind, loc)}
    assert owner.balance == 100 and not Upscale.objects.exists()


def test_it_is_tried_again_after_growing_pauses_and_given_up_after_three_days(owner: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving(webserver.body(b"no", 500)) as receiver:
        listen(owner, receiver)
        told(owner)
        began, moments = timezone.now(), []
        while WebhookDelivery.objects.filter(due_at__isnull=False).exists():
            [one] = send_all()
            moments.append(timezone.now() - began)
            clock.shift(timedelta(minutes=1))
            clock.move_to(max(timezone.now(), one.due_at or timezone.now()))
        pauses = [after - before for before, after in itertools.pairwise(moments)]
        assert pauses[0] <= timedelta(minutes=1) and pauses == sorted(pauses) and len(pauses) > 10
        assert timedelta(days=2) < moments[-1] <= outbox.LIFETIME
        assert len(set(receiver.ids)) == 1, "the receiver can tell that it is one message"
        [one] = send_all()
        assert (one.status, one.answer, one.attempts) == (500, "no", len(moments)) and "500" in one.failure


def test_an_endpoint_that_takes_nothing_for_days_is_switched_off_and_the_admins_are_told(
    owner: Person, head: Person
) -> None:
    head.user.email = "head@atelier.example"
    head.user.save()
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving(webserver.body(b"no", 500)) as receiver:
        endpoint = listen(owner, receiver)
        told(owner)
        send_all()
        clock.shift(timedelta(days=3, minutes=1))
        told(owner)
        send_all()
        endpoint.refresh_from_db()
        assert endpoint.off_since and "3 days" in endpoint.off_reason
        [email] = deliver()
        assert email.to == ["head@atelier.example"] and receiver.address in email.body
        asked = len(receiver.messages)
        told(owner)
        send_all()
        assert len(receiver.messages) == asked, "nothing more is sent"
    assert mail.outbox


def test_410_switches_it_off_at_once(owner: Person) -> None:
    with receiving(webserver.body(b"", 410)) as receiver:
        endpoint = listen(owner, receiver)
        told(owner)
        send_all()
        endpoint.refresh_from_db()
        assert endpoint.off_since and "410" in endpoint.off_reason and len(receiver.messages) == 1


def test_both_secrets_sign_while_one_replaces_the_other(owner: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving() as receiver:
        endpoint = listen(owner, receiver)
        told(owner)
        new = endpoints.rotate(endpoint, by=owner.user, request=PAGE)
        send_all()
        assert receiver.verified(endpoint.secret) == receiver.verified(new)
        clock.shift(endpoints.OVERLAP + timedelta(seconds=1))
        told(owner)
        send_all()
        assert receiver.verified(new)
        with pytest.raises(Exception, match="No matching signature"):
            receiver.verified(endpoint.secret)


def test_a_redirect_is_not_followed_into_the_private_network(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as hidden, receiving(webserver.redirect(hidden.address)) as receiver:
        listen(owner, receiver)
        told(owner)
        [one] = send_all()
        assert one.status == 302 and "redirects are not followed" in one.failure and not hidden.messages


def test_an_address_that_turns_private_is_not_called(owner: Person) -> None:
    with receiving() as receiver:
        listen(owner, receiver)
        told(owner)
        address = receiver.address
    # Allowed no more: what a name leads to is asked at each attempt.
    [one] = send_all()
    assert "private network" in one.failure and one.attempts == 1 and not receiver.messages and address


def test_a_huge_answer_is_not_read(owner: Person) -> None:
    with receiving(webserver.body(b"x" * 10_000_000)) as receiver:
        listen(owner, receiver)
        told(owner)
        [one] = send_all()
        assert one.delivered_at and len(one.answer) == delivery.MAX_ANSWER


def test_a_slow_endpoint_holds_up_nobody_else_s(
    owner: Person, outsider: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TIME_LIMIT", 0.5)
    with receiving(webserver.silent) as slow, receiving() as quick_one:
        listen(owner, slow)
        for _ in range(5):
            told(owner)
        listen(outsider, quick_one)
        told(outsider)
        send_all()
        assert len(slow.messages) == 1, "the others of a slow one rest with it"
        assert len(quick_one.messages) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_send_one_message_at_once(owner: Person) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def wait(handler: Any) -> None:
        entered.set()
        go_on.wait(10)
        webserver.body(b"")(handler)

    def work() -> None:
        delivery.step()
        connection.close()

    with receiving(wait) as receiver:
        listen(owner, receiver)
        told(owner)
        worker = threading.Thread(target=work)
        worker.start()
        assert entered.wait(10)
        assert not delivery.step(), "it is at work already"
        go_on.set()
        worker.join()
        assert len(receiver.messages) == 1 and not delivery.step()


def test_a_worker_that_dies_is_replaced(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> bool:
        raise Killed

    with time_machine.travel(timezone.now(), tick=False) as clock, receiving() as receiver:
        listen(owner, receiver)
        told(owner)
        send = delivery._send
        with monkeypatch.context() as patch:
            patch.setattr(delivery, "_release", lambda *_: None)
            patch.setattr(delivery, "_send", lambda *both: [send(*both), die()][0] and False)
            WebhookDelivery.objects.update(due_at=timezone.now())
            with pytest.raises(Killed):
                delivery.step()
        WebhookDelivery.objects.update(due_at=timezone.now(), delivered_at=None)
        assert not delivery.step(), "whose lease runs"
        clock.shift(delivery.LEASE + timedelta(seconds=1))
        assert delivery.step() and len(set(receiver.ids)) == 1 and len(receiver.messages) == 2


def test_what_is_written_down_goes_with_what_it_tells(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with receiving() as receiver:
        listen(owner, receiver)
        upscale = single(owner)
        monkeypatch.setattr("upscaler.usage.count", broken)
        with pytest.raises(RuntimeError):
            lifecycle.cancel(Upscale.objects.filter(pk=upscale.pk), by=owner.user)
        assert not WebhookDelivery.objects.exists()


def test_old_ones_are_forgotten(owner: Person) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving() as receiver:
        listen(owner, receiver)
        told(owner)
        send_all()
        clock.shift(delivery.KEPT + timedelta(days=1))
        delivery.forget_old(timezone.now())
        assert not WebhookDelivery.objects.exists()


def test_decisions_are_told_with_the_review(owner: Person) -> None:
    Team.objects.update(reviews="everything")
    with receiving() as receiver, receiving() as other, quick():
        endpoint = listen(owner, receiver, ["generation.reviewed"])
        listen(owner, other, ["batch.completed"])
        upscale = single(owner)
        worked(1)
        upscale.refresh_from_db()
        said = []
        for deed in (
            lambda: decisions.decide(upscale=upscale, approve=False, note="The logo", user=owner.user),
            lambda: decisions.decide(upscale=upscale, approve=False, user=owner.user),
            lambda: decisions.take_back(upscale=upscale, user=owner.user),
            lambda: owner.api("post", f"generation/{upscale.pk}/review", {"decision": "approved"}),
        ):
            deed()
            send_all()
            said.append([json.loads(body) for _, body in receiver.messages])
        assert [len(messages) for messages in said] == [1, 1, 2, 3], "the same decision once more is not told again"
        assert {message["type"] for message in said[-1]} == {"generation.reviewed"}
        assert [message["data"]["review"] for message in said[-1]] == ["rejected", "pending", "approved"]
        results = [message["data"]["results"][0] for message in said[-1]]
        assert [bool(result["image_url"]) for result in results] == [False, False, True]
        assert receiver.verified(endpoint.secret, 2)["data"]["generation_id"] == upscale.pk
        assert not other.messages


def test_what_the_check_frees_is_told_too(owner: Person) -> None:
    Team.objects.update(reviews="doubts")
    with receiving() as receiver, quick():
        listen(owner, receiver, ["generation.reviewed"])
        freed, doubted = batch(owner, 2)
        worked(2)
        for upscale, verdict in ((freed, "faithful"), (doubted, "look")):
            check, _ = FidelityCheck.objects.get_or_create(upscale=upscale)
            assert fidelity_checks._end(check, verdict=verdict)
        send_all()
        [(_, body)] = receiver.messages
        told = json.loads(body)["data"]
        assert (told["generation_id"], told["review"]) == (freed.pk, "none")


def test_an_order_s_own_webhook_hears_of_its_review(owner: Person) -> None:
    Team.objects.update(reviews="everything")
    with receiving() as receiver, quick():
        picture = SimpleUploadedFile("shirt.jpg", pictures.jpeg((24, 20)))
        hook = {"webhook_url": receiver.address, "webhook_events": "generation.reviewed"}
        sent = {"file": picture, "model_name": "recraft", **hook}
        headers = {"Authorization": f"Bearer {owner.token}"}
        made = Client().post("/api/v1/generation-upscale", sent, headers=headers)
        other = single(owner)
        worked(2)
        for upscale in (Upscale.objects.get(pk=made.json()["generation_id"]), Upscale.objects.get(pk=other.pk)):
            decisions.decide(upscale=upscale, approve=True, user=owner.user)
        send_all()
        [(_, body)] = receiver.messages
        assert json.loads(body)["data"]["generation_id"] == made.json()["generation_id"]

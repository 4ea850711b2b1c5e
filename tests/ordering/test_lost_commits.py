"""The database's answer to a submit's COMMIT is lost: nobody knows whether it was taken, and nobody says otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import close_old_connections
from django.test import Client

from tests.conftest import Person
from tests.support.cutting_proxy import AFTER, BEFORE, Commit, CuttingProxy, When
from tests.support.stored_files import missing, prove_only_named_ones_stay
from upscaler.models import CreditEntry, Upscale
from upscaler.processing import lifecycle

Upload = Callable[..., Any]
WRITES = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "\w+"')
both_ways = pytest.mark.parametrize("when", [AFTER, BEFORE])


def is_order(sql: str) -> bool:
    """Whether a transaction takes an order."""
    return 'INSERT INTO "upscaler_upscale"' in sql


def lose_each_answer_once(proxy: CuttingProxy, when: When, send: Callable[[], Any]) -> list[tuple[Any, bool]]:
    """What ``send`` gives with its first commit cut, then the first of another kind; and whether that was the order.

    By kind, not by number: what one cut left in the database, the next sending does not write again.
    """
    seen: set[frozenset[str]] = set()
    answers: list[tuple[Any, bool]] = []
    while True:
        count = len(seen)

        def is_new(commit: Commit, count: int = count) -> bool:
            if len(seen) > count or (kind := frozenset(WRITES.findall(commit.sql))) in seen:
                return False
            seen.add(kind)
            return True

        with proxy.cutting(is_new, when):
            answer = send()
        close_old_connections()
        if not proxy.cuts:
            return answers
        [commit] = proxy.cuts
        answers.append((answer, is_order(commit.sql)))


def prove_all_are_there(owner: Person) -> None:
    """Each row has its source and was charged once."""
    upscales = list(Upscale.objects.all())
    broken = {upscale.pk: gone for upscale in upscales if (gone := missing(upscale))}
    assert broken == {}, f"{len(broken)} of {len(upscales)} upscales name files that are not there"
    charged = CreditEntry.objects.filter(kind=CreditEntry.Kind.CHARGE).values_list("upscale", flat=True)
    assert sorted(charged) == sorted(upscale.pk for upscale in upscales)
    assert owner.balance == 100 - len(upscales)
    prove_only_named_ones_stay()


def quiet(client: Client) -> Client:
    """What breaks is answered like for any browser."""
    client.raise_request_exception = False
    return client


@both_ways
def test_pictures_of_the_page(proxy: CuttingProxy, when: When, owner: Person, upload: Upload) -> None:
    quiet(owner.client)
    answers = lose_each_answer_once(proxy, when, lambda: owner.submit(image=[upload() for _ in range(3)]))
    prove_all_are_there(owner)
    of_orders = [answer for answer, is_order in answers if is_order]
    assert of_orders
    # What is lost after the order, as the messages to the workers are, is no failure of it. What is lost before it
    # leaves some of the pictures in the list, or none.
    assert {answer.status_code for answer, is_order in answers if not is_order} == {302, 503}
    assert Upscale.objects.count() % 3 == 0
    for answer in of_orders:
        if when is AFTER:
            # It was taken, which the desk finds out by itself.
            assert "/batches/" in answer["Location"]
        else:
            prove_nobody_knows(answer, 422)
    for answer, _ in answers:
        if answer.status_code == 503:
            prove_nobody_knows(answer, 503)


def prove_nobody_knows(answer: Any, status: int) -> None:
    text = answer.content.decode()
    assert answer.status_code == status
    assert "may have been taken all the same" in text
    assert "ook in the history before you send it again" in text
    assert "Nothing was charged" not in text
    assert "is on the way" not in text


def test_a_lost_order_is_there_and_offered_when_it_is_sent_again(
    proxy: CuttingProxy, owner: Person, upload: Upload
) -> None:
    quiet(owner.client)
    picture = upload()
    with proxy.cutting(lambda commit: is_order(commit.sql)):
        owner.submit(image=picture)
    assert len(proxy.cuts) == 1
    picture.seek(0)
    answer = owner.submit(image=picture)
    assert answer.status_code == 200
    assert Upscale.objects.count() == 1
    assert "shirt.jpg" in owner.client.get("/history/").content.decode()
    prove_all_are_there(owner)


@both_ways
def test_a_call_of_the_api_is_repeated_with_its_key(proxy: CuttingProxy, when: When, owner: Person) -> None:
    def send(number: int) -> Any:
        body = {"image_url": f"https://shop.example/{number}.jpg", "model_name": "recraft"}
        return owner.api("post", "generation-upscale", body, **{"Idempotency-Key": f"key {number}"})

    for number in (1, 2):
        with proxy.cutting(lambda commit: is_order(commit.sql), when):
            answer = send(number)
        assert len(proxy.cuts) == 1
        assert answer.status_code == 503
        assert answer["Retry-After"]
        assert "Nothing was charged" not in answer.json()["detail"]
        assert "Idempotency-Key" in answer.json()["detail"]
        first, second = send(number), send(number)
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json() == second.json()
        assert Upscale.objects.filter(idempotency_key=f"key {number}").count() == 1
    prove_all_are_there(owner)


@both_ways
def test_a_retry(proxy: CuttingProxy, when: When, owner: Person, order: Callable[..., Upscale]) -> None:
    quiet(owner.client)
    failed = lifecycle.claim(order().pk)
    assert failed is not None
    lifecycle.fail(failed, message="It did not work.", code="test")
    with proxy.cutting(lambda commit: is_order(commit.sql), when):
        answer = owner.client.post(f"/upscales/{failed.pk}/retry/", follow=True)
    assert len(proxy.cuts) == 1
    assert answer.status_code == 200
    assert "may have been taken all the same" in answer.content.decode()
    assert owner.client.post(f"/upscales/{failed.pk}/retry/").status_code == 302
    assert Upscale.objects.filter(retry_of=failed).count() == 1
    assert owner.balance == 99


@both_ways
def test_an_order_anew(proxy: CuttingProxy, when: When, owner: Person, done: Callable[..., Upscale]) -> None:
    quiet(owner.client)
    before = done()
    data = {"offered": [before.pk], "upscale": before.pk}
    with proxy.cutting(lambda commit: is_order(commit.sql), when):
        answer = owner.client.post("/again/", data)
    assert len(proxy.cuts) == 1
    assert answer.status_code == 422
    assert "may have been taken all the same" in answer.content.decode()
    prove_all_are_there(owner)


@both_ways
def test_the_admin_s_retry(
    proxy: CuttingProxy, when: When, owner: Person, order: Callable[..., Upscale], admin_client: Client
) -> None:
    quiet(admin_client)
    failed = lifecycle.claim(order().pk)
    assert failed is not None
    lifecycle.fail(failed, message="It did not work.", code="test")
    data = {"action": "retry", "_selected_action": [failed.pk]}
    with proxy.cutting(lambda commit: is_order(commit.sql), when):
        answer = admin_client.post("/admin/upscaler/upscale/", data, follow=True)
    assert len(proxy.cuts) == 1
    assert answer.status_code == 200
    assert "may have been taken all the same" in answer.content.decode()
    assert Upscale.objects.filter(retry_of=failed).count() <= 1

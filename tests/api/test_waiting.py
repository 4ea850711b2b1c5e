"""Calls that wait for the end of an order or a batch, and those that nobody lets wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from tests.api.test_api import URL_BODY, upload
from tests.conftest import Person
from upscaler.api import waiting
from upscaler.models import Batch, Upscale
from upscaler.processing import lifecycle, worker_step

APPLIED = "Preference-Applied"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(waiting, "LAST_PAUSE", 0.02)


@pytest.fixture
def at_second_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], Any]]]:
    """Deeds that are done while a call waits: between its first look and its second."""
    deeds: list[Callable[[], Any]] = []
    leave = waiting._leave_database

    def leave_and_do() -> None:
        leave()
        while deeds:
            deeds.pop()()

    monkeypatch.setattr(waiting, "_leave_database", leave_and_do)
    yield deeds
    assert not deeds, "nobody waited"


@pytest.mark.parametrize(
    ("query", "headers", "applied"),
    [
        ("?wait=30", {}, "wait=30"),
        ("", {"Prefer": "wait=20"}, "wait=20"),
        ("", {"Prefer": "respond-async, Wait = 9999; x=1"}, "wait=60"),
        ("?wait=5", {"Prefer": "wait=20"}, "wait=5"),
    ],
)
def test_an_order_that_waits_is_answered_with_its_result(
    query: str, headers: dict[str, str], applied: str, owner: Person, at_second_look: list[Callable[[], Any]]
) -> None:
    at_second_look.append(lambda: worker_step.step(Upscale.objects.get().pk))
    body = {"image_url": upload(owner), "model_name": "recraft"}
    answer = owner.api("post", f"generation-upscale{query}", body, **headers)
    assert answer.status_code == 200, answer.content
    assert answer[APPLIED] == applied
    row = answer.json()
    assert row["status"] == "Done"
    [result] = row["generation_results"]
    assert result["image_url"].startswith("http://testserver/files/")
    # The whole generation, as asking for it gives it.
    again = owner.api("get", f"generation/{row['generation_id']}").json()
    assert set(again) == set(row)


def test_time_that_runs_out_gives_what_there_is(owner: Person) -> None:
    answer = owner.api("post", "generation-upscale?wait=0", URL_BODY)
    assert (answer.json()["status"], answer.json()["generation_results"]) == ("Created", [])
    number = answer.json()["generation_id"]
    for query in ("?wait=0", "?wait=1"):
        later = owner.api("get", f"generation/{number}{query}")
        assert (later.json()["status"], later[APPLIED]) == ("Created", query[1:])
    assert APPLIED not in owner.api("get", f"generation/{number}").headers


def test_a_repeat_with_its_key_waits_for_the_same_generation(
    owner: Person, at_second_look: list[Callable[[], Any]]
) -> None:
    key = {"Idempotency-Key": "once"}
    first = owner.api("post", "generation-upscale", URL_BODY, **key).json()
    assert set(first) == {"generation_id", "created_at", "updated_at"}
    number = first["generation_id"]
    at_second_look.append(lambda: lifecycle.fail(lifecycle.claim(number), message="It is gone.", code="gone"))
    second = owner.api("post", "generation-upscale?wait=60", URL_BODY, **key).json()
    assert (second["generation_id"], second["status"], second["error"]) == (number, "Error", "It is gone.")
    assert owner.balance == 100


def test_get_waits_for_an_upscale_and_for_a_batch(
    owner: Person, order_batch: Callable[..., Batch], at_second_look: list[Callable[[], Any]]
) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    first, second = batch.upscales.order_by("pk")
    at_second_look.append(lambda: worker_step.step(first.pk))
    assert owner.api("get", f"generation/{first.pk}?wait=60").json()["status"] == "Done"
    assert owner.api("get", f"batches/{batch.pk}?wait=0").json()["status"] == "Open"
    at_second_look.append(lambda: worker_step.step(second.pk))
    ended = owner.api("get", f"batches/{batch.pk}", Prefer="wait=60")
    assert (ended.json()["status"], ended[APPLIED]) == ("Done", "wait=60")


@pytest.mark.parametrize("wait", ["-1", "61", "x", "1.5", "1_0"])
@pytest.mark.parametrize("call", ["generation-upscale", "generation/{}", "batches/{}"])
def test_a_wait_that_is_none_is_refused(call: str, wait: str, owner: Person, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("a.jpg")
    number = batch.pk if call.startswith("batches") else batch.upscales.get().pk
    method, body = ("post", URL_BODY) if call == "generation-upscale" else ("get", None)
    answer = owner.api(method, f"{call.format(number)}?wait={wait}", body)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["query", "wait"]
    assert Upscale.objects.count() == 1


@pytest.mark.parametrize(
    "prefer", ["", "wait", "wait=", "wait=soon", "await=5", "return=minimal", "wait=1234567890123"]
)
def test_a_preference_that_can_t_be_read_is_left_out_of_account(prefer: str, owner: Person) -> None:
    answer = owner.api("post", "generation-upscale", URL_BODY, Prefer=prefer)
    assert answer.status_code == 200
    assert set(answer.json()) == {"generation_id", "created_at", "updated_at"}


def test_nobody_waits_for_another_team_s(owner: Person, outsider: Person, order: Callable[..., Upscale]) -> None:
    assert outsider.api("get", f"generation/{order().pk}?wait=60").status_code == 404


def test_more_than_may_wait_are_answered_at_once(owner: Person, order: Callable[..., Upscale]) -> None:
    number = order().pk
    with override_settings(API_MAX_WAITING=0):
        answer = owner.api("get", f"generation/{number}?wait=60")
        ordered = owner.api("post", "generation-upscale?wait=60", URL_BODY)
    assert (answer.json()["status"], APPLIED in answer.headers) == ("Created", False)
    assert ordered.json()["status"] == "Created"
    assert waiting._places._taken == 0


@pytest.mark.django_db(transaction=True)
def test_who_waits_holds_no_connection(owner: Person, order: Callable[..., Upscale]) -> None:
    held: list[Any] = []
    is_waiting, may_go = threading.Event(), threading.Event()

    def has_ended() -> bool:
        if is_waiting.is_set():
            return True
        Upscale.objects.count()
        return False

    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            held.append(connection.connection)
            is_waiting.set()
            return may_go.wait(10) and False

    def wait() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waiting, "_stopping", Watched())
            waiting._waited(has_ended, 30)
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    assert is_waiting.wait(10)
    assert (held, waiting._places._taken) == ([None], 1)
    may_go.set()
    thread.join(10)
    assert waiting._places._taken == 0

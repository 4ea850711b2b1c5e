"""Errors of the API that no rule of an order is behind: their statuses and shapes."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import InternalError, OperationalError
from django.test import Client, override_settings

from tests.api.test_api import URL_BODY
from tests.conftest import Person
from upscaler.models import CreditEntry
from upscaler.ordering import submission


def test_errors_that_django_makes_itself_have_the_same_shape(owner: Person) -> None:
    for method, path, status in (
        ("get", "/api/v1/nothing-here", 404),
        ("get", "/api/v1/generation-upscale", 405),
        ("delete", "/api/v1/generations", 405),
        ("get", "/api/v1/generation/abc", 404),
        ("get", "/api/v1/generation/99999999999999999999", 404),
        ("get", "/api/v1/generation-result/99999999999999999999", 404),
        ("get", "/api/v1/generations?page=0", 422),
        ("get", "/api/v1/generations?items_per_page=101", 422),
        ("get", "/api/v1/generations?items_per_page=1_0", 422),
        ("get", "/api/v1/generation-results?page=0_1", 422),
        ("get", "/api/v1/generation-results?page=%D9%A1", 422),
        ("get", "/api/v1/generation/1_0", 404),
        ("get", "/api/v1/generations?status=Lost", 422),
    ):
        answer = getattr(Client(), method)(path, headers={"Authorization": f"Bearer {owner.token}"})
        assert answer.status_code == status, path
        assert answer.json()["detail"], path
    large = Client().post(
        "/api/v1/generation-upscale",
        json.dumps({"image_url": "a" * 3_000_000}),
        "application/json",
        headers={"Authorization": f"Bearer {owner.token}"},
    )
    assert large.status_code == 413
    assert "larger than" in large.json()["detail"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x"),
        (f"multipart/form-data; boundary={'x' * 500}", b"--x"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 1100),
    ],
)
def test_a_form_that_can_t_be_read_is_400(kind: str, body: bytes, owner: Person) -> None:
    for debug in (True, False):
        with override_settings(DEBUG=debug):
            headers = {"Authorization": f"Bearer {owner.token}"}
            answer = Client().generic("POST", "/api/v1/uploads", body, kind, headers=headers)
        assert answer.status_code == 400
        assert "could not be read" in answer.json()["detail"]


def test_an_answer_never_repeats_much_of_what_was_sent(owner: Person) -> None:
    many = {
        "image_url": "https://a.example/b",
        "model_name": "topaz",
        "generation_settings": dict.fromkeys(map(str, range(9000)), 1),
    }
    long = {"image_url": "https://a.example/b", "model_name": "m" * 300_000}
    for body in (many, long):
        answer = owner.api("post", "generation-upscale", body)
        assert answer.status_code == 422
        assert len(answer.content) < 5_000


@override_settings(API_RATE="3/min")
@time_machine.travel("2026-11-22T10:00:20Z", tick=False)
def test_too_many_calls_are_told_to_wait(owner: Person, teammate: Person) -> None:
    statuses = [owner.api("get", "credits").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert teammate.api("get", "credits").status_code == 200
    answer = owner.api("get", "credits")
    assert answer["Retry-After"] == "40"
    assert "Too many calls" in answer.json()["detail"]
    with time_machine.travel("2026-11-22T10:01:01Z", tick=False):
        assert owner.api("get", "credits").status_code == 200


@pytest.mark.parametrize("error", [OperationalError("database is gone"), OSError(28, "No space left on device")])
def test_a_desk_that_can_t_take_work_says_503(owner: Person, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(submission, "submit", broken)
    answer = owner.api("post", "generation-upscale", URL_BODY)
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "Nothing was charged" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("reason", "status"),
    [(psycopg.errors.IdleInTransactionSessionTimeout(), 503), (psycopg.errors.InFailedSqlTransaction(), 500)],
)
def test_a_session_that_postgresql_ended_is_503(
    owner: Person, reason: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise InternalError("terminating connection") from reason

    monkeypatch.setattr(submission, "submit", broken)
    browser = Client(raise_request_exception=False)
    headers = {"Authorization": f"Bearer {owner.token}"}
    program = browser.post("/api/v1/generation-upscale", URL_BODY, "application/json", headers=headers)
    assert (program.status_code, "Retry-After" in program.headers) == (status, status == 503)


def test_a_fault_of_ours_is_json_too_and_shows_nothing(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(submission, "submit", broken)
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {owner.token}"})
    with override_settings(DEBUG=True):
        answer = client.post("/api/v1/generation-upscale", URL_BODY, "application/json")
    assert answer.status_code == 500
    assert "secret" not in answer.content.decode()
    assert CreditEntry.objects.filter(kind="charge").count() == 0

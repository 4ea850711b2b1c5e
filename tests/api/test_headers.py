"""What stands in the headers of answers: versions, calls that are left, other origins; and the errors' types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings
from django.utils import timezone

from tests.api.test_api import URL_BODY
from tests.conftest import Person
from upscaler.accounts import rate_limit
from upscaler.models import Batch, Upscale
from upscaler.processing import lifecycle


def test_what_is_unchanged_is_not_sent_again(
    owner: Person, done: Callable[..., Upscale], order_batch: Callable[..., Batch]
) -> None:
    finished = done()
    batch = order_batch("a.jpg", "b.jpg")
    number = batch.upscales.order_by("pk").first().pk
    calls = [
        f"generation/{finished.pk}",
        f"generation/{number}",
        f"generation-result/{finished.result_id}",
        "generations",
        "generation-results",
        f"batches/{batch.pk}",
        "batches",
        "credits",
    ]
    tags = {}
    for call in calls:
        tags[call] = owner.api("get", call)["ETag"]
        # Links are signed anew in another second.
        with time_machine.travel(timezone.now().timestamp() + 5):
            for known in (tags[call], tags[call].removeprefix("W/"), f'"x", {tags[call]}'):
                again = owner.api("get", call, **{"If-None-Match": known})
                assert (again.status_code, again.content, again["ETag"]) == (304, b"", tags[call])
        assert owner.api("get", call, **{"If-None-Match": '"other"'}).status_code == 200
    claimed = lifecycle.claim(number)
    assert claimed is not None
    lifecycle.fail(claimed, message="It is gone.", code="gone")
    changed = [call for call in calls if owner.api("get", call, **{"If-None-Match": tags[call]}).status_code == 200]
    assert changed == [f"generation/{number}", "generations", f"batches/{batch.pk}", "batches", "credits"]


def test_the_newer_interface_says_the_same(owner: Person, done: Callable[..., Upscale]) -> None:
    finished = done()
    calls = [
        f"/generation/{finished.pk}",
        f"/generation-result/{finished.result_id}",
        "/generations",
        "/generation-results",
    ]

    def asked(path: str, **headers: str) -> Any:
        return Client().get(path, headers={"Authorization": f"Bearer {owner.token}", **headers})

    tags = {path: asked(path)["ETag"] for path in calls}
    with time_machine.travel(timezone.now().timestamp() + 5):
        for path in calls:
            again = asked(path, **{"If-None-Match": tags[path]})
            assert (again.status_code, again.content, again["ETag"]) == (304, b"", tags[path])
            assert int(again["RateLimit-Remaining"]) > 0
    Upscale.objects.update(review=Upscale.Review.REJECTED)
    for path in calls:
        changed = asked(path, **{"If-None-Match": tags[path]})
        assert (changed.status_code, '"review": "rejected"' in changed.content.decode()) == (200, True), path
    assert asked(calls[1]).json()["url"] == ""


def test_nobody_learns_a_tag_of_what_is_not_theirs(
    owner: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    call = f"generation/{done().pk}"
    tag = owner.api("get", call)["ETag"]
    answer = outsider.api("get", call, **{"If-None-Match": tag})
    assert (answer.status_code, "ETag" in answer.headers) == (404, False)


@override_settings(API_RATE="3/min")
def test_every_answer_says_how_many_calls_are_left(owner: Person) -> None:
    with time_machine.travel(1_800_000_000 // 60 * 60 + 20, tick=False):
        answers = [owner.api("get", "credits") for _ in range(2)]
        answers.append(owner.api("get", "generation/999999"))
        answers.append(owner.api("get", "credits"))
    assert [answer.status_code for answer in answers] == [200, 200, 404, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"token";q=3;w=60'}
    assert [answer["RateLimit"] for answer in answers] == [f'"token";r={left};t=40' for left in (2, 1, 0, 0)]
    assert (answers[0]["RateLimit-Limit"], answers[0]["RateLimit-Reset"]) == ("3", "40")
    assert answers[3]["Retry-After"] == "40"


def test_nothing_is_said_of_calls_that_nobody_counts(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "count", lambda key, seconds: 0)
    answer = owner.api("get", "credits")
    assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)


def test_errors_name_where_the_docs_say_what_they_mean(owner: Person) -> None:
    for answer, status in (
        (Client().get("/api/v1/credits"), 401),
        (owner.api("get", "generation/999999"), 404),
        (owner.api("get", "nowhere"), 404),
        (owner.api("post", "credits", {}), 405),
        (owner.api("post", "generation-upscale", {}), 422),
        (owner.api("post", "generation-upscale", URL_BODY, **{"Transfer-Encoding": "chunked"}), 411),
    ):
        assert answer.status_code == status
        body = answer.json()
        assert list(body) == ["type", "detail"]
        assert body["type"] == f"/api/v1/docs#error-{status}"


DESK = """
import django, json, sys
django.setup()
from django.test import Client
client = Client()
def sent(origin, method="get", path="/api/v1/credits", **headers):
    answer = getattr(client, method)(path, headers={"Origin": origin, **headers})
    told = {name.lower(): value for name, value in answer.headers.items()}
    return [answer.status_code, {name: value for name, value in told.items() if name.startswith("access")}]
ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
print(json.dumps([
    sent("https://tools.example.com"),
    sent("https://other.example.com"),
    sent("https://tools.example.com", "options", "/api/v1/generation-upscale", **ask),
    sent("https://tools.example.com", "options", "/generation", **ask),
    sent("https://tools.example.com", path="/generation-results"),
    sent("https://tools.example.com", path="/accounts/login/"),
]))
"""


def other_desk(origins: str, code: str = DESK) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CORS_ALLOWED_ORIGINS": origins, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_other_origins_may_call_only_where_they_are_named() -> None:
    named, other, asked, newer, listed, page = json.loads(other_desk("https://tools.example.com").stdout)
    assert named[0] == 401
    assert named[1]["access-control-allow-origin"] == "https://tools.example.com"
    assert "RateLimit" in named[1]["access-control-expose-headers"]
    assert other == [401, {}]
    assert asked[0] == 200
    assert "idempotency-key" in asked[1]["access-control-allow-headers"]
    assert (newer[0], listed[0], newer[1]) == (200, 401, asked[1]), "the newer interface too"
    assert listed[1]["access-control-allow-origin"] == "https://tools.example.com"
    assert page[1] == {}
    assert all("access-control-allow-credentials" not in answer[1] for answer in (named, asked))
    for off in json.loads(other_desk("").stdout):
        assert off[1] == {}


@pytest.mark.parametrize("origins", ["*", "tools.example.com", "https://a.example/path"])
def test_an_origin_that_is_none_stops_the_start(origins: str) -> None:
    started = other_desk(origins, "import django; django.setup()")
    assert started.returncode == 1
    assert "CORS_ALLOWED_ORIGINS" in started.stderr.splitlines()[-1]

"""What each line of the log carries, and what none may hold."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client, override_settings

from tests.conftest import Person
from upscaler.logs import context, redaction
from upscaler.logs.lines import line_formatter
from upscaler.models import Upscale
from upscaler.processing import worker_step

SECRETS = {
    "share link": "GET /s/vD3gkHhV0lXyq2y0v5bqJmC0f8pXnWq4yJm1z2aQeTg/ 200",
    "invitation": "/invitations/vD3gkHhV0lXyq2y0v5bqJmC0f8pXnWq4yJm1z2aQeTg/",
    "signed file": "https://desk.example/files/eyJmIjoidmQzZ2tIaFYwbFh5cTJ5MCJ9:1abcde:vD3gkHhV0lXyq2y0v5bqJm/a.jpg",
    "hint": "/hints/12.vD3gkHhV0lXyq2y0v5bqJmC0f8pXnWq4yJm1/",
    "new password": "/accounts/forgotten/vD3gkHhV/vD3gk-HhV0lXyq2y0/",
    "token": "Authorization: Bearer ups_vD3gkHhV0lXyq2y0v5bqJmC0f8pXnWq4yJm1z2aQeTg",
    "webhook secret": "secret whsec_vD3gkHhV0lXyq2y0v5bqJmC0f8pXnWq4yJm1z2aQeTg=",
    "signature": "webhook-signature: v1,vD3gkHhV0lXyq2y0v5bqJmC0f8pXnWq4yJm1z2aQeTg=",
    "database": "postgres://desk:vD3gkHhV@db.example/upscaler",
    "presigned": "https://s3.example/b/a.jpg?X-Amz-Credential=vD3gkHhV&X-Amz-Signature=vD3gkHhV&x=1",
    "password with @": "https://desk:p@vD3gkHhV@shop.example/a.jpg",
    "JSON": '{"password": "vD3gkHhV", "size": 3}',
    "header": "X-Api-Key: vD3gkHhV",
    "key of S3": "aws_secret_access_key=vD3gkHhV",
    "sign-in": "/accounts/oidc/callback/?code=vD3gkHhV&state=vD3gkHhV",
}


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the desk logs in this test, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(line_formatter("json"))
    logger = logging.getLogger("upscaler")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(before)


def written(kind: str, message: str, *args: object, **options: Any) -> str:
    record = logging.getLogger("upscaler.test").makeRecord(
        "upscaler.test", logging.ERROR, __file__, 1, message, args, options.pop("exc_info", None), None, options or None
    )
    return line_formatter(kind).format(record)


@pytest.mark.parametrize("kind", ["text", "json"])
@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_no_line_holds_what_opens_something(kind: str, text: str) -> None:
    for line in (written(kind, text), written(kind, "%s and %r", text, {"x": text})):
        assert "vD3gk" not in line
        assert redaction.HIDDEN in line


@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_trace_and_no_setting_either(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", {"correct horse"})
    try:
        raise ValueError(f"{SECRETS['token']}, correct horse battery")
    except ValueError:
        line = written(kind, "it broke", exc_info=sys.exc_info())
    assert "ValueError" in line
    assert "vD3gk" not in line and "correct horse" not in line


def test_what_is_no_secret_stays() -> None:
    text = "upscale 7: /upscales/7/ 3 of 4 files of /tmp/s/a.jpg from https://shop.example/files/a.jpg?size=3, code 12"
    assert redaction.redact(text) == text


def test_a_json_line_has_the_same_fields_each_time() -> None:
    with context.about(request_id="r-1", team_id=4):
        line = json.loads(written("json", "%s × %s", "a", 2, upscale_id=9, request=object()))
    assert line["time"].endswith("+00:00")
    assert (line["level"], line["logger"], line["message"]) == ("ERROR", "upscaler.test", "a × 2")
    assert (line["request_id"], line["team_id"], line["upscale_id"]) == ("r-1", 4, 9)
    assert isinstance(line["request"], str)


def test_lines_of_a_request_carry_its_number_and_team(owner: Person, lines: Any, upload: Any) -> None:
    with override_settings(TRUSTED_PROXIES=1):
        answer = owner.client.post(
            "/", {"model_name": "recraft", "image": upload("a.jpg")}, headers={"X-Request-ID": "from-the-proxy-1"}
        )
    assert answer.headers["X-Request-ID"] == "from-the-proxy-1"
    [ordered] = [line for line in lines() if "submitted by" in line["message"]]
    assert (ordered["request_id"], ordered["team_id"]) == ("from-the-proxy-1", owner.team.pk)
    assert context.current() == {}


@pytest.mark.parametrize("sent", ["short", "with blank in it", "x" * 65, "ünlikely-number"])
def test_a_number_that_is_none_is_not_taken_from_anybody(db: None, sent: str) -> None:
    for proxies in (0, 1):
        with override_settings(TRUSTED_PROXIES=proxies):
            given = Client().get("/healthz", headers={"X-Request-ID": sent}).headers["X-Request-ID"]
            assert len(given) == 32 and given != sent


def test_lines_of_a_worker_carry_what_it_works_on(order: Callable[..., Upscale], lines: Any) -> None:
    upscale = order()
    worker_step.step(upscale.pk)
    of_work = [line for line in lines() if line["logger"].startswith("upscaler.processing")]
    assert of_work
    assert {(line["upscale_id"], line["team_id"]) for line in of_work} == {(upscale.pk, upscale.team_id)}
    assert context.current() == {}

"""What an operator can ask: readiness, the check and the probe."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from tests.support import vendor as vendors
from tests.support import webserver
from tests.support.concurrency import at_once
from tests.support.vendor import FOLLOW, KEY, LIST, RESULT, SUBMIT, Vendor, as_json
from upscaler.engines import get_engine
from upscaler.health import checks
from upscaler.models import EngineState
from upscaler.processing import circuit_breaker
from upscaler.queue.sweep import sweep


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def forget() -> None:
    """As if the last answer were older than it counts."""
    EngineState.objects.update(asked_at=None)


def test_readiness_names_a_wrong_key_and_stays_ready_in_an_outage(vendor: Vendor, db: None) -> None:
    assert Client().get("/readyz").json()["engine"] == "ok"
    for answer, status, words in (
        (as_json({}, 401), 503, "Set UWEAR_API_KEY"),
        (as_json({"detail": "Not Found"}, 404), 503, "Check the address and its prefix"),
        (webserver.body(b"<h1>404</h1>", 404), 503, "Check the address and its prefix"),
        (webserver.cut, 200, "ok, but Uwear does not answer"),
    ):
        forget()
        vendor.fail(LIST, answer)
        asked = vendor.calls(LIST)
        ready = [Client().get("/readyz") for _ in range(3)][-1]
        assert (ready.status_code, vendor.calls(LIST)) == (status, asked + 1)
        assert words in ready.json()["engine"]
    vendor.faults.clear()
    forget()
    assert Client().get("/readyz").json()["engine"] == "ok"


def test_readiness_asks_nobody_in_an_outage_before_its_pause_is_over(vendor: Vendor, db: None) -> None:
    since = timezone.now() - timedelta(minutes=7)
    later = timezone.now() + timedelta(minutes=5)
    EngineState.objects.create(pk="uwear", failures=3, failing_since=since, retry_at=later)
    ready = Client().get("/readyz")
    assert (ready.status_code, vendor.seen) == (200, [])
    assert f"Uwear does not answer since {timezone.localtime(since):%-d %B %Y, %H:%M} (UTC)." in ready.json()["engine"]


def test_a_wrong_key_neither_makes_an_outage_nor_ends_one(vendor: Vendor, db: None) -> None:
    vendor.fail(LIST, as_json({"detail": "no"}, 401))
    for _ in range(4):
        assert Client().get("/readyz").status_code == 503
        forget()
    assert circuit_breaker.down_since(get_engine("uwear")) is None
    past = timezone.now() - timedelta(minutes=7)
    EngineState.objects.update(failures=3, failing_since=past, retry_at=past)
    for look in (lambda: Client().get("/readyz"), sweep):
        look()
        EngineState.objects.update(retry_at=past, asked_at=None)
    assert circuit_breaker.down_since(get_engine("uwear")) == past
    assert "Set UWEAR_API_KEY" in Client().get("/readyz").json()["engine"]


@pytest.mark.django_db(transaction=True)
def test_while_the_vendor_hangs_one_caller_of_readiness_waits_for_it(vendor: Vendor) -> None:
    assert Client().get("/readyz").json()["engine"] == "ok"
    forget()
    asked = vendor.calls(LIST)
    vendor.fail(LIST, vendors.never)

    def took() -> float:
        began = time.monotonic()
        assert Client().get("/readyz").status_code == 200
        return time.monotonic() - began

    times = sorted(at_once(6, took))
    assert vendor.calls(LIST) == asked + 1
    assert times[4] < 2.5, "the others get the last known answer"
    assert times[5] < 10


def test_the_check_command_names_a_wrong_key_or_address(vendor: Vendor, db: None) -> None:
    assert "uwear answers and takes the key" in run("check")
    vendor.fail(LIST, as_json({}, 401))
    with pytest.raises(CommandError, match=r"refuses the key \(401\). Set UWEAR_API_KEY"):
        run("check")
    with override_settings(UWEAR_API_URL="http://uwear.invalid"):
        with pytest.raises(CommandError, match="does not answer under UWEAR_API_URL"):
            run("check")
        assert [warning.id for warning in checks.key_is_not_sent_in_clear()] == ["upscaler.W003"]
    assert checks.key_is_not_sent_in_clear() == []
    with override_settings(UWEAR_API_KEY=""):
        assert [error.id for error in checks.engine_is_there()] == ["upscaler.E001"]


def test_the_probe_says_which_needed_call_is_missing(vendor: Vendor, db: None) -> None:
    vendor.fail("GET generation-results", as_json({"data": []}))
    vendor.fail(SUBMIT, as_json({"detail": [{"type": "missing", "loc": ["body"], "msg": "no"}]}, 422))
    said = run("uwear_probe")
    assert said.splitlines()[-1] == "OK: every call that this desk needs is there. Nothing was spent."
    assert "Orders are taken in: legacy under " in said
    assert not [body for body in vendor.bodies if body["image_url"] or body["model_name"]]
    vendor.fail(LIST, as_json({"detail": "Not Found"}, 404))
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("uwear_probe", stdout=out)
    assert out.getvalue().splitlines()[-1] == "WRONG: this desk needs GET /generations. Nothing was spent."
    assert "MISSING  GET /generations" in out.getvalue()
    assert KEY not in out.getvalue() + said
    assert vendor.generations == {}


def probed() -> list[str]:
    """What the probe says of a host on which something is wrong, line by line."""
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("uwear_probe", stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("vendor", ["current"], indirect=True)
def test_the_probe_takes_a_host_of_the_newer_dialect(vendor: Vendor, db: None) -> None:
    vendor.fail("GET generation-results", as_json({"data": [], "current_page": 1, "max_page": 1}))
    said = run("uwear_probe")
    assert said.splitlines()[-2:] == [
        f"Orders are taken in: current under http://{vendor.host}.",
        "OK: every call that this desk needs is there. Nothing was spent.",
    ]
    assert "DRIFT" not in said
    assert vendor.generations == {}


@pytest.mark.parametrize(("vendor", "asked"), [("current", "legacy"), ("legacy", "current")], indirect=["vendor"])
def test_the_probe_names_the_dialect_that_the_host_speaks(vendor: Vendor, asked: str, db: None) -> None:
    if vendor.dialect == "legacy":
        vendor.fail(SUBMIT, as_json({"detail": [{"type": "missing", "loc": ["body"], "msg": "no"}]}, 422))
    for url in (f"http://{vendor.host}", f"http://{vendor.host}/api/v1"):
        with override_settings(UWEAR_DIALECT=asked, UWEAR_API_URL=url):
            assert probed()[-1] == (
                f"WRONG: this host takes orders otherwise. Set UWEAR_DIALECT={vendor.dialect} and "
                f"UWEAR_API_URL={vendor.api_url}. Nothing was spent."
            )
    assert vendor.generations == {}


@pytest.mark.parametrize("vendor", ["current"], indirect=True)
@pytest.mark.parametrize(
    ("call", "answer", "line"),
    [
        (
            SUBMIT,
            as_json({"detail": [{"type": "extra_forbidden", "loc": ["body", "use_case"], "msg": "no"}]}, 422),
            "DRIFT    POST /generation (empty): does not know use_case (extra_forbidden)",
        ),
        (
            SUBMIT,
            as_json({"detail": [{"type": "missing", "loc": ["body", "brand_id"], "msg": "no"}]}, 422),
            "DRIFT    POST /generation (empty): asks for brand_id",
        ),
        (
            SUBMIT,
            as_json({"detail": "Unsupported Media Type"}, 415),
            "DRIFT    POST /generation (empty): wants another form than JSON (415)",
        ),
        (
            SUBMIT,
            as_json({"detail": "Not Found"}, 404),
            "DRIFT    POST /generation (empty): there is no such call (404)",
        ),
        (
            RESULT,
            as_json({"generation_result_id": 5, "link": "http://x"}),
            "DRIFT    GET /generation-result/{id}: names no url and no image_url",
        ),
        (
            FOLLOW,
            as_json({"generation_id": 5, "state": "Done"}),
            "DRIFT    GET /generation/{id}: has no status, payload, generation_results",
        ),
    ],
)
def test_the_probe_says_what_drifted(call: str, answer: Any, line: str, vendor: Vendor, db: None) -> None:
    vendor.fail(call, answer)
    out = io.StringIO()
    with suppress(SystemExit):
        call_command("uwear_probe", stdout=out)
    assert line in out.getvalue().splitlines()
    assert vendor.generations == {}


@pytest.mark.parametrize("status", [401, 403])
def test_the_probe_says_that_the_key_is_wrong(status: int, vendor: Vendor, db: None) -> None:
    for call in (LIST, FOLLOW, RESULT, SUBMIT, "GET generation-results"):
        vendor.fail(call, as_json({"detail": "no"}, status))
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("uwear_probe", stdout=out)
    said = out.getvalue()
    assert f"WRONG: Uwear refuses the key ({status}). Set UWEAR_API_KEY" in said.splitlines()[-1]
    assert "MISSING" not in said

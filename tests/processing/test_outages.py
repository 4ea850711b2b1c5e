"""The vendor is away, or busy: upscales wait, and go on by themselves."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import webserver
from tests.support.vendor import (
    FOLLOW,
    LIST,
    SUBMIT,
    Vendor,
    as_json,
    follow,
    prove_nothing_went_wrong,
    step,
)
from tests.support.webserver import Answer
from upscaler.engines import get_engine
from upscaler.models import EngineState, Upscale
from upscaler.processing import circuit_breaker, worker_step
from upscaler.queue.sweep import sweep


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate that nobody has reason to trust."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def no_host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An address where no vendor answers, in the way that the test names."""
    match request.param:
        case "dns":
            yield "http://uwear.invalid"
        case "refused":
            with webserver.serving({}) as host:
                pass
            yield f"http://{host}"
        case "connect timeout":
            with webserver.unreachable() as host:
                yield f"http://{host}"
        case "certificate":
            with webserver.serving({}, tls=self_signed(tmp_path)) as host:
                yield f"https://{host}"
        case "no TLS at all":
            with webserver.serving({}) as host:
                yield f"https://{host}"


OUTAGES = ["dns", "refused", "connect timeout", "certificate", "no TLS at all"]


@pytest.mark.parametrize("no_host", OUTAGES, indirect=True)
def test_an_upscale_waits_while_the_vendor_can_t_be_reached(
    no_host: str, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(UWEAR_API_URL=no_host, UWEAR_CONNECT_TIMEOUT=0.2, UWEAR_SETTLE_SECONDS=0):
        upscale = follow(order())
        assert (upscale.status, upscale.progress_text) == ("Ongoing", "Waiting for Uwear to answer again")
        assert upscale.failures < 3, "waiting is no failure"
        prove_nothing_went_wrong(upscale, owner, None, caplog)
    # It is back, and nobody has to do anything.
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        assert follow(upscale).status == "Done", upscale.error_message
    assert vendor.calls(SUBMIT) == 1
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize("no_host", OUTAGES, indirect=True)
def test_an_outage_without_an_end_is_refunded(
    no_host: str, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    endless = {"UWEAR_OUTAGE_LIMIT": 0, "UWEAR_CONNECT_TIMEOUT": 0.2, "UWEAR_SETTLE_SECONDS": 0}
    with override_settings(UWEAR_API_URL=no_host, **endless):
        upscale = follow(order())
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_outage")
    assert "did not take work for" in upscale.error_message
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_the_key_does_not_follow_a_redirect_to_another_host(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere: list[str] = []

    def note(handler: Any) -> Answer:
        elsewhere.append(handler.path)
        return as_json({"generation_id": 1})

    with webserver.serving(note) as host:
        for call in (SUBMIT, LIST, FOLLOW):
            vendor.fail(call, webserver.redirect(f"http://{host}/api/v1/generation-upscale"))
        upscale = follow(order())
    assert elsewhere == []
    assert upscale.progress_text == "Waiting for Uwear to answer again"
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_one_generation_that_is_never_answered_for_does_not_count_as_failures(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(FOLLOW, as_json({}, 500))
    upscale = order()
    for _ in range(6):
        step(upscale)
        EngineState.objects.update(failures=0, failing_since=None, retry_at=None)  # Another call was answered.
    assert (upscale.status, upscale.failures) == ("Ongoing", 0)
    vendor.faults.clear()
    assert follow(upscale).status == "Done"
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_orders_wait_while_only_questions_are_answered(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "down"}, 503))
    upscales = [order() for _ in range(3)]
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        for upscale in upscales:
            for _ in range(3):
                step(upscale)
        assert circuit_breaker.down_since(get_engine("uwear")) is not None
        posts = vendor.calls(SUBMIT)
        # Nobody tries before the pause is over, and that costs no upscale a failure.
        EngineState.objects.filter(retry_at__isnull=False).update(retry_at=timezone.now() + timedelta(minutes=1))
        before = [upscale.failures for upscale in upscales]
        for upscale in upscales:
            Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
            worker_step.step(upscale.pk)
            upscale.refresh_from_db()
        assert vendor.calls(SUBMIT) == posts
        assert [upscale.failures for upscale in upscales] == before
        vendor.faults.clear()
        for upscale in upscales:
            assert follow(upscale).status == "Done", upscale.error_message
    assert circuit_breaker.down_since(get_engine("uwear")) is None
    for upscale in upscales:
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_an_outage_of_orders_alone_ends_too(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "down"}, 503))
    with override_settings(UWEAR_SETTLE_SECONDS=0, UWEAR_OUTAGE_LIMIT=0):
        upscale = follow(order(), most=4)
        Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
        worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_outage")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_vendor_that_is_busy_without_an_end_is_given_up(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "slow"}, 429))
    upscale = step(order())
    with override_settings(UWEAR_OUTAGE_LIMIT=0):
        follow(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_outage")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_the_pauses_are_the_vendor_s_own(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "slow"}, 429, Retry_After="77"))
    first, second = order(), order()
    step(first)
    state = EngineState.objects.get()
    assert first.not_before is not None
    assert state.busy_until is not None
    assert 70 < (first.not_before - first.updated_at).total_seconds() <= 77
    # The other one does not even ask.
    worker_step.step(second.pk)
    assert vendor.calls(SUBMIT) == 1
    second.refresh_from_db()
    assert second.not_before is not None
    assert abs((second.not_before - state.busy_until).total_seconds()) < 2
    vendor.faults.clear()
    for upscale in (first, second):
        assert follow(upscale).status == "Done"
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_the_time_in_which_the_vendor_is_silent_does_not_count_as_its_work(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.status = "Ongoing"
    upscale = step(order())
    vendor.fail(FOLLOW, as_json({}, 500))
    step(upscale)
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        step(upscale)
        vendor.faults.clear()
        assert step(upscale).status == "Ongoing", upscale.error_message
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)
        with time_machine.travel(timezone.now() + timedelta(minutes=50)):
            assert step(upscale).status == "Ongoing", upscale.error_message
        with time_machine.travel(timezone.now() + timedelta(minutes=61)):
            step(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_too_slow")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=True)


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("99999", 900)])
def test_an_outage_that_names_its_end_is_left_alone_until_then(
    header: str,
    seconds: float,
    vendor: Vendor,
    owner: Person,
    order: Callable[..., Upscale],
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.status = "Ongoing"
    first, second = step(order()), order()
    vendor.fail(FOLLOW, as_json({"detail": "down for maintenance"}, 503, Retry_After=header))
    step(first)
    assert first.progress_text == "Waiting for Uwear to answer again"
    assert first.not_before is not None
    assert seconds - 2 < (first.not_before - timezone.now()).total_seconds() <= seconds
    assert "Uwear does not answer since" in owner.client.get("/").content.decode()
    # Nobody asks or posts before.
    asked = len(vendor.seen)
    worker_step.step(second.pk)
    Upscale.objects.update(not_before=None)
    worker_step.step(first.pk)
    assert len(vendor.seen) == asked
    vendor.faults.clear()
    vendor.status = "Done"
    for upscale in (first, second):
        assert follow(upscale).status == "Done"
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)
    assert "Uwear does not answer since" not in owner.client.get("/").content.decode()


def test_orders_that_are_put_off_by_a_503_are_sent_once_it_is_over(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "down"}, 503, Retry_After="120"), passing=True)
    upscale = step(order())
    Upscale.objects.update(not_before=None)
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert upscale.not_before is not None
    assert 110 < (upscale.not_before - timezone.now()).total_seconds() <= 120
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        assert follow(upscale).status == "Done"
    assert vendor.calls(SUBMIT) == 2
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_refused_order_too_shows_that_orders_are_taken_again(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    away, refused = as_json({"detail": "down"}, 503), as_json({"detail": "too dark"}, 422)
    vendor.fail(SUBMIT, away, away, away, refused, passing=True)
    first, second = order(), order()
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        assert follow(first).error_code == "uwear_refused"
    assert circuit_breaker.down_since(get_engine("uwear")) is None
    worker_step.step(second.pk)
    second.refresh_from_db()
    assert second.status == "Done"
    for upscale in (first, second):
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_job_that_is_never_answered_for_ends_although_other_calls_are(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    """The sweep asks for the list, is answered, and the outage of this one question begins anew each time."""
    vendor.fail(FOLLOW, as_json({}, 500))
    began = timezone.now()
    with override_settings(UWEAR_BREAKER_FAILURES=1):
        upscale = step(order())
        for hours in (1, 12, 23):
            with time_machine.travel(began + timedelta(hours=hours)):
                step(upscale)
                EngineState.objects.update(retry_at=timezone.now())
                sweep()
                assert circuit_breaker.down_since(get_engine("uwear")) is None
        assert upscale.status == "Ongoing", upscale.error_message
        with time_machine.travel(began + timedelta(hours=25)):
            step(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_outage")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=True)


def test_of_two_requests_to_slow_down_the_longer_one_holds(vendor: Vendor, db: None) -> None:
    circuit_breaker.asked_to_wait(get_engine("uwear"), 600)
    assert circuit_breaker.asked_to_wait(get_engine("uwear"), 1).due_in > 590


def test_failures_that_are_far_apart_are_no_outage(vendor: Vendor, db: None) -> None:
    """Nobody asked in between, so nothing is known of that time."""
    for _ in range(2):
        assert circuit_breaker.did_not_answer(get_engine("uwear")) is None
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        for _ in range(2):
            assert circuit_breaker.did_not_answer(get_engine("uwear")) is None
        assert circuit_breaker.did_not_answer(get_engine("uwear")) is not None
        since = circuit_breaker.down_since(get_engine("uwear"))
        assert since is not None
        assert timezone.now() - since < timedelta(minutes=1)


def test_an_answer_that_comes_while_another_call_fails_leaves_nothing_half_down(
    vendor: Vendor, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would count as down for ever: each answer saw no failure to clear, and each call put the next one off."""
    engine: Any = get_engine("uwear")
    pause = circuit_breaker._pause

    def answered_meanwhile(*args: Any) -> timedelta:
        circuit_breaker.answered(engine, took_work=False)
        return pause(*args)

    for _ in range(engine.limits.breaker_failures - 1):
        assert circuit_breaker.did_not_answer(engine) is None
    with monkeypatch.context() as between:
        between.setattr(circuit_breaker, "_pause", answered_meanwhile)
        assert circuit_breaker.did_not_answer(engine) is None
    assert circuit_breaker.down_since(engine) is None
    circuit_breaker.let_through(engine)


def test_one_that_was_left_half_down_is_up_after_its_next_answer(vendor: Vendor, db: None) -> None:
    engine: Any = get_engine("uwear")
    EngineState.objects.create(engine=engine.name, retry_at=timezone.now() - timedelta(seconds=1))
    circuit_breaker.let_through(engine)
    circuit_breaker.answered(engine, took_work=False)
    circuit_breaker.let_through(engine)

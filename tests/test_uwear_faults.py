"""The vendor misbehaves in every way: what the person sees, how often it is tried, and that nothing is lost."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests import vendor as vendors
from tests import webserver
from tests.conftest import Person
from tests.vendor import FILE, FOLLOW, LIST, SUBMIT, Vendor, as_json, follow, never, prove_nothing_went_wrong, step
from tests.webserver import Answer, body
from upscaler.models import EngineState, Upscale
from upscaler.services import breaker, work

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
SHORT = {"UWEAR_READ_TIMEOUT": 0.3}


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendors.running() as vendor:
        yield vendor


@dataclass(frozen=True)
class Fault:
    """A call that goes wrong for good, and what becomes of the upscale."""

    call: str
    answer: Callable[[Vendor], Answer]
    ends: str
    """``Done``, the code of the error, or ``waits``."""
    words: str = ""
    posts: int = 1
    settings: dict[str, Any] | None = None


def always(answer: Answer) -> Callable[[Vendor], Answer]:
    return lambda vendor: answer


def taken(answer: Answer) -> Callable[[Vendor], Answer]:
    return lambda vendor: vendors.taken_but(vendor, answer)


def says(status: int, detail: Any = "no", **headers: str) -> Callable[[Vendor], Answer]:
    return always(as_json({"detail": detail}, status, **headers))


RULES = [
    {"type": "enum", "loc": ["body", "generation_settings", "upscale_factor"], "msg": "Input should be '2x'"},
    {"type": "extra_forbidden", "loc": ["body", "model_name"], "msg": "Unknown model"},
]


def lost(answer: Callable[[Vendor], Answer], settings: dict[str, Any] | None = None) -> Fault:
    """Posted as often as MAX_FAILURES says, and never there when it is looked for."""
    words = "4 times, and it never arrived"
    return Fault(SUBMIT, answer, "uwear_not_taken", words, posts=4, settings=settings)


def no_orders(answer: Callable[[Vendor], Answer], settings: dict[str, Any] | None = None) -> Fault:
    """Questions are answered, orders are not: it waits, and each step finds out whether that is over."""
    return Fault(SUBMIT, answer, "waits", "Asking Uwear whether it has the picture", posts=12, settings=settings)


FAULTS: dict[str, Fault] = {
    "401": Fault(SUBMIT, says(401), "uwear_key", "refuses the key of this desk"),
    "402": Fault(SUBMIT, says(402), "uwear_credits", "account at Uwear has no credits left"),
    "403": Fault(SUBMIT, says(403), "uwear_key", "refuses the key of this desk"),
    "404": Fault(SUBMIT, says(404), "uwear_not_found", "knows nothing of this call"),
    "409": lost(says(409)),
    "422 with a list": Fault(
        SUBMIT, says(422, RULES), "uwear_refused", "Enlarge by: Input should be '2x'; the model: Unknown model"
    ),
    "could not fetch our link": Fault(
        SUBMIT,
        says(400, "Could not download file from URL (upstream returned 401)"),
        "uwear_cannot_fetch",
        "upstream returned 401",
        posts=4,
    ),
    "could not fetch our link, as a 500": Fault(
        SUBMIT, says(500, "Could not download file from URL x"), "uwear_cannot_fetch", "could not fetch", posts=4
    ),
    "a refusal that repeats the key": Fault(SUBMIT, says(400, f"bad {vendors.KEY}"), "uwear_refused", "bad ***"),
    "500, not taken": no_orders(says(500)),
    "500, taken": Fault(SUBMIT, taken(as_json({"detail": "no"}, 500)), "Done"),
    "502 with HTML": no_orders(always(body(HTML, 502))),
    "502 with HTML, taken": Fault(SUBMIT, taken(body(HTML, 502)), "Done"),
    "503": no_orders(says(503)),
    "empty body, taken": Fault(SUBMIT, taken(body(b"")), "Done"),
    "empty body, not taken": no_orders(always(body(b""))),
    "invalid JSON, taken": Fault(SUBMIT, taken(body(b'{"generation_id": 7')), "Done"),
    "another shape, taken": Fault(SUBMIT, taken(as_json([1, 2])), "Done"),
    "another shape, not taken": lost(always(as_json({"id": "x"}))),
    "read timeout, taken": Fault(SUBMIT, taken(never), "Done", settings=SHORT),
    "read timeout, not taken": no_orders(always(never), settings=SHORT),
    "cut, taken": Fault(SUBMIT, taken(webserver.cut), "Done"),
    "cut, not taken": no_orders(always(webserver.cut)),
    "redirect, taken or not": no_orders(always(webserver.redirect("/else"))),
    "429": Fault(SUBMIT, says(429), "waits", "asks us to slow down", posts=12),
    "429 with Retry-After": Fault(SUBMIT, says(429, Retry_After="7"), "waits", "asks us to slow down", posts=12),
    "403 with HTML, taken": Fault(SUBMIT, taken(body(HTML, 403)), "Done"),
    "follow: 401": Fault(FOLLOW, says(401), "waits", "Waiting for Uwear to answer again"),
    "follow: 403": Fault(FOLLOW, says(403), "waits", "Waiting for Uwear to answer again"),
    "follow: 403 with HTML": Fault(FOLLOW, always(body(HTML, 403)), "waits", "Waiting for Uwear to answer again"),
    "follow: 404": Fault(FOLLOW, says(404), "uwear_lost", "does not know this order any more"),
    "follow: 500": Fault(FOLLOW, says(500), "waits", "Waiting for Uwear to answer again"),
    "follow: HTML": Fault(FOLLOW, always(body(HTML)), "waits", "Waiting for Uwear to answer again"),
    "follow: another shape": Fault(FOLLOW, always(as_json({})), "uwear_unreadable", "has no generation_id"),
    "follow: 429": Fault(FOLLOW, says(429), "waits", "asks us to slow down"),
    "never done": Fault(
        FOLLOW,
        lambda vendor: as_json({"generation_id": 71, "status": "Ongoing"}),
        "uwear_too_slow",
        "has not finished this picture",
        settings={"UWEAR_TIME_LIMIT": 0},
    ),
    "a status that nobody knows": Fault(
        FOLLOW, lambda vendor: as_json({"generation_id": 71, "status": "Polishing"}), "waits"
    ),
    "Error": Fault(
        FOLLOW,
        lambda vendor: as_json({"generation_id": 71, "status": "Error", "error": "Too dark"}),
        "uwear_failed",
        "Too dark",
    ),
    "Done without results": Fault(
        FOLLOW,
        lambda vendor: as_json({"generation_id": 71, "status": "Done", "generation_results": []}),
        "uwear_no_result",
        "hands out none",
    ),
    "dead link": Fault(FILE, says(404), "waits", "can’t be downloaded yet; tried until"),
    "no downloads": Fault(FILE, says(500), "waits", "can’t be downloaded yet; tried until"),
    "link that serves HTML": Fault(
        FILE, always(body(HTML, Content_Type="text/html")), "result_not_a_picture", "damaged"
    ),
    "truncated picture": Fault(FILE, always(body(vendors.truncated())), "result_damaged", "damaged"),
    "cut picture": Fault(FILE, always(webserver.hang_up), "waits", "can’t be downloaded yet; tried until"),
    "endless stream": Fault(
        FILE,
        always(webserver.endless),
        "uwear_result_too_large",
        "larger than 2 MB",
        settings={"UWEAR_MAX_RESULT_BYTES": 2_000_000},
    ),
    "2 GB announced": Fault(
        FILE, always(body(b"", Content_Length="2000000000")), "uwear_result_too_large", "larger than 1000 MB"
    ),
    "smaller than the source": Fault(
        FILE, always(body(vendors.picture((32, 24)))), "result_too_small", "32 × 24 pixels, no larger than it was"
    ),
    "as large as the source": Fault(FILE, always(body(vendors.picture((48, 40)))), "result_too_small", "no larger"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_costs_nobody_anything(
    name: str, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    fault = FAULTS[name]
    vendor.fail(fault.call, fault.answer(vendor))
    with override_settings(UWEAR_SETTLE_SECONDS=0, **(fault.settings or {})):
        upscale = follow(order())
    if fault.ends == "Done":
        assert (upscale.status, len(vendor.generations)) == ("Done", 1), upscale.error_message
    elif fault.ends == "waits":
        assert upscale.status == "Ongoing", upscale.error_message
        assert fault.words in upscale.progress_text
    else:
        assert (upscale.status, upscale.error_code) == ("Error", fault.ends), upscale.error_message
        assert fault.words in upscale.error_message
    assert vendor.calls(SUBMIT) == fault.posts
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)
    if fault.ends == "waits":
        vendor.faults.clear()
        with override_settings(UWEAR_SETTLE_SECONDS=0):
            assert follow(upscale).status == "Done", upscale.error_message
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


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


def test_a_lost_call_is_not_sent_again_while_it_may_still_arrive(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, webserver.cut)
    upscale = follow(order(), most=6)
    assert (upscale.status, upscale.progress_text) == ("Ongoing", "Asking Uwear whether it has the picture")
    assert (vendor.calls(SUBMIT), vendor.calls(LIST)) == (1, 5)
    # It arrives late.
    vendor.accept(vendor.bodies[0])
    assert follow(upscale).status == "Done"
    assert vendor.calls(SUBMIT) == 1
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(as_json({"data": [{"generation_id": 9, "status": "Ongoing"}], "max_page": 1}), id="no payload"),
        pytest.param(as_json({"detail": "Not Found"}, 404), id="no such call"),
        pytest.param(as_json({"data": [{"generation_id": 9, "payload": "{}"}], "max_page": 99}), id="too long"),
    ],
)
def test_where_it_can_t_be_told_nothing_is_sent_again(
    rows: Answer, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, webserver.cut)
    vendor.fail(LIST, rows)
    vendor.fail(FOLLOW, as_json({"generation_id": 9, "status": "Ongoing"}))
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        upscale = follow(order())
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_unclear")
    assert vendor.calls(SUBMIT) == 1
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_does_not_end_what_the_vendor_may_have(
    status: int, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut))
    vendor.fail(LIST, as_json({"detail": "no"}, status))
    upscale = follow(order())
    assert (upscale.status, upscale.progress_text) == ("Ongoing", "Waiting for Uwear to answer again")
    with override_settings(UWEAR_OUTAGE_LIMIT=0):
        assert step(upscale).error_code == "uwear_outage", "not for ever"


def test_one_generation_that_is_never_answered_for_does_not_count_as_failures(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    vendor.fail(FOLLOW, as_json({}, 500))
    upscale = order()
    for _ in range(6):
        step(upscale)
        EngineState.objects.update(failures=0, failing_since=None, retry_at=None)  # Another call was answered.
    assert (upscale.status, upscale.failures) == ("Ongoing", 0)


def test_orders_wait_while_only_questions_are_answered(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "down"}, 503))
    upscales = [order() for _ in range(3)]
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        for upscale in upscales:
            for _ in range(3):
                step(upscale)
        assert breaker.down_since("uwear") is not None
        posts = vendor.calls(SUBMIT)
        # Nobody tries before the pause is over, and that costs no upscale a failure.
        EngineState.objects.filter(retry_at__isnull=False).update(retry_at=timezone.now() + timedelta(minutes=1))
        before = [upscale.failures for upscale in upscales]
        for upscale in upscales:
            Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
            work.step(upscale.pk)
            upscale.refresh_from_db()
        assert vendor.calls(SUBMIT) == posts
        assert [upscale.failures for upscale in upscales] == before
        vendor.faults.clear()
        for upscale in upscales:
            assert follow(upscale).status == "Done", upscale.error_message
    assert breaker.down_since("uwear") is None
    for upscale in upscales:
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_an_outage_of_orders_alone_ends_too(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "down"}, 503))
    with override_settings(UWEAR_SETTLE_SECONDS=0, UWEAR_OUTAGE_LIMIT=0):
        upscale = follow(order(), most=4)
        Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
        work.step(upscale.pk)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_outage")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_equal_orders_get_one_generation_each(vendor: Vendor, owner: Person, caplog: pytest.LogCaptureFixture) -> None:
    """Both were taken, and both answers were lost."""
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut))
    source = {"image_url": f"http://{vendor.host}/shop/source.png", "model_name": "recraft"}
    numbers = [owner.api("post", "generation-upscale", source).json()["generation_id"] for _ in range(2)]
    first, second = (Upscale.objects.get(pk=number) for number in numbers)
    step(first)
    step(second)
    assert vendor.bodies == [source, source]
    assert {follow(first).status, follow(second).status} == {"Done"}
    assert {first.engine_id, second.engine_id} == {"71", "72"}
    assert vendor.calls(SUBMIT) == 2
    for upscale in (first, second):
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_another_program_s_generation_is_not_taken_for_ours(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.accept({"image_url": "https://shop.example/other.jpg", "model_name": "recraft"})
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut))
    upscale = follow(order())
    assert (upscale.status, upscale.engine_id, vendor.calls(SUBMIT)) == ("Done", "72", 1)


def test_a_vendor_that_is_busy_without_an_end_is_given_up(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "slow"}, 429))
    upscale = step(order())
    with override_settings(UWEAR_OUTAGE_LIMIT=0):
        follow(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_outage")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_the_last_try_too_is_looked_for_before_anything_is_refunded(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, webserver.cut, webserver.cut, webserver.cut, vendors.taken_but(vendor, webserver.cut))
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        upscale = follow(order())
    assert (upscale.status, vendor.calls(SUBMIT), len(vendor.generations)) == ("Done", 4, 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_dead_link_is_not_waited_for_once_the_4_hours_are_over(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(FILE, body(b"", 410))
    with override_settings(RESULT_LIFETIME=0):
        upscale = follow(order())
    assert (upscale.status, upscale.error_code, upscale.attempt) == ("Error", "uwear_link_dead", 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_paid_picture_is_fetched_for_as_long_as_the_vendor_keeps_it(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(FILE, body(b"", 500))
    upscale = step(order())
    pauses = []
    for hours in (0.01, 1, 3.9):
        with time_machine.travel(timezone.now() + timedelta(hours=hours), tick=False):
            step(upscale)
            assert upscale.not_before is not None
            pauses.append((upscale.not_before - timezone.now()).total_seconds())
    assert 5 <= pauses[0] < 20
    assert pauses[1:] == [300, 300]
    with time_machine.travel(timezone.now() + timedelta(hours=4, minutes=1), tick=False):
        follow(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_download")


def test_the_pauses_are_the_vendor_s_own(vendor: Vendor, order: Callable[..., Upscale]) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "slow"}, 429, Retry_After="77"))
    first, second = order(), order()
    step(first)
    state = EngineState.objects.get()
    assert first.not_before is not None
    assert state.busy_until is not None
    assert 70 < (first.not_before - first.updated_at).total_seconds() <= 77
    # The other one does not even ask.
    work.step(second.pk)
    assert vendor.calls(SUBMIT) == 1
    second.refresh_from_db()
    assert second.not_before is not None
    assert abs((second.not_before - state.busy_until).total_seconds()) < 2

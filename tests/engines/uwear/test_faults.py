"""The vendor misbehaves in every way: what the person sees, how often it is tried, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import vendor as vendors
from tests.support import webserver
from tests.support.vendor import (
    FILE,
    FOLLOW,
    LIST,
    SUBMIT,
    Vendor,
    as_json,
    follow,
    never,
    prove_nothing_went_wrong,
    step,
)
from tests.support.vendor import pytest_generate_tests as pytest_generate_tests
from tests.support.webserver import Answer, body
from upscaler.models import Upscale

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


SHORT = {"UWEAR_READ_TIMEOUT": 0.3, "UWEAR_CONNECT_TIMEOUT": 0.3}


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
    lives: bool = False
    """Whether the vendor has made the picture, or still makes it, when its price is refunded."""


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
    words = "4 times, and Uwear does not have it"
    return Fault(SUBMIT, answer, "uwear_not_taken", words, posts=4, settings=settings)


def unfinished(status: str, **more: Any) -> Callable[[Vendor], Answer]:
    """The vendor says of the generation that it has this status."""

    def answer(vendor: Vendor) -> Answer:
        vendor.status = status
        return as_json({"generation_id": 71, "status": status, **more})

    return answer


def lasting(call: str, answer: Callable[[Vendor], Answer]) -> Fault:
    """What is said of a job that the vendor has taken is of no use: it may be the next time."""
    return Fault(call, answer, "waits", "Uwear’s picture can’t be had yet; tried until")


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
    "503 with Retry-After": no_orders(says(503, Retry_After="7")),
    "empty body, taken": Fault(SUBMIT, taken(body(b"")), "Done"),
    "empty body, not taken": no_orders(always(body(b""))),
    "invalid JSON, taken": Fault(SUBMIT, taken(body(b'{"generation_id": 7')), "Done"),
    "another shape, taken": Fault(SUBMIT, taken(as_json([1, 2])), "Done"),
    "another shape, not taken": lost(always(as_json({"id": "x"}))),
    "read timeout, taken": Fault(SUBMIT, taken(never), "Done", settings=SHORT),
    "read timeout, not taken": no_orders(always(never), settings=SHORT),
    "cut, taken": Fault(SUBMIT, taken(webserver.cut), "Done"),
    "cut, not taken": no_orders(always(webserver.cut)),
    "dripping headers, taken": Fault(SUBMIT, taken(webserver.dripping_head), "Done", settings=SHORT),
    "dripping body, taken": Fault(SUBMIT, taken(webserver.dripping_body), "Done", settings=SHORT),
    "redirect, taken or not": no_orders(always(webserver.redirect("/else"))),
    "429": Fault(SUBMIT, says(429), "waits", "asks us to slow down", posts=12),
    "429 with Retry-After": Fault(SUBMIT, says(429, Retry_After="7"), "waits", "asks us to slow down", posts=12),
    "404 with HTML, not taken": no_orders(always(body(HTML, 404))),
    "403 with HTML, taken": Fault(SUBMIT, taken(body(HTML, 403)), "Done"),
    "follow: 401": Fault(FOLLOW, says(401), "waits", "Waiting for Uwear to answer again"),
    "follow: 403": Fault(FOLLOW, says(403), "waits", "Waiting for Uwear to answer again"),
    "follow: 403 with HTML": Fault(FOLLOW, always(body(HTML, 403)), "waits", "Waiting for Uwear to answer again"),
    **{f"follow: {status}": lasting(FOLLOW, says(status)) for status in (400, 402, 404, 409, 422)},
    "follow: 404 of no such call": lasting(FOLLOW, says(404, "Not Found")),
    "follow: 404 with HTML": Fault(FOLLOW, always(body(HTML, 404)), "waits", "Waiting for Uwear to answer again"),
    "follow: 500": Fault(FOLLOW, says(500), "waits", "Waiting for Uwear to answer again"),
    "follow: 503 with Retry-After": Fault(
        FOLLOW, says(503, Retry_After="7"), "waits", "Waiting for Uwear to answer again"
    ),
    "follow: dripping headers": Fault(
        FOLLOW, always(webserver.dripping_head), "waits", "Waiting for Uwear to answer again", settings=SHORT
    ),
    "follow: HTML": Fault(FOLLOW, always(body(HTML)), "waits", "Waiting for Uwear to answer again"),
    "follow: another shape": lasting(FOLLOW, always(as_json({}))),
    "follow: 429": Fault(FOLLOW, says(429), "waits", "asks us to slow down"),
    "never done": Fault(
        FOLLOW,
        unfinished("Ongoing"),
        "uwear_too_slow",
        "has not finished this picture",
        settings={"UWEAR_TIME_LIMIT": 0},
        lives=True,
    ),
    "a status that nobody knows": Fault(FOLLOW, always(as_json({"generation_id": 71, "status": "Polishing"})), "waits"),
    "Error": Fault(
        FOLLOW,
        unfinished("Error", error="Too dark"),
        "uwear_failed",
        "Too dark",
    ),
    "Done without results": lasting(FOLLOW, unfinished("Done", generation_results=[])),
    "dead link": Fault(FILE, says(404), "waits", "can’t be downloaded yet; tried until"),
    "no downloads": Fault(FILE, says(500), "waits", "can’t be downloaded yet; tried until"),
    "link that serves HTML": lasting(FILE, always(body(HTML, Content_Type="text/html"))),
    "truncated picture": lasting(FILE, always(body(vendors.truncated()))),
    "cut picture": Fault(FILE, always(webserver.hang_up), "waits", "can’t be downloaded yet; tried until"),
    "endless stream": Fault(
        FILE,
        always(webserver.endless),
        "uwear_result_too_large",
        "larger than 2 MB",
        settings={"UWEAR_MAX_RESULT_BYTES": 2_000_000},
        lives=True,
    ),
    "2 GB announced": Fault(
        FILE,
        always(body(b"", Content_Length="2000000000")),
        "uwear_result_too_large",
        "larger than 1000 MB",
        lives=True,
    ),
    "smaller than the source": Fault(
        FILE,
        always(body(vendors.picture((32, 24)))),
        "result_too_small",
        "32 × 24 pixels, no larger than it was",
        lives=True,
    ),
    "as large as the source": Fault(
        FILE, always(body(vendors.picture((48, 40)))), "result_too_small", "no larger", lives=True
    ),
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
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=fault.lives)
    if fault.ends == "waits":
        vendor.faults.clear()
        with override_settings(UWEAR_SETTLE_SECONDS=0):
            assert follow(upscale).status == "Done", upscale.error_message
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)


LASTING = {
    "follow: 402": ("uwear_unreadable", "says nothing of this picture (402)"),
    "follow: 404": ("uwear_lost", "does not know this order any more"),
    "follow: 404 of no such call": ("uwear_unreadable", "says nothing of this picture (404)"),
    "follow: another shape": ("uwear_unreadable", "has no generation_id"),
    "Done without results": ("uwear_no_result", "hands out none"),
    "link that serves HTML": ("result_not_a_picture", "damaged"),
    "truncated picture": ("result_damaged", "damaged"),
}
"""How faults end that last longer than UWEAR_TIME_LIMIT."""


@pytest.mark.parametrize("name", LASTING)
def test_a_job_that_the_vendor_has_is_asked_for_as_long_as_it_may_take(
    name: str, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    code, words = LASTING[name]
    began = timezone.now()
    vendor.fail(FAULTS[name].call, FAULTS[name].answer(vendor))
    upscale = step(order())
    pauses = []
    for minutes in (1, 9, 59):
        with time_machine.travel(began + timedelta(minutes=minutes if code != "uwear_lost" else minutes / 6)):
            assert step(upscale).status == "Ongoing", upscale.error_message
            assert upscale.not_before is not None
            pauses.append(round((upscale.not_before - timezone.now()).total_seconds()))
    assert pauses == sorted(pauses)
    assert pauses[0] < 20
    assert pauses[-1] > 60
    assert pauses[-1] <= 120
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)
    with time_machine.travel(began + timedelta(minutes=61)):
        follow(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", code)
    assert words in upscale.error_message
    assert vendor.calls(SUBMIT) == 1
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=True)


FINAL = ("never done", "Error", "endless stream", "2 GB announced", "smaller than the source", "as large as the source")
"""Faults of the picture itself: one of them is enough."""


@pytest.mark.parametrize("name", [name for name in FAULTS if FAULTS[name].call != SUBMIT and name not in FINAL])
def test_a_fault_that_passes_while_following_is_waited_out(
    name: str, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    fault = FAULTS[name]
    upscale = order()
    with override_settings(**(fault.settings or {})):
        bad = fault.answer(vendor)
        vendor.status = "Done"
        vendor.fail(fault.call, bad, bad, passing=True)
        assert not follow(upscale, most=2).is_final
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)
        assert follow(upscale).status == "Done", upscale.error_message
    assert (vendor.calls(SUBMIT), upscale.failures < 3) == (1, True)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize("name", [name for name in FAULTS if FAULTS[name].ends == "waits"])
def test_a_fault_that_passes_is_waited_out(
    name: str, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    fault = FAULTS[name]
    vendor.fail(fault.call, fault.answer(vendor), passing=True)
    with override_settings(UWEAR_SETTLE_SECONDS=0, **(fault.settings or {})):
        upscale = follow(order())
    assert (upscale.status, len(vendor.generations)) == ("Done", 1), upscale.error_message
    assert vendor.calls(SUBMIT) == (2 if fault.call == SUBMIT else 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize("answer", [as_json({}, 500), webserver.cut, as_json({}, 401), as_json({}, 429), body(HTML)])
def test_a_fault_that_passes_while_looking_is_waited_out(
    answer: Answer, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut))
    vendor.fail(LIST, answer, answer, passing=True)
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        upscale = follow(order())
    assert (upscale.status, vendor.calls(SUBMIT), len(vendor.generations)) == ("Done", 1, 1), upscale.error_message
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)

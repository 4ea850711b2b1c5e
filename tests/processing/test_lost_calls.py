"""A call whose answer was lost is looked for before anything is sent again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client, override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import vendor as vendors
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
from tests.support.vendor import pytest_generate_tests as pytest_generate_tests
from tests.support.webserver import Answer
from upscaler.engines import offer
from upscaler.engines.uwear import dialects
from upscaler.models import Upscale


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
        pytest.param(as_json({"detail": "No such list here"}, 404), id="no such list"),
        pytest.param(as_json({"detail": [{"loc": ["query", "page"], "msg": "no"}]}, 422), id="refused"),
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
        upscale = step(order())
        for minutes in (1, 9):
            with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
                assert step(upscale).status == "Ongoing", upscale.error_message
                assert "can’t be had yet; tried until" in upscale.progress_text
        with time_machine.travel(timezone.now() + timedelta(minutes=11)):
            follow(upscale)
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
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=True)


@override_settings(PUBLIC_URL="")
def test_equal_orders_get_one_generation_each(vendor: Vendor, owner: Person, caplog: pytest.LogCaptureFixture) -> None:
    """Both were taken, and both answers were lost. Equal to the vendor, too: the address, and no copy of its own."""
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut))
    source = {"image_url": f"http://{vendor.host}/shop/source.png", "model_name": offer.usual().name}
    numbers = [owner.api("post", "generation-upscale", source).json()["generation_id"] for _ in range(2)]
    first, second = (Upscale.objects.get(pk=number) for number in numbers)
    for _ in ("fetched", "handed over"):
        step(first)
        step(second)
    assert [body["image_url"] for body in vendor.bodies] == [source["image_url"]] * 2
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
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, foreign=1)


def test_the_last_try_too_is_looked_for_before_anything_is_refunded(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, webserver.cut, webserver.cut, webserver.cut, vendors.taken_but(vendor, webserver.cut))
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        upscale = follow(order())
    assert (upscale.status, vendor.calls(SUBMIT), len(vendor.generations)) == ("Done", 4, 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_lost_call_may_still_arrive_for_a_while_after_its_end(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    """The call itself may have taken longer than that."""
    vendor.fail(SUBMIT, vendors.never)
    with override_settings(UWEAR_SETTLE_SECONDS=1, UWEAR_READ_TIMEOUT=1.2):
        upscale = follow(order(), most=2)
        assert (upscale.progress_text, vendor.calls(LIST)) == ("Asking Uwear whether it has the picture", 1)
        assert follow(upscale, most=2).status == "Ongoing"
        assert vendor.calls(SUBMIT) == 1
        vendor.faults.clear()
        with time_machine.travel(timezone.now() + timedelta(seconds=2)):
            assert follow(upscale).status == "Done"
    assert vendor.calls(SUBMIT) == 2
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_only_what_was_sent_is_said_to_have_been_sent(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    """Other failures of the same upscale are no posts."""
    vendor.fail(SUBMIT, as_json({"detail": "no"}, 409))
    vendor.fail(LIST, as_json({"detail": "Not Found"}, 404), as_json({"detail": "Not Found"}, 404), passing=True)
    with override_settings(UWEAR_SETTLE_SECONDS=0, UWEAR_TIME_LIMIT=0):
        upscale = follow(order())
    assert (upscale.error_code, vendor.calls(SUBMIT), upscale.handover.submit_count) == ("uwear_not_taken", 2, 2)
    assert "We sent your picture to Uwear 2 times, and Uwear does not have it." in upscale.error_message
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_call_that_never_left_is_not_counted(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(UWEAR_API_URL="http://uwear.invalid"):
        upscale = step(order())
        assert upscale.handover.submit_count == 0
    assert follow(upscale).handover.submit_count == 1
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize(
    ("row", "ends"),
    [
        pytest.param({"generation_id": "x-9", "payload": "{}", "feature_name": "try_on"}, "Done", id="another feature"),
        pytest.param({"generation_id": None, "payload": "OTHER"}, "Done", id="another order"),
        pytest.param({"generation_id": None, "payload": "OURS", "feature_name": "try_on"}, "uwear_unclear", id="ours"),
        pytest.param({"payload": "no JSON", "feature_name": "upscale"}, "uwear_unclear", id="may be ours"),
    ],
)
def test_a_row_that_can_t_be_read_counts_only_where_it_may_be_ours(
    row: dict[str, Any],
    ends: str,
    vendor: Vendor,
    owner: Person,
    order: Callable[..., Upscale],
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.fail(SUBMIT, webserver.cut, passing=True)
    upscale = step(order())
    payloads = {
        "OURS": json.dumps(vendor.bodies[0]),
        "OTHER": json.dumps({"image_url": "https://shop.example/other.jpg", "model_name": "topaz"}),
    }
    payload = payloads.get(row["payload"], row["payload"])
    listed = {**row, "payload": payload, "status": "Done", "created_at": timezone.now().isoformat()}
    vendor.fail(LIST, as_json({"data": [listed], "max_page": 1}))
    with override_settings(UWEAR_SETTLE_SECONDS=0, UWEAR_TIME_LIMIT=0 if ends != "Done" else 3600):
        follow(upscale)
    assert ends in (upscale.status, upscale.error_code), upscale.error_message
    assert vendor.calls(SUBMIT) == (2 if ends == "Done" else 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_lost_call_settles_no_sooner_than_a_call_may_take() -> None:
    ask = "from config import settings; print(settings.UWEAR_SETTLE_SECONDS)"
    environment = {**os.environ, "SECRET_KEY": "for-tests-only", "UWEAR_READ_TIMEOUT": "300"}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "310"


def test_a_look_counts_from_when_it_began(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    """The list may be long, and the lost call arrive behind the page that was read."""
    vendor.fail(SUBMIT, webserver.cut, passing=True)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        upscale = step(order())

        def arrives_meanwhile(handler: Any) -> None:
            vendor.accept(vendor.bodies[0])
            clock.shift(timedelta(minutes=5))
            as_json({"data": [], "max_page": 1})(handler)

        vendor.fail(LIST, arrives_meanwhile, passing=True)
        assert step(upscale).progress_text == "Asking Uwear whether it has the picture"
        assert follow(upscale).status == "Done"
    assert (vendor.calls(SUBMIT), len(vendor.generations)) == (1, 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_two_lost_calls_are_sent_again_after_the_slots_became_fewer(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    """Each has a slot already, and must not wait for the other's."""
    vendor.fail(SUBMIT, webserver.cut, webserver.cut, passing=True)
    upscales = [step(order()) for _ in range(2)]
    with override_settings(UWEAR_SETTLE_SECONDS=0, UWEAR_CONCURRENCY=1):
        for upscale in upscales:
            assert step(upscale).failures == 1
    for upscale in upscales:
        assert follow(upscale).status == "Done", upscale.error_message
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)
    assert vendor.calls(SUBMIT) == 4


def test_a_link_that_is_sent_again_late_still_works(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    """Orders may be refused for as long as UWEAR_OUTAGE_LIMIT, and the link is still the first one."""
    vendor.fail(SUBMIT, as_json({"detail": "down"}, 503))
    began = timezone.now()
    upscale = step(order())
    vendor.faults.clear()
    fetched = []
    vendor.on_accept = lambda: fetched.append(vendor.bodies[-1]["image_url"])
    with time_machine.travel(began + timedelta(hours=23, minutes=59)):
        assert follow(upscale).status == "Done", upscale.error_message
    with time_machine.travel(began + timedelta(hours=47)):
        assert Client().get(urlsplit(fetched[0]).path).status_code == 200
    with time_machine.travel(began + timedelta(hours=49)):
        assert Client().get(urlsplit(fetched[0]).path).status_code == 410
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_result_that_ran_out_before_it_is_sent_again_is_replaced_by_our_copy(
    vendor: Vendor, owner: Person, done: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    first = done()
    vendor.fail(SUBMIT, webserver.cut, passing=True)
    owner.api("post", "generation-upscale", {"generation_result_id": first.result_id, "model_name": offer.usual().name})
    upscale = step(Upscale.objects.latest("pk"))
    vendor.picture = vendors.picture((120, 100))
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        assert follow(upscale).status == "Done", upscale.error_message
    assert dialects.source_in(vendor.bodies[1]) == {"generation_result_id": first.result_id}
    assert vendor.bodies[2]["image_url"].startswith("https://upscaler.example.com/files/")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_number_that_an_old_upscale_has_is_no_reason_to_post_again(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    """The desk was pointed at another account, whose numbers begin anew."""
    old = follow(order())
    vendor.generations.clear()
    with override_settings(UWEAR_SETTLE_SECONDS=0, UWEAR_TIME_LIMIT=0):
        upscale = follow(order())
    assert old.engine_id == "71"
    assert (upscale.status, upscale.error_code, vendor.calls(SUBMIT)) == ("Error", "uwear_id_taken", 2)
    assert "Tell the admin" in upscale.error_message
    assert owner.balance == 99

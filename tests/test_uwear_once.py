"""A call whose answer was lost is looked for before anything is sent again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import override_settings

from tests import vendor as vendors
from tests import webserver
from tests.conftest import Person
from tests.vendor import FOLLOW, LIST, SUBMIT, Vendor, as_json, follow, prove_nothing_went_wrong, step
from tests.webserver import Answer
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


def test_the_last_try_too_is_looked_for_before_anything_is_refunded(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(SUBMIT, webserver.cut, webserver.cut, webserver.cut, vendors.taken_but(vendor, webserver.cut))
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        upscale = follow(order())
    assert (upscale.status, vendor.calls(SUBMIT), len(vendor.generations)) == ("Done", 4, 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)

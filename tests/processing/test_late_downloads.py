"""A picture that is made and can't be had yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support.vendor import (
    FILE,
    FOLLOW,
    SUBMIT,
    Vendor,
    as_json,
    follow,
    prove_nothing_went_wrong,
    step,
)
from tests.support.webserver import Answer, body
from upscaler.models import Upscale, media_storage


def test_a_dead_link_is_not_waited_for_once_the_4_hours_are_over(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(FILE, body(b"", 410))
    with override_settings(RESULT_LIFETIME=0):
        upscale = follow(order())
    assert (upscale.status, upscale.error_code, upscale.attempt) == ("Error", "uwear_link_dead", 1)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=True)


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
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=True)


def links_to(vendor: Vendor, url: str) -> Answer:
    """The generation is Done, and its picture is at ``url``."""
    result = {"generation_result_id": 1071, "image_url": url, "created_at": timezone.now().isoformat()}
    return as_json({"generation_id": 71, "status": "Done", "generation_results": [result]})


def test_a_long_signed_link_is_followed(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(FOLLOW, links_to(vendor, f"http://{vendor.host}/file/71.png?X-Amz-Security-Token={'x' * 3000}"))
    upscale = follow(order())
    assert upscale.status == "Done", upscale.error_message
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://10.0.0.1/71.png", "gives an address for it that lies inside a private network"),
        ("ftp://shop.example/71.png", "gives an address for it that this desk can’t open"),
        (f"https://shop.example/{'x' * 9000}.png", "gives an address for it that this desk can’t open"),
    ],
)
def test_a_link_that_the_desk_does_not_open_is_not_called_dead(
    url: str,
    words: str,
    vendor: Vendor,
    owner: Person,
    order: Callable[..., Upscale],
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.fail(FOLLOW, links_to(vendor, url))
    upscale = step(order())
    assert (upscale.status, "can’t be downloaded yet" in upscale.progress_text) == ("Ongoing", True)
    with override_settings(RESULT_LIFETIME=0):
        follow(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "uwear_link_unusable")
    assert words in upscale.error_message
    assert "Tell the admin" in upscale.error_message
    prove_nothing_went_wrong(upscale, owner, vendor, caplog, lives=True)


def test_a_picture_that_only_has_to_be_fetched_takes_up_no_slot(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(FILE, body(b"", 500))
    with override_settings(UWEAR_CONCURRENCY=1):
        first, second = step(order()), order()
        step(second)
        assert vendor.calls(SUBMIT) == 2
        assert "can’t be downloaded yet" in first.progress_text
        vendor.faults.clear()
        for upscale in (first, second):
            assert follow(upscale).status == "Done"
            prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_picture_that_is_still_being_made_keeps_its_slot(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.status = "Ongoing"
    with override_settings(UWEAR_CONCURRENCY=1):
        first, second = step(order()), order()
        step(first)
        step(second)
        assert (vendor.calls(SUBMIT), second.progress_text) == (1, "Waiting for its turn at Uwear")
        vendor.status = "Done"
        for upscale in (first, second):
            assert follow(upscale).status == "Done"
            prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_picture_that_the_desk_can_t_store_is_not_given_up_within_a_minute(
    vendor: Vendor,
    owner: Person,
    order: Callable[..., Upscale],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The vendor has done its work and keeps the picture: a full disk here must not cost it."""

    def full(name: str, content: object) -> str:
        raise OSError(28, "No space left on device")

    upscale = order()
    with monkeypatch.context() as broken:
        broken.setattr(media_storage(), "save", full)
        for minutes in (0, 1, 5, 10, 20, 59):
            with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
                assert step(upscale).status == "Ongoing", upscale.error_message
    assert upscale.progress_text == "Waiting: the desk’s storage is full"
    assert follow(upscale).status == "Done"
    assert vendor.calls(SUBMIT) == 1
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)

"""A picture that is made and can't be had yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.vendor import FILE, Vendor, follow, prove_nothing_went_wrong, step
from tests.webserver import body
from upscaler.models import Upscale


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

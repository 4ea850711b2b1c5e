"""SIGKILL at each step between submit and stored result: one posting, one charge, one result."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import vendor as vendors
from tests.support import webserver
from tests.support.concurrency import at_once
from tests.support.vendor import (
    FOLLOW,
    SUBMIT,
    Vendor,
    as_json,
    follow,
    killed,
    prove_nothing_went_wrong,
    step,
)
from tests.support.vendor import pytest_generate_tests as pytest_generate_tests
from upscaler.engines import offer
from upscaler.models import EngineState, Upscale
from upscaler.processing import worker_step

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = {
    # when it dies: before or after which function, how many generations the vendor has then
    "before the hand-over is noted": ("before", "upscaler.processing.handover._take_slot", 0),
    "hand-over noted, nothing sent": ("before", "upscaler.engines.uwear.client.UwearClient.submit", 0),
    "sent and answered, answer not yet read": ("before", "upscaler.engines.uwear.client._read", 1),
    "answered, id not yet stored": ("after", "upscaler.engines.uwear.client.UwearClient.submit", 1),
    "id stored, not yet asked": ("before", "upscaler.engines.uwear.client.UwearClient.generation", 1),
    "Done, nothing downloaded": ("before", "upscaler.fetching.fetch", 1),
    "downloaded, nothing stored": ("after", "upscaler.fetching.fetch", 1),
    "stored, row not yet Done": ("before", "upscaler.processing.lifecycle.finish", 1),
    "row Done": ("after", "upscaler.processing.worker_step._keep", 1),
}


CALL = timedelta(seconds=vendors.CONNECT_TIMEOUT + vendors.READ_TIMEOUT + 1)
"""Longer than any call takes."""


def trap(when: str, where: str) -> Callable[[], None]:
    """Sets SIGKILL before or after a function, in the process that calls it."""

    def arm() -> None:
        parts = where.split(".")
        depth = next(i for i, part in enumerate(parts) if part[0].isupper() or i == len(parts) - 1)
        owner: Any = importlib.import_module(".".join(parts[:depth]))
        for part in parts[depth:-1]:
            owner = getattr(owner, part)
        regular = getattr(owner, parts[-1])

        def deadly(*args: Any, **kwargs: Any) -> Any:
            if when == "after":
                regular(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(owner, parts[-1], deadly)

    return arm


def lease_runs_out(upscale: Upscale) -> None:
    """As if LEASE_SECONDS had passed since its worker died."""
    past = timezone.now() - timedelta(seconds=1)
    Upscale.objects.filter(pk=upscale.pk, lease_until__isnull=False).update(lease_until=past)


@pytest.mark.parametrize("name", STEPS)
def test_a_killed_worker_costs_nothing_and_posts_nothing_twice(
    name: str, vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    when, where, generations = STEPS[name]
    upscale = order()
    assert killed(lambda: worker_step.step(upscale.pk), arm=trap(when, where)), "the trap was not reached"
    assert len(vendor.generations) == generations
    upscale.refresh_from_db()
    assert (upscale.status == "Done") == (name == "row Done")
    lease_runs_out(upscale)
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        if name == "hand-over noted, nothing sent":
            # The call could still be under way: nothing tells when it ended.
            assert step(upscale).progress_text == "Asking Uwear whether it has the picture"
            assert vendor.calls(SUBMIT) == 0
        with time_machine.travel(timezone.now() + CALL):
            follow(upscale)
    assert (upscale.status, len(vendor.generations), vendor.calls(SUBMIT)) == ("Done", 1, 1), upscale.error_message
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_a_worker_killed_at_every_step_in_turn(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    upscale = order()
    with override_settings(UWEAR_SETTLE_SECONDS=0, MAX_FAILURES=20):
        for number, (when, where, _) in enumerate(STEPS.values()):
            lease_runs_out(upscale)
            with time_machine.travel(timezone.now() + number * CALL):
                killed(lambda: step(upscale), arm=trap(when, where))
        with time_machine.travel(timezone.now() + len(STEPS) * CALL):
            lease_runs_out(upscale)
            follow(upscale)
    assert (upscale.status, len(vendor.generations), vendor.calls(SUBMIT)) == ("Done", 1, 1), upscale.error_message
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize(
    ("when", "where"),
    [
        ("before", "upscaler.fetching.fetch"),
        ("after", "upscaler.fetching.fetch"),
        ("after", "upscaler.storage.pictures.NewFiles.store_source"),
        ("before", "upscaler.processing.handover.hand_over"),
    ],
)
def test_a_worker_killed_while_it_fetches_the_source(
    when: str, where: str, vendor: Vendor, owner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    source = {"image_url": f"http://{vendor.host}/shop/source.png", "model_name": offer.usual().name}
    upscale = Upscale.objects.get(pk=owner.api("post", "generation-upscale", source).json()["generation_id"])
    # Two steps: it is fetched in the first, and handed over in the second.
    deaths = (killed(lambda: worker_step.step(upscale.pk), arm=trap(when, where)) for _ in range(2))
    assert any(deaths), "the trap was not reached"
    assert vendor.calls(SUBMIT) == 0
    lease_runs_out(upscale)
    follow(upscale)
    assert upscale.status == "Done", upscale.error_message
    [handed_over] = vendor.bodies
    assert handed_over["image_url"].startswith("https://upscaler.example.com/files/")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize(
    ("when", "where"),
    [
        ("before", "upscaler.processing.handover._after_failed_start"),
        ("after", "upscaler.processing.handover._after_failed_start"),
        ("after", "upscaler.engines.uwear.engine.UwearEngine.find_job"),
        ("after", "upscaler.processing.handover._count_lost_call"),
        ("after", "upscaler.processing.handover._take_slot"),
        ("before", "upscaler.engines.uwear.client.UwearClient.submit"),
        ("after", "upscaler.processing.handover._with_id"),
    ],
)
def test_a_worker_killed_after_a_call_whose_answer_was_lost(
    when: str,
    where: str,
    is_taken: bool,
    vendor: Vendor,
    owner: Person,
    order: Callable[..., Upscale],
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut) if is_taken else webserver.cut, passing=True)
    upscale = order()
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        if not where.endswith("_after_failed_start"):
            step(upscale)
        Upscale.objects.update(not_before=None)
        was_reached = killed(lambda: worker_step.step(upscale.pk), arm=trap(when, where))
        # One that the vendor has is found, and not sent again.
        assert was_reached or is_taken
        lease_runs_out(upscale)
        with time_machine.travel(timezone.now() + CALL):
            follow(upscale)
    assert (upscale.status, len(vendor.generations)) == ("Done", 1), upscale.error_message
    assert vendor.calls(SUBMIT) == (1 if is_taken else 2)
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


def test_no_more_are_in_flight_than_the_setting_says(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.status = "Ongoing"
    upscales = [order() for _ in range(5)]
    waiting = iter(upscales)
    at_once(5, lambda: step(next(waiting)))
    assert len(vendor.generations) == 2, "UWEAR_CONCURRENCY"
    shown = sorted(Upscale.objects.values_list("progress_text", flat=True))
    assert shown == ["", "", *["Waiting for its turn at Uwear"] * 3]
    vendor.status = "Done"
    for _ in range(3):
        for upscale in upscales:
            step(upscale)
    for upscale in upscales:
        assert (upscale.status, upscale.failures) == ("Done", 0)
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)
    assert vendor.calls(SUBMIT) == 5


def test_of_a_vendor_that_is_down_one_call_at_a_time_is_tried(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    vendor.status = "Ongoing"
    upscales = [order() for _ in range(4)]
    with override_settings(UWEAR_CONCURRENCY=4):
        for upscale in upscales:
            step(upscale)
        vendor.fail(FOLLOW, as_json({"detail": "down"}, 503))
        for upscale in upscales:
            step(upscale)
        asked = vendor.calls(FOLLOW)
        Upscale.objects.update(not_before=None)
        waiting = iter(upscales)
        at_once(4, lambda: worker_step.step(next(waiting).pk))
    assert vendor.calls(FOLLOW) == asked, "its pause is not over"
    EngineState.objects.update(retry_at=timezone.now())
    Upscale.objects.update(not_before=None)
    waiting = iter(upscales)
    at_once(4, lambda: worker_step.step(next(waiting).pk))
    assert vendor.calls(FOLLOW) == asked + 1
    vendor.faults.clear()
    vendor.status = "Done"
    for upscale in upscales:
        assert follow(upscale).status == "Done"
        prove_nothing_went_wrong(upscale, owner, vendor, caplog)

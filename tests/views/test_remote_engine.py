"""What people see while the vendor works or is away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import time_machine
from django.test import Client, override_settings
from django.utils import timezone
from django.utils.html import strip_tags

from tests.conftest import Person
from tests.support import webserver
from tests.support.vendor import FOLLOW, LIST, SUBMIT, Vendor, as_json, follow, step
from upscaler.engines import get_engine
from upscaler.models import EngineState, Upscale
from upscaler.processing import circuit_breaker
from upscaler.queue.sweep import sweep


def test_a_banner_says_since_when_the_vendor_is_away(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    words = "Uwear does not answer since"
    upscale = order()
    live = f"/history/live/?id={upscale.pk}"
    vendor.fail(SUBMIT, webserver.cut)
    vendor.fail(LIST, webserver.cut)
    assert words not in owner.client.get("/").content.decode()
    for _ in range(3):
        step(upscale)
    since = timezone.localtime(circuit_breaker.down_since(get_engine("uwear")))
    for page in ("/", "/history/", f"/upscales/{upscale.pk}/", live):
        assert f"{words} {since:%H:%M} UTC; your upscales wait." in strip_tags(owner.client.get(page).content.decode())
    assert "Waiting for Uwear to answer again" in owner.client.get(live).content.decode()
    # Another day is named.
    EngineState.objects.update(failing_since=timezone.now() - timedelta(days=2))
    assert f"{words} {timezone.localtime() - timedelta(days=2):%-d %B %Y}, " in strip_tags(
        owner.client.get("/").content.decode()
    )
    vendor.faults.clear()
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        assert follow(upscale).status == "Done"
    for page in ("/", "/history/", live):
        assert words not in owner.client.get(page).content.decode()


def test_the_banner_goes_without_any_work(vendor: Vendor, owner: Person) -> None:
    past = timezone.now() - timedelta(hours=5)
    for look in (sweep, lambda: Client().get("/readyz")):
        EngineState.objects.update_or_create(
            pk="uwear", defaults={"failures": 3, "failing_since": past, "retry_at": past, "asked_at": None}
        )
        assert "Uwear does not answer since" in owner.client.get("/").content.decode()
        look()
        assert "Uwear does not answer since" not in owner.client.get("/").content.decode()
    sweep()
    assert vendor.calls(LIST) == 2, "one that answers is not asked"


def test_polling_pauses_grow(vendor: Vendor, order: Callable[..., Upscale]) -> None:
    vendor.status = "Ongoing"
    upscale = step(order())
    pauses = []
    for minutes in (0, 1, 10):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=False):
            step(upscale)
            assert upscale.not_before is not None
            pauses.append((upscale.not_before - timezone.now()).total_seconds())
    assert pauses[0] == 2
    assert 14 < pauses[1] < 17
    assert pauses[2] == 30


def test_progress_that_the_vendor_tells_is_shown(vendor: Vendor, order: Callable[..., Upscale]) -> None:
    vendor.fail(FOLLOW, as_json({"generation_id": 71, "status": "Ongoing", "progress": 0.4}))
    assert step(order()).percent == 40


def heading(person: Person, upscale: Upscale) -> str:
    page = person.client.get(f"/upscales/{upscale.pk}/").content.decode()
    return page.partition('class="one-state"')[2].partition(">")[2].partition("</h2>")[0]


def test_the_heading_of_an_upscale_that_waits_does_not_say_that_it_is_enlarged(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    vendor.status = "Ongoing"
    with override_settings(UWEAR_CONCURRENCY=1):
        first, second = order(), order()
        assert heading(owner, first) == "Waiting for its turn"
        step(first)
        step(second)
    assert (heading(owner, first), heading(owner, second)) == ("Enlarging your picture", "Your picture waits")
    assert second.progress_text == "Waiting for its turn at Uwear"
    # The vendor has it, and does not answer.
    vendor.fail(FOLLOW, webserver.cut)
    assert step(first).progress_text == "Waiting for Uwear to answer again"
    assert heading(owner, first) == "Your picture waits"
    live = owner.client.get(f"/history/live/?view=upscale&id={first.pk}").content.decode()
    assert "Your picture waits" in live
    vendor.faults.clear()
    step(first)
    assert heading(owner, first) == "Enlarging your picture"


def test_the_heading_while_no_orders_are_taken(vendor: Vendor, owner: Person, order: Callable[..., Upscale]) -> None:
    for answer in (as_json({}, 429), as_json({}, 503)):
        vendor.fail(SUBMIT, answer)
        assert heading(owner, step(order())) == "Your picture waits"

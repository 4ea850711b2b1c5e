"""A share link in Chromium, from making to end: a member makes and revokes it, an outsider looks and decides."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_main_path import check
from tests.conftest import Person
from tests.processing.test_fidelity_checks import result_of
from upscaler.models import Batch, ReviewDecision, Team, Upscale, media_storage
from upscaler.queue import tasks

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
LOADED = "() => [...document.querySelectorAll('.compare-base')].every((one) => one.complete && one.naturalWidth)"
HEAT = "() => [...document.querySelectorAll('.compare-heat')].some((one) => one.complete && one.naturalWidth)"


@pytest.fixture
def batch(owner: Person, settings: Any, tmp_path: Path) -> Batch:
    """Two checked results that wait for approval, one of which the check doubts."""
    settings.FIDELITY_CHECKS, settings.TILE_CACHE_DIR = True, tmp_path
    Team.objects.update(reviews="everything")
    made = Batch.objects.create(team=owner.team, created_by=owner.user, name="Monday", ordered_at=timezone.now())
    for name in ("coat", "shirt"):
        upscale = result_of(owner, altered=name == "coat")
        for kind in ("before_preview", "after_preview", "source_thumbnail", "result_thumbnail"):
            whole = upscale.source_file if kind.startswith(("before", "source")) else upscale.result_file
            with whole.open("rb") as file:
                path = media_storage().save(f"previews/{name}-{kind}.png", ContentFile(file.read()))
            Upscale.objects.filter(pk=upscale.pk).update(**{kind: path})
        known = {"source_name": f"{name}.jpg", "batch": made, "source_width": 96, "source_height": 80}
        Upscale.objects.filter(pk=upscale.pk).update(**known)
        tasks.check_fidelity.call()
    return made


def share(page: Page, what: str) -> str:
    """Make a link to what the page shows, as a member does; gives its address."""
    page.get_by_role("link", name="Share").click()
    page.get_by_label("What is it called?").fill(what)
    page.get_by_label("They may approve and reject").check()
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("heading", name=f"The link “{what}”")).to_be_visible()
    return page.get_by_label("The link", exact=True).input_value()


@pytest.mark.parametrize(("kind", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_a_link_is_made_used_and_revoked(
    owner: Person, batch: Batch, live_server: Any, open_page: Callable[..., Page], kind: str, scheme: str
) -> None:
    size = {**(PHONE if kind == "phone" else DESKTOP), "color_scheme": scheme}
    coat, shirt = batch.upscales.order_by("pk")
    member = open_page(**size)
    cookie = owner.client.cookies["sessionid"]
    member.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    member.goto(f"{live_server.url}/upscales/{coat.pk}/")
    alone = share(member, "The coat")
    check(member)
    shoot(member, f"made-{kind}")
    member.goto(f"{live_server.url}/batches/{batch.pk}/compare/")
    address = share(member, "Spring, for Ann")

    guest = open_page(expected="status of (410|422)", **size)
    guest.goto(alone)
    expect(guest.locator(".compare.live")).to_be_visible()
    guest.goto(address)
    expect(guest.get_by_role("heading", name="Spring, for Ann")).to_be_visible()
    expect(guest.get_by_text("To decide")).to_have_count(2)
    check(guest)
    shoot(guest, f"batch-{kind}")
    guest.get_by_role("link", name="coat.jpg").click()
    expect(guest.locator(".compare.live")).to_be_visible()
    guest.wait_for_function(LOADED)
    expect(guest.get_by_text("Look at colour")).to_be_visible()
    slider = guest.get_by_test_id("slider")
    slider.focus()
    guest.keyboard.press("ArrowRight")
    expect(slider).to_have_value("52")
    guest.get_by_role("button", name="What changed").click()
    guest.wait_for_function(HEAT)
    guest.locator(".fidelity-places summary").click()
    expect(guest.get_by_text(re.compile("another colour, Delta E"))).to_be_visible()
    check(guest)
    shoot(guest, f"comparison-{kind}")

    guest.get_by_label("Your name").fill("Ann Lee")
    guest.get_by_label("A note, if you like").fill("The patch is red")
    guest.get_by_role("button", name="Reject").click()
    expect(guest.get_by_text("This picture is rejected.")).to_be_visible()
    shoot(guest, f"rejected-{kind}")
    guest.get_by_role("link", name="Go on with the next one").click()
    expect(guest.get_by_role("heading", name="shirt.jpg")).to_be_visible()
    expect(guest.get_by_label("Your name")).to_have_value("Ann Lee")
    expect(guest.get_by_text("Faithful", exact=True)).to_be_visible()
    guest.get_by_role("button", name="Approve").click()
    expect(guest.get_by_text("This picture is approved.")).to_be_visible()
    check(guest)
    assert guest.context.cookies() == []

    assert [(made.upscale_id, made.kind, made.note) for made in ReviewDecision.objects.order_by("pk")] == [
        (coat.pk, "rejected", "The patch is red"),
        (shirt.pk, "approved", ""),
    ]
    member.goto(f"{live_server.url}/upscales/{coat.pk}/")
    expect(member.locator("#review")).to_contain_text("Rejected by Ann Lee, “Spring, for Ann” (by a shared link)")
    expect(member.locator("#review")).to_contain_text("The patch is red")
    member.goto(f"{live_server.url}/share-links/")
    check(member)
    shoot(member, f"list-{kind}")
    member.get_by_role("link", name="Revoke Spring, for Ann").click()
    check(member)
    member.get_by_role("button", name="Revoke the link").click()
    expect(member.get_by_text("“Spring, for Ann” is revoked.")).to_be_visible()

    guest.get_by_role("link", name="Previous").click()
    expect(guest.get_by_text("This link has ended. Ask who sent it for a new one.")).to_be_visible()
    check(guest)
    shoot(guest, f"ended-{kind}")


def shoot(page: Page, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)

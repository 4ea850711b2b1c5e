"""The verdict and the doubted places in a real browser: what people see, on a desktop and on a telephone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_main_path import check
from tests.conftest import Person
from tests.processing.test_fidelity_checks import result_of
from upscaler.models import Upscale
from upscaler.queue import tasks

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
LOADED = "() => [...document.querySelectorAll('.fidelity-pair img')].every((one) => one.complete && one.naturalWidth)"


@pytest.mark.parametrize(("kind", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_a_doubted_result_is_looked_at(
    owner: Person,
    live_server: Any,
    open_page: Callable[..., Page],
    settings: Any,
    tmp_path: Path,
    kind: str,
    scheme: str,
) -> None:
    settings.FIDELITY_CHECKS, settings.TILE_CACHE_DIR = True, tmp_path
    upscale = result_of(owner, altered=True)
    Upscale.objects.filter(pk=upscale.pk).update(source_width=96, source_height=80)
    tasks.check_fidelity.call()
    page = open_page(**{**(PHONE if kind == "phone" else DESKTOP), "color_scheme": scheme})
    cookie = owner.client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page.goto(f"{live_server.url}/history/")
    expect(page.locator(".verdict.look")).to_be_visible()
    check(page)
    shoot(page, f"history-{kind}")
    page.goto(f"{live_server.url}/history/?layout=list&verdict=look")
    expect(page.locator(".verdict.look")).to_be_visible()
    check(page)
    shoot(page, f"list-{kind}")
    page.goto(f"{live_server.url}/upscales/{upscale.pk}/")
    page.locator(".fidelity-places summary").click()
    page.locator(".fidelity-pair").first.scroll_into_view_if_needed()
    page.wait_for_function(LOADED)
    page.locator(".technical summary").click()
    expect(page.get_by_text("Colour, Delta E", exact=True)).to_be_visible()
    check(page)
    shoot(page, f"one-{kind}")
    Upscale.objects.filter(pk=upscale.pk).update(source_width=48, source_height=40)


def shoot(page: Page, name: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)

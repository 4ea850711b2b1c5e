"""The second factor in a real browser, and what the browser still has after signing out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django_otp.oath import totp
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.intake import order, settled
from tests.browser.test_main_path import PASSWORD, drop, finished, sign_in
from tests.browser.test_tokens_and_offers import unknown_picture
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]


def clean(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, "nothing sticks out at the side"


@pytest.mark.parametrize(
    "look",
    [DESKTOP, {**PHONE, "java_script_enabled": True}, {**PHONE, "color_scheme": "dark"}],
    ids=["wide", "phone", "dark"],
)
def test_the_second_factor_from_setting_up_to_turning_off(
    desk: Desk, open_page: Callable[..., Page], look: dict[str, Any]
) -> None:
    page = open_page(**look)
    sign_in(page, desk)
    page.goto(f"{desk.url}/accounts/password/")
    clean(page)
    page.get_by_role("link", name="Set it up").click()
    expect(page.get_by_role("heading", name="Turn it on")).to_be_visible()
    clean(page)
    picture = page.locator(".qr-box svg")
    box = picture.bounding_box()
    assert box and box["width"] > 180 and abs(box["width"] - box["height"]) < 2
    key = base64.b32decode(page.locator(".qr-key code").inner_text().replace(" ", ""))
    page.get_by_label("Code").fill(f"{totp(key):06}")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="The second factor is on. Your recovery codes")).to_be_visible()
    clean(page)
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10

    page.context.clear_cookies()
    page.goto(f"{desk.url}/accounts/login/")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{desk.url}/accounts/login/code/")
    expect(page.get_by_label("Code")).to_be_focused()
    clean(page)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{desk.url}/")
    page.goto(f"{desk.url}/accounts/second-factor/")
    expect(page.get_by_text("9 recovery codes are left")).to_be_visible()
    clean(page)
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Code").fill(codes[1])
    page.get_by_role("button", name="Turn it off").click()
    expect(page.get_by_text("The second factor is off.")).to_be_visible()


def test_pictures_come_from_the_browser_until_signing_out(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    drop(page, ("shirt.jpg", unknown_picture()))
    settled(page, 1)
    order(page, desk)
    number = page.locator("[data-upscale-id]").first.get_attribute("data-upscale-id")
    finished(page, f'[data-upscale-id="{number}"]')
    address = f"{desk.url}/upscales/{number}/"

    def kind() -> str:
        """What the browser has for the picture's address, from its cache if it is there, however old."""
        fetched = "async (address) => (await fetch(address, {cache: 'force-cache'})).headers.get('content-type')"
        return str(page.evaluate(fetched, f"{address}after/"))

    def transferred() -> list[int]:
        """Bytes that came over the line for each of the slider's pictures."""
        pictures = "performance.getEntriesByType('resource').filter(({name}) => /(after|before)\\/$/.test(name))"
        return list(page.evaluate(f"{pictures}.map(({{transferSize}}) => transferSize)"))

    page.goto(address)
    expect(page.get_by_test_id("slider")).to_be_visible()
    assert all(transferred()) and len(transferred()) == 2
    page.goto(f"{desk.url}/history/")
    page.goto(address)
    expect(page.get_by_test_id("slider")).to_be_visible()
    assert transferred() == [0, 0], "the desk is not asked again"
    assert kind().startswith("image/")
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{desk.url}/accounts/login/")
    assert kind().startswith("text/html"), "the sign-in page"

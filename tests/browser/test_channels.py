"""Saying where pictures go, on the page: what the shops can have of each, what it costs, and their files in the end."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.intake import choose, order, row, settled
from tests.browser.test_main_path import balance, check, sign_in
from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

META = "Meta (Facebook and Instagram)"


def test_from_the_shop_s_tick_to_its_files(desk: Desk, open_page: Callable[..., Page]) -> None:
    desk.manage("grant_credits", "--team", "demo", "--note", "For shops", "5")
    page = open_page()
    sign_in(page, desk, desk.new_member())
    before = balance(page)
    sizes = {"large.jpg": (520, 500), "small.jpg": (130, 120), "tiny.jpg": (40, 36)}
    choose(page, *((name, pictures.jpeg(size, "coffee") + b"for shops") for name, size in sizes.items()))
    settled(page, 3)
    expect(page.locator("#cost")).to_contain_text("3 pictures × 1 credit = 3 credits")

    page.get_by_text("Where does it go?").first.click()
    page.get_by_label("Amazon (main picture)").check()
    page.get_by_label(META).check()
    settled(page, 3)
    expect(page.locator("#unnamed summary")).to_have_text("3 files for shops will have their pictures’ own names")
    page.get_by_label("Amazon (main picture)").uncheck()
    expect(page.locator("#unnamed")).to_be_hidden()
    settled(page, 3)
    expect(row(page, "large.jpg")).to_contain_text(f"Large enough already, only fitted: {META}.")
    expect(row(page, "small.jpg")).to_contain_text(f"Enough at 4x: {META}.")
    expect(row(page, "tiny.jpg")).to_contain_text(f"Too small even at 4x: {META}.")
    expect(page.locator("#cost")).to_contain_text("2 pictures × 1 credit = 2 credits")
    expect(page.locator("#cost")).to_contain_text("2 will be sent, 1 is large enough, only fitted.")
    expect(page.get_by_test_id("submit")).to_have_text("Enlarge 2 pictures, fit 1")
    check(page)

    page.get_by_role("button", name="Enlarge all the same: large.jpg").click()
    expect(page.get_by_test_id("submit")).to_have_text("Enlarge 3 pictures")
    page.get_by_role("button", name="Only fit, free: large.jpg").click()
    expect(page.get_by_test_id("submit")).to_have_text("Enlarge 2 pictures, fit 1")
    # Who begins to choose shops has the factor follow them, and may choose another.
    page.get_by_label("Topaz").check()
    expect(page.get_by_label("As needed")).to_be_checked()
    expect(row(page, "small.jpg")).to_contain_text("Enough at 4x")
    page.get_by_label("2x").check()
    expect(row(page, "small.jpg")).to_contain_text("Too small at 2x")
    page.get_by_label("Recraft").check()
    settled(page, 3)

    number = order(page, desk)
    expect(page.get_by_text(f"For {META}.")).to_be_visible()
    expect(page.locator("#channels")).to_contain_text("2 of 3 right, 1 the shop may refuse", timeout=120_000)
    check(page)
    assert balance(page) == before - 2
    expect(page.locator(f'[href*="batch={number}"]').first).to_be_visible()

    # What somebody chose last is what the page begins with.
    page.goto(f"{desk.url}/")
    expect(page.get_by_label(META)).to_be_checked()
    page.get_by_label(META).uncheck()
    choose(page, ("more.jpg", pictures.jpeg((40, 36), "chelsea") + b"for shops"))
    settled(page, 1)
    order(page, desk)
    page.goto(f"{desk.url}/")
    expect(page.get_by_text(re.compile("^Where does it go")).first).to_be_visible()
    expect(page.get_by_label(META)).not_to_be_checked()

"""The history at work, in a browser: found, ticked with Shift, archived and deleted, by keyboard and on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.intake import order, settled
from tests.browser.test_main_path import drop, finished, sign_in
from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

# The pages are the same on either queue: one of them is enough.
pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]


def newest(page: Page, count: int) -> list[str]:
    rows = page.locator("[data-upscale-id]")
    return [str(rows.nth(index).get_attribute("data-upscale-id")) for index in range(count)]


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_find_tick_and_delete(desk: Desk, open_page: Callable[..., Page], options: dict[str, object]) -> None:
    page = open_page(**options)
    sign_in(page, desk)
    width = 61 if options else 62
    drop(page, *((f"zebra-{number}.jpg", pictures.jpeg((width, 40 + number))) for number in range(4)))
    settled(page, 4)
    order(page, desk)
    page.goto(f"{desk.url}/history/")
    numbers = newest(page, 4)
    page.locator(f'[data-upscale-id="{numbers[0]}"] [name=chosen]').check()
    for number in numbers:
        finished(page, f'[data-upscale-id="{number}"]')
    # It was swapped for what it has become, and stayed ticked.
    expect(page.locator(f'[data-upscale-id="{numbers[0]}"] [name=chosen]')).to_be_checked()
    expect(page.locator("#selected-said")).to_have_text("1 selected")

    search = page.get_by_role("searchbox")
    search.fill("ZÉBRA")
    search.press("Enter")
    expect(page).to_have_url(f"{desk.url}/history/?q=Z%C3%89BRA")
    boxes = page.locator("#history [name=chosen]")
    expect(boxes).to_have_count(4)
    boxes.first.focus()
    page.keyboard.press("Space")
    boxes.nth(2).focus()
    page.keyboard.press("Shift+Space")
    expect(page.locator("#selected-said")).to_have_text("3 selected")
    page.get_by_role("link", name="List").click()
    expect(page).to_have_url(f"{desk.url}/history/?q=Z%C3%89BRA&layout=list")
    boxes.first.check()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("#selected-said")).to_have_text("4 selected")
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    with page.expect_download() as caught:
        page.get_by_role("button", name="Download", exact=True).click()
    assert caught.value.suggested_filename.endswith(".zip")

    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("4 pictures are in the archive now.")).to_be_visible()
    expect(page.get_by_text("Nothing matches “ZÉBRA”")).to_be_visible()
    page.goto(f"{desk.url}/history/?q=zebra&archive=only")
    expect(boxes).to_have_count(4)
    boxes.first.check()
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete 4 pictures for good?")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Delete 4 pictures").click()
    expect(page.get_by_text("4 pictures are deleted for good.")).to_be_visible()
    expect(page).to_have_url(f"{desk.url}/history/?q=zebra&archive=only")
    assert page.request.get(f"{desk.url}/upscales/{numbers[0]}/result/").status == 410


def test_a_changed_filter_applies_at_once(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    page.goto(f"{desk.url}/history/?status=Error&q=nothing-like-it")
    page.get_by_label("Status").select_option("Done")
    expect(page).to_have_url(f"{desk.url}/history/?q=nothing-like-it&status=Done")
    page.get_by_text("More filters").click()
    page.get_by_label("From").fill("2026-01-31")
    page.get_by_label("To", exact=True).focus()
    expect(page).to_have_url(f"{desk.url}/history/?q=nothing-like-it&status=Done&from=2026-01-31")
    assert Axe().run(page).response["violations"] == []

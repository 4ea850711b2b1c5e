"""Names of files as Chromium sends, shows and saves them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.intake import choose, order, rows, settled
from tests.browser.test_main_path import balance, finished, sign_in
from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

NAMES = {
    # What is chosen, and what Chromium saves the result as: it keeps quotes and joiners out of file names itself.
    "Screenshot at 1.23.45\u202fPM & “l'été” Größe 38.jpg": "Screenshot at 1.23.45\u202fPM & “l'été” Größe 38.jpg",
    '👩\u200d👧 3" 100%25; a=b SKU-12.5.jpg': "👩_👧 3_ 100%25; a=b SKU-12.5.jpg",
    "連" * 80 + "\u202e.jpg": "連" * 80 + ".jpg",
}


def picture(number: int) -> bytes:
    """One that no other test sends."""
    return pictures.jpeg((40 + number, 31)) + b"names"


def test_names_come_through_the_page_whole(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    choose(page, *((name, picture(number)) for number, name in enumerate(NAMES)))
    settled(page, len(NAMES))
    order(page, desk)
    ordered = page.locator("[data-upscale-id]")
    expect(ordered).to_have_count(len(NAMES))
    numbers = [ordered.nth(index).get_attribute("data-upscale-id") for index in range(len(NAMES))]
    found = {}
    for number in numbers:
        finished(page, f'[data-upscale-id="{number}"]')
        shown = page.locator(f'[data-upscale-id="{number}"]').get_attribute("data-name")
        with page.expect_download() as caught:
            page.locator(f'[data-upscale-id="{number}"] a[download]').click()
        found[shown] = caught.value.suggested_filename
    assert found == {given.replace("\u202e", ""): saved for given, saved in NAMES.items()}


def test_files_of_one_name_are_told_apart(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    choose(page, ("front.jpg", picture(11)))
    settled(page, 1)
    order(page, desk)

    page.goto(desk.url)
    before = balance(page)
    choose(page, ("front.jpg", picture(11)), ("front.jpg", picture(12)), ("front.jpg", b"no picture"))
    settled(page, 3)
    states = {rows(page).nth(index).get_attribute("data-state") for index in range(3)}
    assert states == {"made", "ready", "unreadable"}
    expect(page.locator("#cost")).to_contain_text("1 will be sent, 1 can’t be read, 1 is made already, free.")
    order(page, desk)
    expect(page.locator("[data-upscale-id]")).to_have_count(1)
    assert balance(page) == before - 1

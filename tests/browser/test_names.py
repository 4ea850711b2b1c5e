"""Names of files as Chromium sends, shows and saves them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_main_path import finished, sign_in
from tests.support import pictures
from tests.support.live_server import Desk

pytestmark = pytest.mark.processes

NAMES = {
    # What is chosen, and what Chromium saves the result as: it keeps quotes and joiners out of file names itself.
    "Screenshot at 1.23.45\u202fPM & “l'été” Größe 38.jpg": "Screenshot at 1.23.45\u202fPM & “l'été” Größe 38.jpg",
    '👩\u200d👧 3" 100%25; a=b SKU-12.5.jpg': "👩_👧 3_ 100%25; a=b SKU-12.5.jpg",
    "連" * 80 + "\u202e.jpg": "連" * 80 + ".jpg",
}


def picture(number: int) -> bytes:
    """One that no other test sends."""
    return pictures.jpeg((40 + number, 31)) + b"names"


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    chosen = [{"name": name, "mimeType": "image/jpeg", "buffer": content} for name, content in files]
    page.locator('input[name="image"]').set_input_files(chosen)


def test_names_come_through_the_page_whole(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    choose(page, *((name, picture(number)) for number, name in enumerate(NAMES)))
    expect(page.locator(".file")).to_have_count(len(NAMES))
    page.get_by_test_id("submit").click()
    expect(page).to_have_url(f"{desk.url}/history/")
    rows = page.locator("[data-upscale-id]")
    numbers = [rows.nth(index).get_attribute("data-upscale-id") for index in range(len(NAMES))]
    for number, (given, saved) in zip(reversed(numbers), NAMES.items(), strict=True):
        finished(page, f'[data-upscale-id="{number}"]')
        shown = page.locator(f'[data-upscale-id="{number}"]').get_attribute("data-name")
        assert shown == given.replace("\u202e", "")
        with page.expect_download() as caught:
            page.locator(f'[data-upscale-id="{number}"] .card-download').click()
        assert caught.value.suggested_filename == saved


def test_files_of_one_name_are_told_apart(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    choose(page, ("front.jpg", picture(11)))
    page.get_by_test_id("submit").click()
    expect(page).to_have_url(f"{desk.url}/history/")

    page.goto(desk.url)
    choose(page, ("front.jpg", picture(11)), ("front.jpg", picture(12)), ("front.jpg", b"no picture"))
    expect(page.locator(".file")).to_have_count(3)
    ids = page.locator(".file [name=file_id]")
    first, second, third = (ids.nth(index).input_value() for index in range(3))
    page.get_by_test_id("submit").click()
    expect(page.locator("#problems")).to_contain_text("1 picture is on its way; 1 was not sent")
    expect(page.locator("#problems")).to_contain_text("is not a picture that we can read")
    left = [ids.nth(index).input_value() for index in range(ids.count())]
    assert left == [first, third], "the second went, and no other"
    page.get_by_role("button", name="Order anew for 1 credit").click()
    expect(page.locator(f'.file [value="{first}"]')).to_have_count(0)
    expect(page.locator(f'.file [value="{third}"]')).to_have_count(1)
    assert second not in left

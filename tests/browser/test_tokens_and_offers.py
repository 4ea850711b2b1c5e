"""A token made and copied, and a picture that the team has had done, in a real browser."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.intake import order, row, settled
from tests.browser.test_main_path import PASSWORD, balance, drop, finished, sign_in
from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]


def unknown_picture(name: str = "astronaut") -> bytes:
    """One that this desk has not seen before."""
    return pictures.jpeg((48, 40), name) + random.randbytes(16)


def test_a_token_is_made_copied_and_revoked(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    sign_in(page, desk)
    page.goto(f"{desk.url}/tokens/")
    page.get_by_label("What is it for?").fill("Season import")
    expect(page.get_by_label("Last day")).to_be_hidden()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make the token").click()
    token = page.get_by_label("The token").input_value()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    assert desk.api("get", "credits", token).status_code == 200
    page.reload()
    expect(page.get_by_role("heading", name="Make a token")).to_be_visible()
    assert token not in page.content()
    row = page.locator("[data-token]", has_text="Season import").first
    row.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(page.get_by_text("is revoked. Programs")).to_be_visible()
    assert desk.api("get", "credits", token).status_code == 401


def test_what_the_team_has_is_free_and_made_anew_where_wanted(desk: Desk, open_page: Callable[..., Page]) -> None:
    dress, coat = unknown_picture(), unknown_picture("coffee")
    page = open_page(**PHONE)
    sign_in(page, desk)
    drop(page, ("dress.jpg", dress))
    settled(page, 1)
    order(page, desk)
    number = page.locator("[data-upscale-id]").first.get_attribute("data-upscale-id")
    finished(page, f'[data-upscale-id="{number}"]')

    page.goto(desk.url)
    before = balance(page)
    drop(page, ("again.jpg", dress), ("coat.jpg", coat))
    settled(page, 2)
    expect(page.locator("#cost")).to_contain_text("1 will be sent, 1 is made already, free.")
    expect(row(page, "again.jpg")).to_contain_text("Made by demo")
    free = page.get_by_role("link", name="Use that one, free: again.jpg")
    expect(free).to_have_attribute("href", f"/upscales/{number}/")

    page.get_by_role("button", name="Make anew: again.jpg").click()
    expect(row(page, "again.jpg")).to_contain_text("Will be made anew")
    expect(page.get_by_test_id("submit")).to_have_text("Enlarge 2 pictures")
    order(page, desk)
    expect(page.locator("[data-upscale-id]")).to_have_count(2)
    assert balance(page) == before - 2


def test_a_double_click_without_javascript_is_no_second_order(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, desk)
    before = balance(page)
    file = {"name": "plain.jpg", "mimeType": "image/jpeg", "buffer": unknown_picture()}
    for _ in range(2):
        page.goto(desk.url)
        page.locator('input[name="image"]').set_input_files(file)
        page.get_by_test_id("submit").click()
    expect(page.get_by_role("heading", name="Your team has ordered this picture before")).to_be_visible()
    assert balance(page) == before - 1
    page.get_by_role("button", name="Order anew for 1 credit").click()
    expect(page).to_have_url(re.compile("/batches/"))
    assert balance(page) == before - 2

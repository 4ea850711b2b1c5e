"""What is pasted and dragged on to the submit page, in a real browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PHONE
from tests.browser.intake import PASTE, row, settled
from tests.browser.test_intake import FILES
from tests.browser.test_main_path import DROP, sign_in
from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

ADDRESSES = re.compile(r"/drafts/\d+/addresses/$")
ORDERS = re.compile(r"/drafts/\d+/order/$")

# The pages are the same on either queue: one of them is enough.
pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]


def test_what_is_pasted_is_taken_for_what_it_is(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    image = base64.b64encode(pictures.encoded(pictures.photograph("coffee", (41, 33)), "PNG")).decode()

    page.wait_for_load_state()
    addresses = page.get_by_label("Addresses of pictures, one per line")
    addresses.focus()
    # A cell that was copied in a spreadsheet brings its text and a picture of it.
    assert page.evaluate(PASTE, ["SKU-1", image]) is True
    expect(page.locator("#chosen")).to_be_hidden()

    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    assert page.evaluate(PASTE, ["see https://shop.example/a.jpg and\nhttps://shop.example/b.jpg.", image]) is False
    expect(addresses).to_have_value("https://shop.example/a.jpg\nhttps://shop.example/b.jpg")
    expect(addresses).to_be_focused()
    page.get_by_role("button", name="Add", exact=True).click()
    settled(page, 2)
    expect(addresses).to_have_value("")

    page.evaluate("document.activeElement.blur()")
    assert page.evaluate(PASTE, ["", image]) is False
    settled(page, 3)
    expect(row(page, "Pasted picture 1.png")).to_be_visible()
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_a_desk_that_does_not_answer_is_not_waited_for_in_silence(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    page.wait_for_load_state()
    page.clock.install()
    held: list[Route] = []
    page.route(ADDRESSES, lambda route: held.append(route))
    addresses, add = page.get_by_label("Addresses of pictures, one per line"), page.locator("#add-addresses")
    addresses.fill("https://shop.example/slow.jpg")
    with page.expect_request(ADDRESSES):
        add.click()
    expect(add).to_have_text("Adding…")
    page.clock.fast_forward(121_000)
    expect(page.get_by_text("The desk has not answered for two minutes.")).to_be_visible()
    expect(add).to_have_text("Add")
    expect(addresses).to_have_value("https://shop.example/slow.jpg")

    page.unroute(ADDRESSES)
    add.click()
    page.clock.resume()
    settled(page, 1)
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_an_order_whose_answer_never_comes_is_not_sent_twice(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page("status of 409")
    sign_in(page, desk)
    page.get_by_label("Addresses of pictures, one per line").fill("https://shop.example/late.jpg")
    page.locator("#add-addresses").click()
    settled(page, 1)
    page.clock.install()
    held: list[Route] = []
    page.route(ORDERS, lambda route: held.append(route))
    with page.expect_request(ORDERS):
        page.locator("#send").click()
    while not held:
        page.wait_for_timeout(20)
    assert held[0].fetch().status == 200
    page.clock.fast_forward(121_000)
    page.clock.resume()
    expect(page.locator("#problems")).to_contain_text("you find it in the history")
    expect(page.locator("#chosen")).to_be_hidden()
    assert len(held) == 1


def test_a_picture_is_dragged_from_another_page(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    page.wait_for_load_state()
    page.evaluate("""() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.setData("text/uri-list", "https://shop.example/product");
      dataTransfer.setData("text/html", '<a href="/product"><img src="https://shop.example/dragged.jpg"></a>');
      for (const kind of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }));
      }
    }""")
    settled(page, 1)
    expect(row(page, "dragged.jpg")).to_contain_text("From the web")
    page.get_by_role("button", name="Remove dragged.jpg").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_what_can_t_be_a_picture_is_said_before_it_is_sent(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page(**PHONE)
    sign_in(page, desk)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if FILES.search(request.url) else None)
    page.wait_for_load_state()
    text = base64.b64encode(b"words").decode()
    page.evaluate(DROP, [[["notes.txt", "text/plain", text], ["Thumbs.db", "", text]], "[data-well]"])
    expect(row(page, "notes.txt")).to_contain_text("Can’t be read")
    expect(row(page, "notes.txt")).to_contain_text("It reads JPEG")
    expect(page.get_by_text("1 thing was left out")).to_be_visible()
    assert sent == []
    expect(page.get_by_test_id("submit")).to_be_disabled()

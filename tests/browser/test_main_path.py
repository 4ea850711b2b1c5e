"""The main job as a merchandiser does it, in a real browser, on both queues."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.intake import order, row, rows, settled
from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = pytest.mark.processes

PASSWORD = "upscale-demo"
DROP = """async ([files, selector]) => {
  const transfer = new DataTransfer();
  for (const [name, type, base64] of files) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  const target = document.querySelector(selector);
  for (const kind of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  }
}"""


def sign_in(page: Page, desk: Desk, user: str = "demo") -> None:
    page.goto(f"{desk.url}/accounts/login/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{desk.url}/")


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    """Drop files on the page as a person does from a folder."""
    page.wait_for_load_state()
    content = [[name, "image/jpeg", base64.b64encode(data).decode()] for name, data in files]
    page.evaluate(DROP, [content, "[data-well]"])


def balance(page: Page) -> int:
    return int(page.locator("#balance").get_attribute("data-balance") or "")


def finished(page: Page, row: str) -> None:
    expect(page.locator(row)).to_have_attribute("data-status", "Done", timeout=120_000)


def test_the_main_path(desk: Desk, open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page()
    sign_in(page, desk)
    before = balance(page)

    drop(page, ("red dress.jpg", pictures.jpeg((64, 48))), ("blue-coat.jpg", pictures.jpeg((50, 70), "coffee")))
    settled(page, 2)
    expect(page.get_by_text("red dress.jpg")).to_be_visible()
    expect(page.get_by_text(f"{before - 2:,} left after this")).to_be_visible()
    order(page, desk)

    page.evaluate("window.notReloaded = true")
    ordered = page.locator("[data-upscale-id]")
    newest = [ordered.nth(i).get_attribute("data-upscale-id") for i in range(2)]
    for pk in newest:
        finished(page, f'[data-upscale-id="{pk}"]')
    assert page.evaluate("window.notReloaded") is True
    assert balance(page) == before - 2

    page.get_by_role("link", name="red dress.jpg").first.click()
    expect(page.get_by_text("Your picture is ready")).to_be_visible()
    slider = page.get_by_test_id("slider")
    shown = [page.screenshot()]
    slider.focus()
    slider.press("Home")
    shown.append(page.screenshot())
    slider.press("End")
    shown.append(page.screenshot())
    assert len(set(shown)) == 3, "the slider moves what is seen"

    with page.expect_download() as caught:
        page.get_by_test_id("download").click()
    assert caught.value.suggested_filename == "red dress.jpg"
    caught.value.save_as(tmp_path / "result.jpg")
    with Image.open(tmp_path / "result.jpg") as result, Image.open(io.BytesIO(pictures.jpeg((64, 48)))) as source:
        assert result.size == (256, 192)
        shrunk = np.asarray(result.resize(source.size, Image.Resampling.BOX), float)
        assert np.abs(shrunk - np.asarray(source, float)).mean() < 8, "it is the same picture"


def test_a_colleague_sees_it_too_and_a_failure_can_be_tried_again(desk: Desk, open_page: Callable[..., Page]) -> None:
    token = desk.token()
    before = desk.balance(token)
    address = f"{desk.url}/static/favicon.svg"
    body = {"image_url": address, "model_name": "topaz"}
    number = desk.api("post", "generation-upscale", token, json=body).json()["generation_id"]

    page = open_page()
    sign_in(page, desk, "demo-admin")
    page.goto(f"{desk.url}/history/")
    row = page.locator(f'[data-upscale-id="{number}"]')
    expect(row).to_have_attribute("data-status", "Error", timeout=60_000)
    expect(row).to_contain_text("is an SVG, a drawing made of lines, not a picture made of pixels")
    assert balance(page) == before
    row.get_by_role("button", name=re.compile("Try again")).click()
    expect(page).to_have_url(re.compile(rf"/upscales/{number + 1}/"))


@ON_ONE_QUEUE
def test_settings_show_for_topaz_alone_and_the_cost_follows(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    before = balance(page)
    factor = page.get_by_role("radio", name="6x")
    expect(factor).to_be_hidden()
    page.get_by_role("radio", name=re.compile("Topaz")).check()
    expect(factor).to_be_visible()
    drop(page, ("look.jpg", pictures.jpeg((66, 48))))
    settled(page, 1)
    expect(page.get_by_text(f"{before - 3:,} left after this")).to_be_visible()
    factor.check()
    expect(row(page, "look.jpg")).to_contain_text(re.compile(r"396\s*×\s*288"))
    page.get_by_role("radio", name=re.compile("Recraft")).check()
    expect(factor).to_be_hidden()
    expect(page.get_by_text(f"{before - 1:,} left after this")).to_be_visible()
    expect(row(page, "look.jpg")).to_contain_text(re.compile(r"264\s*×\s*192"))
    clear(page)


@ON_ONE_QUEUE
def test_a_bad_picture_stops_no_other(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    before = balance(page)
    drop(page, ("good.jpg", pictures.jpeg((49, 40))), ("bad.jpg", b"This is no picture at all"))
    settled(page, 2)
    expect(row(page, "bad.jpg")).to_contain_text("is not a picture that we can read")
    expect(page.locator("#cost")).to_contain_text("1 will be sent, 1 can’t be read.")
    order(page, desk)
    expect(page.locator("[data-upscale-id]")).to_have_count(1)
    expect(page.locator("#balance")).to_have_attribute("data-balance", str(before - 1))


@ON_ONE_QUEUE
def test_a_result_to_enlarge_further_is_in_sight(desk: Desk, open_page: Callable[..., Page]) -> None:
    token = desk.token()
    number = desk.submit(token, pictures.jpeg(), model_name="recraft")
    desk.wait_for(token, number, "Done")
    page = open_page(**PHONE)
    sign_in(page, desk)
    page.goto(f"{desk.url}/upscales/{number}/")
    page.get_by_role("link", name="Enlarge this result further").click()
    expect(page).to_have_url(f"{desk.url}/")
    settled(page, 1)
    expect(rows(page).first).to_be_in_viewport()
    page.reload()
    settled(page, 1)
    clear(page)


@ON_ONE_QUEUE
def test_the_history_asks_only_while_somebody_looks(desk: Desk, open_page: Callable[..., Page]) -> None:
    asked: list[str] = []
    page = open_page()
    page.on("request", lambda request: asked.append(request.url) if "/history/live/" in request.url else None)
    page.add_init_script("""
        window.looking = true;
        Object.defineProperty(document, "visibilityState", { get: () => (window.looking ? "visible" : "hidden") });
    """)
    page.clock.install()
    sign_in(page, desk)
    page.goto(f"{desk.url}/history/")
    with page.expect_response(re.compile("/history/live/")):
        page.clock.run_for(30_000)
    page.evaluate("window.looking = false")
    asked.clear()
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate("window.looking = true")
    with page.expect_response(re.compile("/history/live/")):
        page.clock.run_for(30_000)


@ON_ONE_QUEUE
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_api_s_docs_are_a_page_of_the_desk(
    desk: Desk, open_page: Callable[..., Page], device: dict[str, Any], scheme: str
) -> None:
    page = open_page(color_scheme=scheme, **device)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{desk.url}/api/v1/docs")
    check(page)
    assert all(url.startswith((desk.url, "data:")) for url in asked)
    page.locator("#create_upscale").get_by_text("Idempotency-Key", exact=True).first.scroll_into_view_if_needed()
    page.goto(f"{desk.url}/api/v1/docs#error-429")
    expect(page.locator("#error-429")).to_be_in_viewport()


@ON_ONE_QUEUE
def test_it_works_without_javascript(desk: Desk, open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, desk)
    (tmp_path / "plain.jpg").write_bytes(pictures.jpeg((51, 40)))
    page.locator('input[name="image"]').set_input_files(tmp_path / "plain.jpg")
    order(page, desk)
    expect(page.locator("[data-upscale-id]").first).to_contain_text("plain.jpg")


@ON_ONE_QUEUE
def test_the_original_is_enlarged_again_without_javascript(desk: Desk, open_page: Callable[..., Page]) -> None:
    token = desk.token()
    number = desk.submit(token, pictures.jpeg((53, 40)), name="kept.jpg", model_name="recraft")
    desk.wait_for(token, number, "Done")
    page = open_page(java_script_enabled=False)
    sign_in(page, desk)
    page.goto(f"{desk.url}/?source={number}")
    page.get_by_role("radio", name="PNG").check()
    order(page, desk)
    expect(page.locator("[data-upscale-id]").first).to_contain_text("kept.jpg")


@ON_ONE_QUEUE
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_pages_are_accessible_and_fit(
    scheme: str, device: dict[str, Any], desk: Desk, open_page: Callable[..., Page]
) -> None:
    token = desk.token()
    number = desk.submit(token, pictures.jpeg(), name="a-very-long-name-" * 6 + ".jpg", model_name="recraft")
    desk.wait_for(token, number, "Done")
    page = open_page(color_scheme=scheme, **device)
    page.goto(f"{desk.url}/accounts/login/")
    check(page)
    sign_in(page, desk)
    for path in (
        "/",
        f"/?result={number}",
        f"/?source={number}",
        "/history/",
        "/history/?person=0",
        f"/upscales/{number}/",
    ):
        page.goto(desk.url + path)
        page.wait_for_load_state("networkidle")
        check(page)
    page.goto(desk.url)
    clear(page)


def clear(page: Page) -> None:
    """Take all out of the list, which would else be there for the next test."""
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#chosen")).to_be_hidden()


def check(page: Page) -> None:
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
    violations = [
        (violation["id"], [node["html"] for node in violation["nodes"]]) for violation in found.response["violations"]
    ]
    assert violations == [], page.url
    width, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= room, f"{page.url} is {width} px wide in a window of {room}"

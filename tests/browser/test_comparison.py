"""Before and after in a real browser: three ways, both sides together, keys, fingers, and 100 megapixels in tiles."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_main_path import check, sign_in
from tests.support import large_comparison, pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

WHERE = """(name) => {
  const sheet = document.querySelector(`.compare-pane.${name} .compare-sheet`).getBoundingClientRect();
  const pane = document.querySelector(`.compare-pane.${name}`).getBoundingClientRect();
  return [sheet.left - pane.left, sheet.top - pane.top, sheet.width, sheet.height].map((value) => Math.round(value));
}"""
"""Where a side's picture lies in its pane."""
LENSES = """() => [...document.querySelectorAll(".compare-lens .compare-sheet")].map(
  (sheet) => [sheet.style.translate, sheet.style.width])"""
LOADED = """() => {
  const tiles = [...document.querySelectorAll(".compare-pane.after > .compare-sheet .compare-tile")];
  return tiles.length > 0 && tiles.every((tile) => tile.classList.contains("there"));
}"""


@pytest.fixture(scope="module")
def batch(desk: Desk) -> dict[str, int]:
    """A batch of two finished pictures, by their names; ``batch`` is its own number."""
    token = desk.token()
    links = {
        name: desk.api("post", "uploads", token, files={"file": (f"{name}.jpg", pictures.jpeg(size))}).json()
        for name, size in {"coat": (40, 60), "shoes": (60, 40)}.items()
    }
    body = {"model_name": "recraft", "items": [{"image_url": link["image_url"]} for link in links.values()]}
    made = desk.api("post", "batches", token, json=body).json()
    for number in made["generation_ids"]:
        desk.wait_for(token, number, "Done")
    return {"batch": made["batch_id"], **dict(zip(links, made["generation_ids"], strict=True))}


@pytest.fixture(scope="module")
def large(desk: Desk, batch: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """An upscale of 10,000 × 10,000 pixels, and its result's file."""
    return batch["shoes"], large_comparison.put_in(desk, batch["shoes"], tmp_path_factory.mktemp("large"))


def opened(page: Page, desk: Desk, path: str) -> Any:
    sign_in(page, desk)
    page.goto(f"{desk.url}{path}")
    expect(page.locator(".compare.live")).to_be_visible()
    return page.locator(".compare-view")


def middle(page: Page) -> tuple[float, float]:
    box = page.locator(".compare-view").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_both_sides_show_the_same_place_whatever_moves_them(
    desk: Desk, batch: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page(reduced_motion="reduce")
    opened(page, desk, f"/upscales/{batch['coat']}/compare/")
    x, y = middle(page)
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Side by side")).to_have_attribute("aria-pressed", "true")
    page.mouse.move(x / 2, y)
    page.mouse.wheel(0, -600)
    expect(page.locator(".compare.zoomed")).to_be_visible()
    zoomed = page.evaluate(WHERE, "before")
    assert zoomed == page.evaluate(WHERE, "after")
    page.mouse.down()
    page.mouse.move(x / 2 + 50, y + 30, steps=3)
    page.mouse.up()
    moved_by = "(was) => document.querySelector('.compare-pane.before .compare-sheet').getBoundingClientRect().x > was"
    page.wait_for_function(moved_by, arg=zoomed[0] + 40)
    moved = page.evaluate(WHERE, "before")
    assert moved == page.evaluate(WHERE, "after") and moved[2:] == zoomed[2:]
    assert [now - then for now, then in zip(moved, zoomed, strict=True)] == [50, 30, 0, 0]

    page.keyboard.press("2")
    assert page.evaluate(WHERE, "after")[2:] == [2 * 160, 2 * 240]
    page.locator(".compare-view").focus()
    before = page.evaluate(WHERE, "after")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(WHERE, "after")[0] == before[0] - 80 == page.evaluate(WHERE, "before")[0]

    page.keyboard.press("0")
    for times in (1, 2):
        page.keyboard.press("m")
        page.mouse.move(x + x / 2 + times, y + 20)
        shown = page.evaluate(LENSES)
        assert shown[0] == shown[1] and shown[0][1] == f"{160 * times}px"
        assert page.locator(".compare-lens:visible").count() == 2
    page.keyboard.press("Escape")
    assert page.locator(".compare-lens:visible").count() == 0
    page.mouse.dblclick(x + x / 2, y)
    expect(page.locator(".compare.zoomed")).to_be_visible()
    page.keyboard.press("0")

    page.keyboard.press("f")
    both = page.locator(".compare-pane.after:visible"), page.locator(".compare > * > .compare-pane.before:visible")
    assert [side.count() for side in both] == [1, 0], "with reduced motion it stands still"
    page.keyboard.press("x")
    assert page.evaluate("getComputedStyle(document.querySelector('.compare-pane.before')).visibility") == "visible"
    expect(page.locator(".compare-tag.before")).to_be_visible()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_text("slider, side by side, flicker")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("slider, side by side, flicker")).to_be_hidden()
    assert page.url.endswith("/compare/#flicker"), "the next picture is compared the same way"
    page.keyboard.press("w")
    expect(page).to_have_url(re.compile(rf"/upscales/{batch['coat']}/"))


def test_two_fingers_enlarge_both_sides(desk: Desk, batch: dict[str, int], open_page: Callable[..., Page]) -> None:
    page = open_page(**PHONE)
    opened(page, desk, f"/upscales/{batch['coat']}/#sides")
    x, y = middle(page)
    touch = page.context.new_cdp_session(page)
    for apart in (20, 40, 60):
        points = [{"x": x - apart, "y": y - 90, "id": 0}, {"x": x + apart, "y": y - 90, "id": 1}]
        kind = "touchStart" if apart == 20 else "touchMove"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator(".compare.zoomed")).to_be_visible()
    before, after = page.evaluate(WHERE, "before"), page.evaluate(WHERE, "after")
    assert before == after
    for mode in ("Slider", "Flicker", "Side by side"):
        page.get_by_role("button", name=mode, exact=True).tap()
        check(page)
    page.goto(f"{desk.url}/upscales/{batch['coat']}/compare/")
    expect(page.locator(".compare.live")).to_be_visible()
    check(page)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "all of it is in the window"


def test_a_batch_is_looked_through_with_keys(desk: Desk, batch: dict[str, int], open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    page.goto(f"{desk.url}/batches/{batch['batch']}/")
    page.get_by_role("link", name="Compare before and after").click()
    expect(page.get_by_text("2 results.")).to_be_visible()
    check(page)
    page.wait_for_function("() => [...document.querySelectorAll('.pair img')].every((image) => image.naturalWidth)")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/upscales/{batch['shoes']}/compare/"))
    page.wait_for_load_state()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile(rf"/upscales/{batch['coat']}/compare/"))
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(rf"/batches/{batch['batch']}/compare/"))
    expect(page.locator(f"#upscale-{batch['coat']}")).to_be_focused()


@pytest.fixture
def counted(open_page: Callable[..., Page]) -> Iterator[tuple[Page, list[float]]]:
    """A page, and the bytes that each of its answers had on the line."""
    page, sent = open_page(reduced_motion="reduce"), []
    network = page.context.new_cdp_session(page)
    network.on("Network.loadingFinished", lambda told: sent.append(told["encodedDataLength"]))
    network.send("Network.enable")
    yield page, sent


def test_a_hundred_megapixels_are_compared_for_less_than_five_megabytes(
    desk: Desk, large: tuple[int, Path], counted: tuple[Page, list[float]]
) -> None:
    (number, result), (page, sent) = large, counted
    opened(page, desk, f"/upscales/{number}/compare/#flicker")
    page.keyboard.press("1")
    page.wait_for_function(LOADED)
    seen = Image.open(io.BytesIO(page.locator(".compare-pane.after").screenshot())).convert("RGB")
    left, top, width, _ = page.evaluate(WHERE, "after")
    assert width == large_comparison.SIDE

    box = (300, 200, 700, 500)
    around = pyvips.Image.new_from_file(str(result)).crop(box[0] - left - 1, box[1] - top - 1, 402, 302).numpy()

    def apart(dx: int, dy: int) -> float:
        own = around[1 + dy : 301 + dy, 1 + dx : 401 + dx]
        return float(np.abs(np.asarray(seen.crop(box), float) - own).mean())

    assert apart(0, 0) < 3, "each pixel of the result is one of the screen's"
    assert all(apart(0, 0) < 0.8 * apart(*other) for other in ((1, 0), (-1, 0), (0, 1), (0, -1)))
    for key in ("b", "2", "s", "ArrowRight", "0", "m"):
        page.keyboard.press(key)
    page.mouse.move(500, 300)
    expect(page.locator(".compare-lens.after .compare-tile.there")).not_to_have_count(0)
    page.wait_for_load_state("networkidle")
    print(f"{sum(sent) / 1e6:.2f} MB in {len(sent)} answers")
    assert 500_000 < sum(sent) < 5_000_000

"""An upscale's page in a real browser: the slider, 100 %, the way through the history, and times."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_main_path import check, sign_in
from tests.support import pictures
from tests.support.live_server import ON_ONE_QUEUE, Desk

# The pages are the same on either queue: one of them is enough.
pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

SHAPES = {"wide": (400, 240), "square": (320, 320), "portrait": (240, 400), "narrow": (60, 480)}
UNDER = """([x, y]) => {
  const paper = document.querySelector(".after .compare-sheet").getBoundingClientRect();
  return [(x - paper.left) / paper.width, (y - paper.top) / paper.height];
}"""


@pytest.fixture(scope="module")
def made(desk: Desk) -> dict[str, int]:
    """One finished upscale of each shape, by its name; in this order."""
    token = desk.token()
    numbers = {
        shape: desk.submit(token, pictures.jpeg(size), name=f"{shape}.jpg", model_name="recraft")
        for shape, size in SHAPES.items()
    }
    for number in numbers.values():
        desk.wait_for(token, number, "Done")
    return numbers


def open_upscale(page: Page, desk: Desk, number: int, query: str = "") -> None:
    sign_in(page, desk)
    page.goto(f"{desk.url}/upscales/{number}/{query}")
    expect(page.locator(".compare.live")).to_be_visible()


def box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).bounding_box()
    assert found is not None, selector
    return dict(found)


@pytest.mark.parametrize("device", [{}, PHONE], ids=["desktop", "phone"])
def test_before_stays_left_and_after_right_of_every_shape(
    device: dict[str, object], desk: Desk, made: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page(**device)
    sign_in(page, desk)
    for shape, number in made.items():
        page.goto(f"{desk.url}/upscales/{number}/")
        expect(page.locator(".compare.live")).to_be_visible()
        view = box(page, ".compare-view")
        before, after = box(page, ".compare-tag.before"), box(page, ".compare-tag.after")
        assert before["x"] + before["width"] <= after["x"], f"{shape}: they lie over one another"
        assert view["x"] <= before["x"] and after["x"] + after["width"] <= view["x"] + view["width"], shape
        paper = box(page, ".after .compare-sheet")
        middle = paper["x"] + paper["width"] / 2
        assert before["x"] + before["width"] < middle < after["x"], shape
        check(page)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", [(0.5, 0.5), (0.1, 0.15), (0.9, 0.8)])
def test_a_click_opens_100_per_cent_at_that_place(
    shape: str, place: tuple[float, float], desk: Desk, made: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page()
    open_upscale(page, desk, made[shape])
    paper = box(page, ".after .compare-sheet")
    x, y = paper["x"] + place[0] * paper["width"], paper["y"] + place[1] * paper["height"]
    slider = page.get_by_test_id("slider")
    page.mouse.click(x, y)
    expect(page.locator(".compare.zoomed")).to_be_visible()
    across, down = page.evaluate(UNDER, [x, y])
    size = box(page, ".after .compare-sheet")
    assert (size["width"], size["height"]) == pytest.approx([4 * side for side in SHAPES[shape]])
    assert abs(across - place[0]) * size["width"] < 2, "the place is not under the pointer any more"
    assert abs(down - place[1]) * size["height"] < 2, "the place is not under the pointer any more"
    expect(slider).to_have_value("50")
    page.keyboard.press("Escape")
    expect(page.locator(".compare.zoomed")).to_have_count(0)
    assert f"/upscales/{made[shape]}/" in page.url


def test_dragging_moves_the_line_and_a_click_at_100_per_cent_leads_back(
    desk: Desk, made: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page()
    open_upscale(page, desk, made["wide"])
    paper = box(page, ".after .compare-sheet")
    row = paper["y"] + paper["height"] / 3
    page.mouse.move(paper["x"] + paper["width"] / 2, row)
    page.mouse.down()
    page.mouse.move(paper["x"] + paper["width"] / 4, row, steps=5)
    page.mouse.up()
    slider = page.get_by_test_id("slider")
    assert float(slider.input_value()) == pytest.approx(25, abs=1)
    expect(page.locator(".compare.zoomed")).to_have_count(0)
    page.get_by_role("button", name="100 %").click()
    expect(page.locator(".compare.zoomed")).to_be_visible()
    view = box(page, ".compare-view")
    x, y = view["x"] + 0.7 * view["width"], view["y"] + view["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 10, steps=4)
    page.mouse.up()
    expect(page.locator(".compare.zoomed")).to_be_visible()
    page.mouse.click(x, y)
    expect(page.locator(".compare.zoomed")).to_have_count(0)


def test_a_tap_opens_100_per_cent_too(desk: Desk, made: dict[str, int], open_page: Callable[..., Page]) -> None:
    page = open_page(**PHONE)
    open_upscale(page, desk, made["portrait"])
    paper = box(page, ".after .compare-sheet")
    page.touchscreen.tap(paper["x"] + 0.3 * paper["width"], paper["y"] + 0.4 * paper["height"])
    expect(page.locator(".compare.zoomed")).to_be_visible()
    across, down = page.evaluate(UNDER, [paper["x"] + 0.3 * paper["width"], paper["y"] + 0.4 * paper["height"]])
    assert (across, down) == pytest.approx((0.3, 0.4), abs=0.02)


def test_arrows_move_the_slider_by_two_per_cent(
    desk: Desk, made: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page()
    open_upscale(page, desk, made["square"])
    slider = page.get_by_test_id("slider")
    slider.focus()
    for key, value in (
        ("ArrowRight", "52"),
        ("ArrowRight", "54"),
        ("ArrowLeft", "52"),
        ("ArrowUp", "54"),
        ("End", "100"),
    ):
        slider.press(key)
        expect(slider).to_have_value(value)
    slider.press("ArrowRight")
    expect(slider).to_have_value("100")
    expect(slider).to_have_attribute("aria-valuetext", "100 % before, 0 % after")
    assert f"/upscales/{made['square']}/" in page.url, "the arrows belong to the slider"


def test_keys_lead_through_the_history_and_back(
    desk: Desk, made: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page()
    sign_in(page, desk)
    page.goto(f"{desk.url}/history/?status=Done&model=recraft")
    page.locator(f"#upscale-{made['square']}").get_by_role("link", name="square.jpg", exact=True).click()
    expect(page).to_have_url(f"{desk.url}/upscales/{made['square']}/?status=Done&model=recraft")
    expect(page.get_by_text("Keys: ← and → for the previous and the next")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{desk.url}/upscales/{made['wide']}/?status=Done&model=recraft")
    page.wait_for_load_state()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(f"{desk.url}/upscales/{made['square']}/?status=Done&model=recraft")
    page.wait_for_load_state()
    page.get_by_test_id("slider").press("ArrowLeft")
    expect(page.get_by_test_id("slider")).to_have_value("48")
    page.get_by_test_id("slider").press("Shift+ArrowLeft")
    expect(page).to_have_url(f"{desk.url}/upscales/{made['portrait']}/?status=Done&model=recraft")
    page.get_by_role("link", name="Previous").click()
    expect(page).to_have_url(f"{desk.url}/upscales/{made['narrow']}/?status=Done&model=recraft")
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{desk.url}/history/?status=Done&model=recraft#upscale-{made['narrow']}")
    expect(page.locator(f"#upscale-{made['narrow']}")).to_be_in_viewport()


def test_times_are_the_reader_s_own(desk: Desk, made: dict[str, int], open_page: Callable[..., Page]) -> None:
    page = open_page(timezone_id="Asia/Tokyo")
    open_upscale(page, desk, made["wide"])
    shown = page.locator(".facts time").first
    expect(shown).to_have_text(re.compile(r"\d+ \w+ \d{4}, \d\d:\d\d GMT\+9"))
    made_at = datetime.fromisoformat(shown.get_attribute("datetime") or "")
    expect(shown).to_contain_text(f"{made_at.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}")
    page.goto(f"{desk.url}/history/")
    expect(page.locator("[data-upscale-id] time").first).to_have_attribute("title", re.compile(r"GMT\+9$"))


def test_times_that_htmx_brings_in_are_too(desk: Desk, made: dict[str, int], open_page: Callable[..., Page]) -> None:
    page = open_page(timezone_id="Asia/Tokyo")
    sign_in(page, desk)
    page.goto(f"{desk.url}/history/")
    page.evaluate(f"""() => {{
        const row = document.querySelector("#upscale-{made["wide"]}");
        row.dataset.shape = "old";
        row.insertAdjacentHTML("afterbegin", '<input type="hidden" name="id" value="{made["wide"]}">');
        row.querySelector("time").title = "old";
    }}""")
    expect(page.locator(f"#upscale-{made['wide']} [name=id]")).to_have_count(0)
    expect(page.locator(f"#upscale-{made['wide']} time")).to_have_attribute("title", re.compile(r"GMT\+9$"))


def test_without_scripts_times_name_the_desk_s_zone(
    desk: Desk, made: dict[str, int], open_page: Callable[..., Page]
) -> None:
    page = open_page(java_script_enabled=False, timezone_id="Asia/Tokyo")
    sign_in(page, desk)
    page.goto(f"{desk.url}/upscales/{made['wide']}/")
    expect(page.locator(".facts time").first).to_have_text(re.compile(r", \d\d:\d\d UTC$"))
    expect(page.get_by_role("link", name="Previous")).to_be_visible()


def test_topaz_says_what_its_settings_are_worth(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    page.get_by_role("radio", name="Topaz").check()
    expect(page.get_by_role("radio", name="Standard V2")).to_be_checked()
    same = page.get_by_text("On this desk this gives the same picture as Recraft, for 1 credit.")
    focus, creativity = page.get_by_role("group", name="Focus on"), page.get_by_label("Face creativity")
    expect(same).to_be_hidden()
    expect(focus).to_be_visible()
    expect(creativity).to_be_hidden()
    page.get_by_role("radio", name="High Fidelity V2").check()
    expect(same).to_be_visible()
    expect(focus).to_be_hidden()
    check(page)
    page.get_by_role("radio", name="2x").check()
    expect(same).to_be_hidden()
    page.get_by_role("radio", name="4x").check()
    page.get_by_role("checkbox", name="Enhance faces").check()
    expect(same).to_be_hidden()
    expect(creativity).to_be_visible()
    creativity.press("Home")
    expect(same).to_be_visible()
    page.get_by_role("button", name="Use Recraft").click()
    expect(page.get_by_role("radio", name="Recraft")).to_be_checked()
    expect(page.get_by_role("radio", name="Recraft")).to_be_focused()
    expect(same).to_be_hidden()

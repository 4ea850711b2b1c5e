"""A Monday morning's folder, from the file manager to the batch's page, in a real browser."""

from __future__ import annotations

import csv
import io
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.intake import choose, names, order, row, rows, settled
from tests.browser.test_main_path import balance, check, sign_in
from tests.support import pictures, webserver
from tests.support.live_server import ON_ONE_QUEUE, Desk, until

# The pages are the same on either queue: one of them is enough.
pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

FILES = re.compile(r"/drafts/\d+/files/")
BROKEN_ON_PURPOSE = r"status of (401|409|422|503)|net::ERR_FAILED"


def picture(tag: str, name: str = "coffee") -> bytes:
    """One that no other test sends."""
    return pictures.jpeg((48, 36), name) + tag.encode() + random.randbytes(8)


def monday(folder: Path, shop: str, tag: str) -> Path:
    """Sixty files of a nested folder, three of them broken and two there twice, with a ZIP and a CSV beside them."""
    top = folder / "Monday"
    white = top / "shirts" / "white"
    white.mkdir(parents=True)
    for number in range(55):
        place = (top, top / "shirts", white)[number % 3]
        content = picture(f"{tag} {number}", ("coffee", "astronaut")[number % 2])
        (place / f"{48000 + number}_red_{number % 4}.jpg").write_bytes(content)
    (top / "broken.jpg").write_bytes(b"This is no picture at all")
    (white / "cut.jpg").write_bytes(picture("cut")[:200])
    (top / "shirts" / "nothing.jpg").write_bytes(b"")
    (top / "copy.jpg").write_bytes((top / "48000_red_0.jpg").read_bytes())
    (white / "copy.jpg").write_bytes((white / "48002_red_2.jpg").read_bytes())
    (top / ".DS_Store").write_bytes(b"the system's own")
    with zipfile.ZipFile(top / "bags.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"new/{52000 + number}_bag.jpg", picture(f"{tag} bag {number}"))
        archive.writestr("notes.txt", "no picture")
    (top / "list.csv").write_text(f"SKU;Image URL\n77001;http://{shop}/hat-{tag}.jpg\n77002;none yet\n")
    return top


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_monday_of_sixty_pictures(
    device: dict[str, Any], desk: Desk, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    tag = f"{desk.mode}-{device['viewport']['width']}"
    with webserver.serving({f"/hat-{tag}.jpg": webserver.body(picture(f"{tag} hat"))}, desk.shop_port) as shop:
        desk.manage("grant_credits", "--team", "demo", "--note", "For a Monday", "60")
        page = open_page(**device)
        sign_in(page, desk)
        before = balance(page)
        page.locator("#id_folder").set_input_files(monday(tmp_path, shop, tag))
        settled(page, 66)

        counted = "60 will be sent, 2 can’t be read, 1 is empty, 1 can’t be enlarged like this, 2 are duplicates."
        expect(page.locator("#cost")).to_contain_text(counted)
        expect(page.locator("#cost")).to_contain_text(f"{before - 60:,} left after this")
        expect(page.get_by_text("things were left out")).to_be_visible()
        assert rows(page).count() < 60, "of many rows only those in sight are in the page"
        assert {"broken.jpg", "cut.jpg", "nothing.jpg"} < set(names(page)[:4]), "problems come first"
        check(page)

        page.reload()
        settled(page, 66)
        expect(page.locator("#cost")).to_contain_text(counted)
        expect(page.locator("#batch-name")).to_have_value("Monday")

        page.get_by_role("button", name=re.compile("^Duplicates")).click()
        expect(rows(page)).to_have_count(2)
        assert names(page) == ["copy.jpg"] * 2, "files go up in the order of their names"
        page.get_by_role("button", name=re.compile("^Can’t be read")).click()
        expect(rows(page)).to_have_count(2)
        page.get_by_role("button", name="Remove those 2").click()
        settled(page, 64)
        expect(row(page, "broken.jpg")).to_have_count(0)

        order(page, desk)
        expect(page.get_by_role("heading", name="Monday")).to_be_visible()
        expect(page.locator("#batch-counts")).to_contain_text("60 credits charged")
        assert balance(page) == before - 60
        token = desk.token()
        if device is PHONE:
            # The networks take their time: all sixty once are enough.
            until(lambda: counts(desk, page, token)["Done"], what="the first picture is done", seconds=300)
            page.get_by_role("button", name="Cancel what has not begun").click()
        until(lambda: ended(desk, page, token), what="the batch ends", seconds=300)
        page.reload()
        takes_the_zip(page, tmp_path)
        page.goto(desk.url)
        expect(page.locator("#chosen")).to_be_hidden()


def counts(desk: Desk, page: Page, token: str) -> dict[str, int]:
    """How the pictures of the batch stand whose page is open."""
    number = page.url.rstrip("/").rpartition("/")[2]
    found: dict[str, int] = desk.api("get", f"batches/{number}", token).json()["counts"]
    return found


def ended(desk: Desk, page: Page, token: str) -> bool:
    now = counts(desk, page, token)
    return not now["Created"] and not now["Ongoing"]


def takes_the_zip(page: Page, folder: Path) -> None:
    """Download all, and hold the ZIP against its manifest and the batch's figures."""
    done, total, failed = (
        int(page.locator("#batch-counts").get_attribute(f"data-{of}") or 0) for of in ("done", "total", "failed")
    )
    assert (total, failed) == (60, 0)
    with page.expect_download() as download:
        page.locator("#batch-acts a.button[download]").click()
    assert download.value.suggested_filename == "Monday.zip"
    download.value.save_as(folder / "results.zip")
    with zipfile.ZipFile(folder / "results.zip") as archive:
        assert archive.testzip() is None
        manifest = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
        files = [line["file"] for line in manifest if line["file"]]
        for_shops = [path for line in manifest for path in line["files for shops"].split("; ") if path]
        assert sorted(archive.namelist()) == sorted(["manifest.csv", *files, *for_shops])
    assert (len(manifest), len(files)) == (60, done)
    lines = {line["source"]: line for line in manifest}
    assert (lines["48001_red_1.jpg"]["folder"], lines["48001_red_1.jpg"]["sku"]) == ("Monday/shirts", "48001")
    assert {line["status"] for line in manifest} <= {"Ready", "Cancelled"}
    assert sum(int(line["credits"]) for line in manifest) == done
    if done == 60:
        assert lines["48001_red_1.jpg"]["file"] == "Monday/shirts/48001_red_1.jpg"
        assert lines["48001_red_1.jpg"]["result size"] == "192 × 144"
        assert [line["sku"] for line in manifest if "hat" in line["source"]] == ["77001"]


def test_dropped_folders_are_read_to_the_end(desk: Desk, open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page(expected=BROKEN_ON_PURPOSE)
    sign_in(page, desk)
    page.wait_for_load_state()
    deep = tmp_path / "Autumn" / "week 1" / "coats"
    deep.mkdir(parents=True)
    (tmp_path / "Autumn" / "week 2").mkdir()
    (tmp_path / "Autumn" / ".git").mkdir()
    for number in range(230):  # a browser lists a hundred at a time
        (deep / f"{number}.jpg").write_bytes(b"not sent")
    (tmp_path / "alone.jpg").write_bytes(b"not sent")
    page.route(FILES, lambda route: None)

    devtools = page.context.new_cdp_session(page)
    files = [str(tmp_path / "Autumn"), str(tmp_path / "alone.jpg")]
    data = {"items": [], "files": files, "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 400, "data": data})
    expect(page.locator("#chosen-title")).to_have_text("231 chosen pictures", timeout=60_000)
    expect(row(page, "0.jpg")).to_contain_text("Autumn/week 1/coats")
    assert rows(page).count() < 60, "of many rows only those in sight are in the page"
    expect(page.get_by_text("2 things were left out")).to_be_visible()
    page.get_by_text("2 things were left out").click()
    expect(page.locator("#left-out")).to_contain_text("Autumn/week 2 An empty folder.")
    expect(page.locator("#batch-name")).to_have_value("Autumn")

    page.get_by_label("Find by name, folder or SKU").fill("22")
    page.get_by_role("button", name=re.compile("^Remove those")).click()
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#rows > li")).to_have_count(0)


def test_an_upload_that_breaks_is_tried_again_by_itself(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page(expected=BROKEN_ON_PURPOSE)
    sign_in(page, desk)
    tried: list[str] = []

    def fail_at_first(route: Any) -> None:
        tried.append(route.request.url)
        if len(tried) == 1:
            route.abort("failed")
        elif len(tried) == 2:
            route.fulfill(status=503, headers={"Retry-After": "1"}, body="busy")
        else:
            route.continue_()

    page.route(FILES, fail_at_first)
    choose(page, ("one.jpg", picture(f"{desk.mode} broken 1")))
    expect(page.locator("#uploading")).to_contain_text("tried again by itself")
    settled(page, 1)
    assert len(tried) == 3
    page.get_by_role("button", name="Remove one.jpg").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_leaving_during_an_upload_asks(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page(expected=BROKEN_ON_PURPOSE)
    sign_in(page, desk)
    page.get_by_role("radio", name="PNG").check()
    page.route(FILES, lambda route: None)
    choose(page, ("waits.jpg", picture("waits")))
    expect(row(page, "waits.jpg")).to_be_visible()
    with page.expect_event("dialog") as asked:
        page.evaluate("setTimeout(() => location.reload())")
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    page.get_by_role("button", name="Cancel waits.jpg").click()
    expect(page.locator("#chosen")).to_be_hidden()
    page.reload()
    expect(page.locator("#chosen")).to_be_hidden()


def test_signing_in_again_in_another_tab_loses_nothing(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page(expected=BROKEN_ON_PURPOSE)
    sign_in(page, desk)
    choose(page, ("first.jpg", picture(f"{desk.mode} first")))
    settled(page, 1)
    other = page.context.new_page()
    other.goto(f"{desk.url}/history/")
    other.get_by_role("button", name="Sign out").first.click()

    choose(page, ("second.jpg", picture(f"{desk.mode} second")))
    expect(page.locator("#problems")).to_contain_text("You were signed out")
    expect(page.locator("#problems")).to_be_focused()
    sign_in(other, desk)
    expect(other.get_by_text("first.jpg")).to_be_visible()
    page.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")
    settled(page, 2)
    expect(page.locator("#problems")).to_be_hidden()
    order(page, desk)
    expect(page.get_by_text("second.jpg")).to_be_visible()


def test_a_list_that_changed_meanwhile_is_shown_and_not_ordered(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page(expected=BROKEN_ON_PURPOSE, **PHONE)
    sign_in(page, desk)
    choose(page, ("one.jpg", picture(f"{desk.mode} here")))
    settled(page, 1)
    other = page.context.new_page()
    other.goto(desk.url)
    choose(other, ("other.jpg", picture(f"{desk.mode} there")))
    settled(other, 2)

    before = balance(page)
    page.get_by_test_id("submit").click()
    expect(page.locator("#problems")).to_contain_text("Nothing was sent")
    expect(page.locator("#problems")).to_be_focused()
    expect(page.locator("#problems")).to_be_in_viewport()
    settled(page, 2)
    expect(page.get_by_test_id("submit")).to_have_text("Enlarge 2 pictures")
    order(page, desk)

    # The other tab's list is gone with the order, and what is chosen there waits in a new one.
    assert balance(page) == before - 2
    choose(other, ("later.jpg", picture(f"{desk.mode} later")))
    settled(other, 1)
    expect(other.locator("#problems")).to_contain_text("sent meanwhile")
    other.get_by_role("button", name="Remove later.jpg").click()
    expect(other.locator("#chosen")).to_be_hidden()


def test_skus_are_read_from_names_and_changed_in_the_row(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    choose(page, *((f"48{n}_red_{n}.jpg", picture(f"{desk.mode} sku {n}")) for n in range(220, 223)))
    settled(page, 3)
    expect(page.locator("#sku")).to_contain_text("the part before the first _")
    field = page.get_by_label("SKU of 48220_red_220.jpg")
    expect(field).to_have_value("48220")

    page.get_by_text("Change", exact=True).click()
    page.get_by_label("How the SKU stands in a file’s name").fill("{colour")
    page.get_by_role("button", name="Use this").click()
    expect(page.locator("#sku-error")).to_be_visible()
    page.get_by_label("How the SKU stands in a file’s name").fill("*_{sku}")
    page.get_by_role("button", name="Use this").click()
    expect(page.locator("#sku-error")).to_be_hidden()
    expect(field).not_to_have_value("48220")

    field.fill("HAND-1")
    field.press("Enter")
    page.get_by_role("button", name="No SKU").click()
    expect(page.get_by_label("SKU of 48221_red_221.jpg")).to_have_value("")
    expect(field).to_have_value("HAND-1")
    order(page, desk)
    expect(page.locator("[data-upscale-id]", has_text="48220_red_220.jpg")).to_contain_text("HAND-1")


def test_the_list_is_worked_with_the_keyboard_alone(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    choose(page, *((f"look {n}.jpg", picture(f"{desk.mode} key {n}")) for n in range(1, 16)))
    settled(page, 15)
    page.get_by_label("Find by name, folder or SKU").focus()
    page.keyboard.press("Tab")  # how SKUs are read
    page.keyboard.press("Tab")
    expect(page.get_by_label("SKU of look 1.jpg")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.type("A-2")
    page.keyboard.press("Enter")
    expect(page.get_by_label("SKU of look 3.jpg")).to_be_focused()
    expect(page.get_by_label("SKU of look 2.jpg")).to_have_value("A-2")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="Remove look 15.jpg")).to_be_focused()
    page.keyboard.press("Delete")
    settled(page, 14)
    expect(page.get_by_role("button", name="Remove look 14.jpg")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Addresses of pictures, one per line")).to_be_focused()

    page.get_by_label("Find by name, folder or SKU").fill("a-2")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Remove that one").click()
    settled(page, 13)
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator("#chosen")).to_be_hidden()


def test_what_was_made_already_is_made_anew_in_one_click(desk: Desk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    sign_in(page, desk)
    content = picture(f"{desk.mode} anew")
    choose(page, ("once.jpg", content))
    settled(page, 1)
    order(page, desk)
    page.goto(desk.url)
    choose(page, ("once.jpg", content))
    settled(page, 1)
    page.get_by_role("button", name=re.compile("^Made already")).click()
    page.get_by_role("button", name="Make that one anew, for 1 credit").click()
    expect(row(page, "once.jpg")).to_contain_text("Will be made anew")
    expect(page.locator("#rows-frame")).to_be_focused()
    page.get_by_role("button", name="Remove once.jpg").click()
    expect(page.locator("#chosen")).to_be_hidden()

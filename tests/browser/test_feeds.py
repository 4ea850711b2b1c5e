"""From a shop's feed to files for its channels, in a real browser: checked, priced, ordered, enlarged, fitted."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.browser.intake import order, row, settled
from tests.browser.test_main_path import balance, check, sign_in
from tests.channels.grid import needs_checkers, outside_facts
from tests.support import webserver
from tests.support.feed_pages import google
from tests.support.live_server import ON_ONE_QUEUE, Desk, until

pytestmark = pytest.mark.processes

SIZES = {"DRESS-1": (300, 434), "COAT-2": (200, 280), "HAT-3": (1600, 2304)}


def product(size: tuple[int, int]) -> bytes:
    """Something red on white."""
    picture = Image.new("RGB", size, "white")
    width, height = size
    ImageDraw.Draw(picture).ellipse((width // 10, height // 20, width * 9 // 10, height * 19 // 20), (180, 20, 30))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def _right(page: Page, title: str) -> str:
    page.reload()
    text = page.locator(f'[data-channel-count="{title}"]').inner_text()
    return text.removeprefix(title).strip(" .")


def looked_at(page: Page) -> None:
    """The page is as it should be on a desk and, in the dark, on a phone."""
    check(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    check(page)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


@needs_checkers
@ON_ONE_QUEUE
def test_from_a_feed_to_files_for_its_channels(desk: Desk, open_page: Callable[..., Page], tmp_path: Path) -> None:
    shop_pages = {f"/{sku}.jpg": webserver.body(product(size)) for sku, size in SIZES.items()}
    feed = google((sku, [f"http://127.0.0.1:{desk.shop_port}/{sku}.jpg"]) for sku in SIZES)
    shop_pages["/feed.xml"] = webserver.body(feed, Content_Type="application/xml")
    page = open_page()
    sign_in(page, desk, desk.new_member())
    before = balance(page)
    with webserver.serving(shop_pages, desk.shop_port) as host:
        page.goto(f"{desk.url}/feeds/new/")
        looked_at(page)
        page.get_by_label("The feed’s address").fill(f"http://{host}/feed.xml")
        page.get_by_label(re.compile("Zalando")).check()
        page.get_by_role("button", name="Check it").click()
        # The page follows the check by itself, and shows the whole report at its end.
        mend = page.get_by_role("row", name=re.compile("Google")).get_by_role("button")
        expect(mend).to_have_text("Enlarge all 2 pictures", timeout=60_000)
        expect(page.get_by_role("row", name=re.compile("COAT-2"))).to_contain_text("200 × 280 JPEG")
        expect(page.get_by_text("HAT-3")).to_have_count(0)
        looked_at(page)
        report = page.url.partition("?")[0]

        mend.click()
        expect(page.get_by_text("The 2 pictures that are too small for Google")).to_be_visible()
        settled(page, 2)
        expect(row(page, "COAT-2.jpg")).to_contain_text("COAT-2")
        expect(page.get_by_text(f"{before - 2:,} left after this")).to_be_visible()
        order(page, desk)
        expect(page.get_by_role("link", name=re.compile("Download all 2"))).to_be_visible(timeout=120_000)
        page.reload()
        for title in ("Google Merchant Center", "Zalando"):
            fit = page.get_by_label("Make files for")
            fit.select_option(label=title)
            page.get_by_role("button", name="Fit them").click()
            until(
                lambda title=title: _right(page, title) == "2 of 2 right",
                what=f"both files for {title} are made",
                seconds=60,
            )
        assert balance(page) == before - 2
        with page.expect_download() as caught:
            page.get_by_role("link", name=re.compile("Download all 2")).click()
        caught.value.save_as(tmp_path / "results.zip")

        # The shop shows the results, and has taken one product out.
        with zipfile.ZipFile(tmp_path / "results.zip") as archive:
            archive.extractall(tmp_path / "zip")
        for sku in ("DRESS-1", "COAT-2"):
            [large] = [path for path in (tmp_path / "zip").glob(f"*{sku}*") if path.suffix == ".jpg"]
            shop_pages[f"/{sku}.jpg"] = webserver.body(large.read_bytes())
        page.goto(report)
        page.get_by_text("Check again").first.click()
        page.get_by_role("button", name="Check again").click()
        google_ = page.get_by_role("row", name=re.compile("Google"))
        expect(google_.get_by_role("link", name="2 mended")).to_be_visible(timeout=60_000)
        google_.get_by_role("link", name="2 mended").click()
        expect(page.get_by_role("row", name=re.compile("DRESS-1"))).to_contain_text("1200 × 1736 JPEG")
        looked_at(page)
        page.goto(f"{desk.url}/feeds/")
        looked_at(page)

    files = sorted(path for path in (tmp_path / "zip").glob("*/*") if path.suffix == ".jpg")
    folders = {path.parent.name for path in files}
    assert (len(files), len(folders)) == (4, 2), files
    for path, facts in zip(files, outside_facts(files), strict=True):
        size = facts["width"], facts["height"]
        assert facts["format"] == "JPEG" and facts["space"] == "sRGB", path
        if "zalando" in path.parent.name.lower():
            assert size[0] >= 762 and abs(size[1] / size[0] - 1.44) < 0.01, (path, size)
            assert facts["corner"] == [255] * 3, path
        else:
            assert min(size) >= 500, (path, size)

"""The pages of a desk whose vendor is away and that has no public address yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.intake import order, settled
from tests.browser.test_main_path import check, sign_in
from tests.support import pictures, webserver
from tests.support.live_server import Desk

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk("embedded", tmp_path_factory.mktemp("lonely"))
    with webserver.serving({}) as nobody:
        pass
    desk.environment |= {
        "ENGINE": "uwear",
        "UWEAR_API_URL": f"http://{nobody}/api/v1",
        "UWEAR_API_KEY": "uw_key",
        "UWEAR_BREAKER_FAILURES": "1",
    }
    try:
        desk.set_up()
        desk.start_web()
        desk.start_worker()
        yield desk
    finally:
        desk.close()


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_pages_say_what_is_the_matter_and_go_on_working(
    device: dict[str, Any], lonely: Desk, open_page: Callable[..., Page]
) -> None:
    page = open_page(**device)
    sign_in(page, lonely)
    expect(page.get_by_text("An admin has to set PUBLIC_URL")).to_be_visible()
    page.get_by_label("Topaz").check()
    expect(page.get_by_text("3 credits for each picture")).to_be_visible()
    page.get_by_label("Recraft").check()
    # An address of its own: the one before is still under way.
    shirt = f"/shirt-{device['viewport']['width']}.jpg"
    with webserver.serving({shirt: webserver.body(pictures.jpeg())}, lonely.shop_port) as shop:
        page.get_by_label("Addresses of pictures, one per line").fill(f"http://{shop}{shirt}")
        page.get_by_role("button", name="Add", exact=True).click()
        settled(page, 1)
        order(page, lonely)
        page.goto(f"{lonely.url}/history/")
        # By itself, while the person looks on.
        expect(page.locator("#engine-banner")).to_contain_text("your upscales wait", timeout=30_000)
        expect(page.get_by_text("Waiting for Uwear to answer again").first).to_be_visible()
    for path in ("/", "/history/"):
        page.goto(lonely.url + path)
        expect(page.locator("#engine-banner")).to_be_visible()
        check(page)

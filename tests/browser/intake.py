"""The submit page as a person uses it: choosing, looking at the list, ordering."""

from __future__ import annotations

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

from tests.support.live_server import Desk

PASTE = """([text, picture]) => {
  const clipboardData = new DataTransfer();
  if (text) clipboardData.setData("text/plain", text);
  if (picture) {
    const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
    clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
  }
  const target = document.activeElement ?? document.body;
  const event = new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData });
  return target.dispatchEvent(event); // whether the page left the paste to the browser
}"""


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    """Choose files in the page's file input."""
    page.wait_for_load_state()
    page.locator("#id_image").set_input_files(
        [{"name": name, "mimeType": "image/jpeg", "buffer": content} for name, content in files]
    )


def settled(page: Page, count: int) -> None:
    """The list has ``count`` pictures, all of them are on the desk, and their price is known."""
    expect(page.locator("#chosen-title")).to_have_text(
        f"{count} chosen picture{'' if count == 1 else 's'}", timeout=120_000
    )
    expect(page.locator("#cost[data-settled]")).to_be_attached(timeout=120_000)


def rows(page: Page) -> Locator:
    """The rows or tiles of the list that are in the page."""
    return page.locator("#rows > li")


def row(page: Page, name: str) -> Locator:
    """The row of the picture of this name."""
    return rows(page).filter(has=page.get_by_text(name, exact=True))


def names(page: Page) -> Sequence[str]:
    """The names of those rows, in their order."""
    return page.locator('#rows [data-part="name"]').all_inner_texts()


def order(page: Page, desk: Desk) -> int:
    """Press the button; the number of the batch whose page comes then."""
    page.get_by_test_id("submit").click()
    address = re.compile(rf"^{re.escape(desk.url)}/batches/(\d+)/$")
    expect(page).to_have_url(address)
    found = address.match(page.url)
    assert found is not None
    return int(found[1])

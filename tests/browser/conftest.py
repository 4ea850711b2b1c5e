"""Headless Chromium for the browser tests: Debian's, Chrome, or Playwright's own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.support import services_available

# Playwright's synchronous driver runs an event loop, in which Django would refuse to touch the database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser on a busy machine now and then loses a click: what failed is tried once more, and is named."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = services_available.chromium()
    if path is None:
        pytest.skip("There is no Chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Opens pages in a profile of their own; any error that a page's console shows fails the test.

    ``expected`` is a regular expression of those that belong to what is tested.
    """
    contexts = []
    complaints: list[str] = []
    unanswered: dict[Request, str] = {}

    def is_answered(request: Request) -> None:
        unanswered.pop(request, None)

    def open_one(expected: str = "status of 422", **options: Any) -> Page:
        context = browser.new_context(**{**DESKTOP, "accept_downloads": True, **options})
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: unanswered.update({request: f"{request.method} {request.url}"}))
        page.on("requestfinished", is_answered)
        page.on("requestfailed", is_answered)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{message.text} {message.location.get('url', '')}")
                if message.type == "error" and not re.search(expected, message.text)
                else None
            ),
        )
        return page

    yield open_one
    # Shown where the test has failed.
    print("not answered:", *unanswered.values() or ["nothing"])
    for context in contexts:
        context.close()
    assert complaints == []

"""Sessions in which nobody does anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from tests.accounts.test_sign_in import sign_in
from tests.conftest import Person
from upscaler.models import Batch


@pytest.fixture
def browser(owner: Person, settings: Any) -> Client:
    settings.SESSION_IDLE_MINUTES = 30
    client = Client()
    sign_in("owner", client=client)
    assert client.get("/history/").status_code == 200
    return client


def after(minutes: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(minutes=minutes))


def test_whoever_does_nothing_is_signed_out_and_told(browser: Client) -> None:
    with after(29):
        assert browser.get("/history/").status_code == 200
    with after(58):
        assert browser.get("/ledger/").status_code == 200, "each click starts anew"
    with after(89):
        answer = browser.get("/ledger/")
        assert answer["Location"] == "/accounts/login/?next=/ledger/"
        page = browser.get(answer["Location"]).content.decode()
        assert "You were signed out, since nothing was done here for 30 minutes." in page
        assert "Who does nothing for 30 minutes is signed out." in page
        assert browser.get("/history/").status_code == 302


@pytest.mark.parametrize("page", ["history", "batch"])
def test_a_page_that_looks_for_news_by_itself_is_nobody_at_work(
    page: str, browser: Client, order_batch: Callable[..., Batch]
) -> None:
    live = "/history/live/" if page == "history" else f"/batches/{order_batch('a.jpg').pk}/live/"
    for minutes in range(0, 30, 5):
        with after(minutes):
            assert browser.get(live).status_code == 200
    with after(31):
        assert browser.get(live).status_code == 302


def test_a_form_that_is_sent_too_late_does_nothing_and_can_be_sent_again(head: Person, settings: Any) -> None:
    settings.SESSION_IDLE_MINUTES = 1
    browser = Client()
    sign_in("head", client=browser)
    browser.get("/ledger/")
    with after(2):
        answer = browser.post("/ledger/grant/", {"amount": 5, "note": "season"}, follow=True)
        assert "so nothing was done. Sign in, then send the form again" in answer.content.decode()
        assert head.balance == 100
        assert sign_in("head", client=browser, next="/ledger/")["Location"] == "/ledger/"


def test_it_is_off_unless_it_is_set(owner: Person) -> None:
    browser = Client()
    assert "Who does nothing" not in browser.get("/accounts/login/").content.decode()
    sign_in("owner", client=browser)
    browser.get("/history/")
    with after(60 * 24):
        assert browser.get("/history/").status_code == 200

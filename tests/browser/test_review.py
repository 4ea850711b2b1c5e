"""A hundred results decided by key, in Chromium; and that a refusal shows on its own row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from tests.browser.conftest import PHONE
from tests.conftest import Person
from tests.support.waiting import quick, single, worked
from upscaler.models import AuditEvent, FidelityCheck, ReviewDecision, Team, Upscale
from upscaler.review import decisions

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 100


@pytest.fixture
def waiting(owner: Person) -> Iterator[list[Upscale]]:
    """A hundred results that wait, of which the check doubts some."""
    Team.objects.update(reviews="everything")
    with quick():
        first = single(owner)
        worked(1)
    first.refresh_from_db()
    rows = []
    for number in range(MANY - 1):
        row = Upscale.objects.get(pk=first.pk)
        row.pk, row.result_id, row.engine_id = None, None, None
        row.source_name, row.sku, row.order_digest = f"SKU-{number:03} front.jpg", f"SKU-{number:03}", ""
        rows.append(row)
    Upscale.objects.bulk_create(rows)
    FidelityCheck.objects.all().delete()
    FidelityCheck.objects.bulk_create(
        FidelityCheck(
            upscale=row,
            verdict="look" if row.pk % 5 == 0 else "faithful",
            reasons=["colour", "text"] if row.pk % 5 == 0 else [],
            checked_at=timezone.now(),
        )
        for row in Upscale.objects.all()
    )
    yield [first, *rows]
    # They were never ordered or counted.
    Upscale.objects.exclude(pk=first.pk).delete()


@pytest.fixture
def signed_in(open_page: Any, owner: Person, live_server: Any, waiting: list[Upscale]) -> Any:
    def open_one(**options: Any) -> Any:
        page = open_page(expected="status of (409|422)", **options)
        page.context.add_cookies(
            [{"name": "sessionid", "value": owner.client.cookies["sessionid"].value, "url": live_server.url}]
        )
        page.goto(f"{live_server.url}/review/")
        return page

    return open_one


def test_a_hundred_results_are_approved_by_key_in_one_go(signed_in: Any) -> None:
    page = signed_in()
    page.get_by_text(f"{MANY} to decide").wait_for()
    began = time.monotonic()
    for _ in range(MANY):
        page.keyboard.press("a")
    pressed = time.monotonic() - began
    page.get_by_text("All on this page are decided").wait_for()
    took = time.monotonic() - began
    assert Upscale.objects.filter(review="approved").count() == MANY
    assert ReviewDecision.objects.count() == AuditEvent.objects.filter(action="approved").count() == MANY
    print(f"\n{1000 * pressed / MANY:.1f} ms per key, {1000 * took / MANY:.1f} ms until it is stored")
    page.goto(page.url)
    page.get_by_text("Nothing waits for approval").wait_for()


def test_reject_with_a_note_move_and_undo_by_key(signed_in: Any) -> None:
    page = signed_in()
    rows = page.locator("[data-review-row]")
    first = Upscale.objects.get(pk=rows.nth(0).get_attribute("id").split("-")[1])
    page.keyboard.press("r")
    page.keyboard.type("the logo is gone")
    page.keyboard.press("Enter")
    rows.nth(0).get_by_text("Rejected", exact=True).wait_for()
    first.refresh_from_db()
    assert (first.review, first.decisions.get().note) == ("rejected", "the logo is gone")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("u")
    rows.nth(0).get_by_text("Waits again").wait_for()
    first.refresh_from_db()
    assert first.review == "pending"
    assert rows.nth(0).evaluate("row => row === document.activeElement")


def test_a_refusal_shows_on_its_own_row(signed_in: Any, teammate: Person) -> None:
    page = signed_in()
    rows = page.locator("[data-review-row]")
    first = Upscale.objects.get(pk=rows.nth(0).get_attribute("id").split("-")[1])
    decisions.decide(upscale=first, approve=False, user=teammate.user)
    page.keyboard.press("a")
    rows.nth(0).get_by_text("Not decided: teammate has rejected this result already").wait_for()
    page.get_by_text("1 not taken").wait_for()
    page.keyboard.press("a")
    rows.nth(1).get_by_text("Approved", exact=True).wait_for()
    first.refresh_from_db()
    assert first.review == "rejected"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_the_queue_reads_well(signed_in: Any, scheme: str, options: dict[str, Any]) -> None:
    page = signed_in(color_scheme=scheme, **options)
    page.get_by_text(f"{MANY} to decide").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()

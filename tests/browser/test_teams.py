"""A colleague is invited, makes an account, and works in two teams, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_main_path import check, sign_in
from tests.support.live_server import ON_ONE_QUEUE, Desk, until

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]


def invited(desk: Desk, email: str) -> str:
    """The link in the e-mail, which goes to the desk's console."""

    def link() -> str:
        mails = desk.log.read_text(errors="replace").partition(f"To: {email}")[2]
        found = re.search(r"http://127\.0\.0\.1:\d+/invitations/[\w-]+/", mails)
        return found[0] if found else ""

    return str(until(link, what="the e-mail is on the console", seconds=20))


def test_invite_accept_and_switch(desk: Desk, open_page: Callable[..., Page]) -> None:
    desk.manage(
        "shell", "-c", "from upscaler.models import Team; Team.objects.get_or_create(name='Milano', slug='milano')"
    )
    admin = open_page()
    sign_in(admin, desk, "demo-admin")
    admin.goto(f"{desk.url}/team/")
    admin.get_by_label("E-mail").fill("nina@example.com")
    admin.get_by_role("button", name="Invite", exact=True).click()
    expect(admin.get_by_text("nina@example.com is invited")).to_be_visible()
    check(admin)

    page = open_page(**PHONE)
    page.goto(invited(desk, "nina@example.com"))
    check(page)
    page.get_by_label("User name").fill("nina")
    for label in ("Password", "The same again"):
        page.get_by_label(label, exact=True).fill("silk-and-tulle")
    page.get_by_role("button", name="Make the account and join").click()
    expect(page.get_by_text("Welcome to Demo")).to_be_visible()

    desk.manage(
        "shell",
        "-c",
        "from django.contrib.auth.models import User; from upscaler.models import *; "
        "Membership.objects.create(team=Team.objects.get(slug='milano'), user=User.objects.get(username='nina'))",
    )
    page.goto(f"{desk.url}/history/")
    page.locator(".foot").get_by_label("Team").select_option("Milano")
    expect(page.locator("#balance")).to_have_text("0 credits")
    expect(page).to_have_url(f"{desk.url}/history/")

    admin.goto(f"{desk.url}/team/")
    person = admin.locator(".person", has_text="nina")
    person.get_by_text("Change").click()
    person.get_by_role("button", name="Remove nina").click()
    expect(admin.get_by_text("nina is no longer in Demo")).to_be_visible()
    page.reload()
    expect(page.locator(".team-switch")).to_have_count(0)

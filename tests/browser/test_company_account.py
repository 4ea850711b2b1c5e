"""A person's first way in with the company's account, in a browser, with a provider that none of us wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import oidc_provider_mock
import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_second_factor import clean
from tests.support.live_server import Desk

pytestmark = pytest.mark.processes


@dataclass
class Company:
    """The company's provider, and a desk whose people sign in with it."""

    issuer: str
    desk: Desk


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    claims = {
        "email": "anna@acme.example",
        "email_verified": True,
        "preferred_username": "anna",
        "given_name": "Anna",
        "family_name": "Berg",
        "teams": ["Studio Berlin"],
    }
    users = [oidc_provider_mock.User(sub="anna-1", claims=claims)]
    desk = Desk("embedded", tmp_path_factory.mktemp("company"))
    with oidc_provider_mock.run_server_in_thread(user_claims=users, require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        desk.environment |= {
            "PUBLIC_URL": desk.url,
            "OIDC_ISSUER": issuer,
            "OIDC_CLIENT_ID": "upscaler",
            "OIDC_CLIENT_SECRET": "a-secret",
            "OIDC_NAME": "Acme",
            "OIDC_TEAM_CLAIM": "teams",
            "OIDC_TEAMS": "Studio Berlin=demo",
        }
        try:
            desk.set_up()
            desk.start_web()
            yield Company(issuer, desk)
        finally:
            desk.close()


def go_in(page: Page, company: Company) -> None:
    page.goto(f"{company.desk.url}/accounts/login/")
    page.get_by_role("link", name="Sign in with Acme").click()
    page.wait_for_url(f"{company.issuer}/**")
    page.get_by_role("button", name="anna-1").first.click()
    expect(page).to_have_url(f"{company.desk.url}/")


def test_a_person_signs_in_joins_the_team_and_signs_out_everywhere(
    company: Company, open_page: Callable[..., Page]
) -> None:
    desk = company.desk
    page, elsewhere = open_page(), open_page()
    for one in (page, elsewhere):
        # The provider's own look, which comes from the web.
        one.route("https://cdn.jsdelivr.net/**", lambda route: route.fulfill(body="", content_type="text/css"))
    page.goto(f"{desk.url}/accounts/login/")
    clean(page)
    go_in(page, company)
    page.goto(f"{desk.url}/team/")
    expect(page.get_by_text("Anna Berg").first).to_be_visible()
    page.goto(f"{desk.url}/accounts/password/")
    expect(page.get_by_text("anna@acme.example").first).to_be_visible()
    clean(page)
    # A token takes a sign-in instead of a password, since she has none here.
    page.goto(f"{desk.url}/tokens/")
    expect(page.get_by_label("Password")).to_have_count(0)
    go_in(elsewhere, company)
    page.goto(f"{desk.url}/accounts/password/")
    page.get_by_role("button", name="Sign out everywhere else").click()
    expect(page.get_by_text("You were signed in in 1 other place")).to_be_visible()
    elsewhere.goto(f"{desk.url}/history/")
    expect(elsewhere).to_have_url(f"{desk.url}/accounts/login/?next=/history/")
    # Here and at the provider.
    page.locator("form[action='/accounts/logout/'] button").first.click()
    page.wait_for_url(f"{company.issuer}/**")
    page.get_by_role("button", name="End session").click()
    expect(page).to_have_url(f"{desk.url}/accounts/login/")
    page.goto(f"{desk.url}/history/")
    expect(page).to_have_url(f"{desk.url}/accounts/login/?next=/history/")

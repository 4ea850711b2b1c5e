"""Signing in with the company's account: who gets in, into which team, with which role, and how they get out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest
import requests
from django.conf import settings
from django.test import Client

from tests.accounts.company import ANNA, User, events, refusal, roles, set_oidc
from tests.conftest import Person
from tests.support.oidc_provider import Provider, sign_in
from upscaler.accounts import passwords
from upscaler.accounts.oidc import provider
from upscaler.health import checks
from upscaler.models import Membership, OidcIdentity

pytestmark = pytest.mark.django_db
# --- Who somebody is ------------------------------------------------------------------------------


def test_the_first_sign_in_makes_an_account_and_the_next_finds_it(company: Provider, owner: Person) -> None:
    company.person["teams"] = [owner.team.slug]
    client, answer = sign_in(company, query="?next=/history/")
    assert (answer.status_code, answer["Location"]) == (302, "/history/")
    anna = User.objects.get(email="anna@acme.example")
    assert (anna.username, anna.get_full_name(), anna.has_usable_password()) == ("anna", "Anna Berg", False)
    assert client.get("/history/").status_code == 200
    company.person |= {"email": "anna.smith@acme.example", "preferred_username": "anna.smith"}
    _, answer = sign_in(company)
    assert answer.status_code == 302
    assert OidcIdentity.objects.get().user == anna, "known by issuer and subject, not by names or addresses"
    assert events(owner.team) == [
        "Joined as merchandiser, by the company’s account",
        "Signed in with the company’s account",
        "Signed in with the company’s account",
    ]


def test_names_that_are_taken_or_strange(company: Provider, owner: Person) -> None:
    for number, given in enumerate(["owner", "Owner", "<b>owner</b>", "", "é" * 300, 7, "\x00\ud800"]):
        company.person = {"sub": f"s-{number}", "preferred_username": given}
        assert sign_in(company)[1].status_code == 302
    names = list(User.objects.exclude(pk=owner.user.pk).order_by("pk").values_list("username", flat=True))
    assert names == ["owner-2", "Owner-3", "bownerb", "colleague", "é" * 150, "colleague-2", "colleague-3"]


def test_what_only_the_userinfo_endpoint_tells(company: Provider, owner: Person) -> None:
    company.person = {"sub": "anna-1"}
    company.userinfo = {**ANNA, "teams": owner.team.slug}
    sign_in(company)
    anna = User.objects.get(email="anna@acme.example")
    assert roles(anna) == {owner.team.slug: "merchandiser"}


@pytest.mark.parametrize("verified", [False, None, "yes", 1, "false"])
def test_an_address_that_nobody_confirmed_is_nobodys(company: Provider, verified: Any) -> None:
    company.person |= {"email_verified": verified}
    sign_in(company)
    user = OidcIdentity.objects.get().user
    assert (user.email, user.username) == ("", "anna")
    assert OidcIdentity.objects.get().email == "anna@acme.example"


def test_addresses_may_be_trusted_by_setting_but_not_against_the_providers_word(company: Provider) -> None:
    set_oidc(trust_email=True)
    company.person["email_verified"] = None
    sign_in(company)
    assert User.objects.get().email == "anna@acme.example"
    company.person = {"sub": "berta-2", "email": "berta@acme.example", "email_verified": False}
    sign_in(company)
    assert not User.objects.filter(email="berta@acme.example").exists()


@pytest.mark.parametrize(
    ("link_by_email", "verified", "is_staff", "is_linked"),
    [(True, True, False, True), (True, False, False, False), (False, True, False, False), (True, True, True, False)],
)
def test_an_account_with_the_same_address(
    company: Provider, owner: Person, link_by_email: bool, verified: bool, is_staff: bool, is_linked: bool
) -> None:
    set_oidc(link_by_email=link_by_email)
    User.objects.filter(pk=owner.user.pk).update(email="Anna@acme.example", is_staff=is_staff)
    company.person["email_verified"] = verified
    client, answer = sign_in(company)
    if is_linked:
        assert answer.status_code == 302 and OidcIdentity.objects.get().user == owner.user
        assert "Linked the company’s account anna@acme.example" in events(owner.team)
    else:
        refusal(answer, "There is an account here with your address, anna@acme.example")
        assert client.get("/history/").status_code == 302 and not OidcIdentity.objects.exists()
        assert User.objects.filter(email__iexact="anna@acme.example").count() == 1


def test_an_address_that_a_new_colleague_was_given(company: Provider) -> None:
    sign_in(company)
    set_oidc(link_by_email=True)
    company.person["sub"] = "anna-the-second"
    refusal(sign_in(company)[1], "is linked to another account at Acme")
    assert OidcIdentity.objects.count() == 1


def test_two_accounts_with_one_address_are_not_guessed_between(company: Provider, owner: Person, head: Person) -> None:
    set_oidc(link_by_email=True)
    User.objects.filter(pk__in=[owner.user.pk, head.user.pk]).update(email="anna@acme.example")
    refusal(sign_in(company)[1], "There is an account here with your address")


def test_a_closed_account_stays_closed(company: Provider) -> None:
    sign_in(company)
    User.objects.update(is_active=False)
    client, answer = sign_in(company)
    refusal(answer, "Your account here is closed")
    assert client.get("/history/").status_code == 302


def test_only_people_of_the_companys_domains(company: Provider) -> None:
    set_oidc(email_domains=("acme.example",))
    for email, verified in [
        ("eve@evil.example", True),
        ("eve@evil-acme.example", True),
        ("eve@acme.example", False),
        ("acme.example", True),
        ("", True),
    ]:
        company.person = {"sub": "eve", "email": email, "email_verified": verified}
        refusal(sign_in(company)[1], "This desk is for people with a confirmed address at acme.example")
    assert not User.objects.exists()
    company.person = {**ANNA, "email": "anna@ACME.example"}
    assert sign_in(company)[1].status_code == 302


# --- Linking --------------------------------------------------------------------------------------


def test_linking_ones_own_account(company: Provider, owner: Person) -> None:
    page = owner.client.get("/accounts/password/").content.decode()
    assert "Link your account at Acme" in page
    _, answer = sign_in(company, owner.client, "?link=1")
    assert answer["Location"] == "/accounts/oidc/link/" and not OidcIdentity.objects.exists()
    wrong = owner.client.post("/accounts/oidc/link/", {"password": "wrong"})
    assert wrong.status_code == 422 and passwords.WRONG in wrong.content.decode()
    done = owner.client.post("/accounts/oidc/link/", {"password": "a-good-password"}, follow=True)
    assert "anna@acme.example signs you in" in done.content.decode()
    assert OidcIdentity.objects.get().user == owner.user
    client, answer = sign_in(company)
    assert answer.status_code == 302 and client.get("/history/").wsgi_request.user == owner.user


def test_mixed_up_accounts_are_not_linked(company: Provider, owner: Person, head: Person) -> None:
    sign_in(company, owner.client, "?link=1")
    owner.client.post("/accounts/oidc/link/", {"password": "a-good-password"})
    refusal(sign_in(company, head.client, "?link=1")[1], "signs in to another account of this desk already")
    company.person = {"sub": "berta-2", "email": "berta@acme.example", "email_verified": True}
    refusal(sign_in(company, owner.client, "?link=1")[1], "Your account here is linked to anna@acme.example")
    refusal(sign_in(company, owner.client, "?again=1")[1], "You are signed in here as owner")
    assert OidcIdentity.objects.get().user == owner.user
    assert owner.client.get("/history/").status_code == 200


def test_a_link_is_not_finished_for_somebody_else(company: Provider, owner: Person, head: Person) -> None:
    begun = owner.client.get("/accounts/oidc/?link=1")
    back = company.authorize(begun["Location"])
    owner.client.force_login(head.user)
    answer = owner.client.get("/accounts/oidc/callback/", back)
    assert answer.status_code == 403 and not OidcIdentity.objects.exists()
    assert owner.client.get("/accounts/oidc/link/")["Location"] == "/accounts/password/"


def test_staff_unlink_in_the_admin(company: Provider, owner: Person) -> None:
    company.person["teams"] = [owner.team.slug]
    client, _ = sign_in(company)
    staff = Client()
    staff.force_login(User.objects.create_superuser("staff"))
    assert "anna@acme.example" in staff.get("/admin/upscaler/oidcidentity/").content.decode()
    identity = OidcIdentity.objects.get()
    staff.post(f"/admin/upscaler/oidcidentity/{identity.pk}/delete/", {"post": "yes"})
    assert not OidcIdentity.objects.exists() and client.get("/history/").status_code == 302
    assert events(owner.team)[-1] == "Unlinked the company’s account of Anna Berg: anna@acme.example"


# --- Teams and roles ------------------------------------------------------------------------------


def test_teams_by_claim_once_and_never_back_after_leaving(company: Provider, owner: Person, outsider: Person) -> None:
    set_oidc(teams={"Studio Berlin": owner.team.slug})
    company.person["teams"] = ["Studio Berlin", "no-such-team", 7, None]
    sign_in(company)
    anna = OidcIdentity.objects.get().user
    assert roles(anna) == {owner.team.slug: "merchandiser"}
    Membership.objects.filter(user=anna).delete()
    company.person["teams"] = ["Studio Berlin", outsider.team.slug]
    sign_in(company)
    assert roles(anna) == {outsider.team.slug: "merchandiser"}, "an admin's word is not overruled"


def test_the_role_follows_the_groups_at_each_sign_in(company: Provider, owner: Person, head: Person) -> None:
    company.person |= {"teams": [owner.team.slug], "groups": ["everybody", "desk-admins"]}
    sign_in(company)
    anna = OidcIdentity.objects.get().user
    assert roles(anna) == {owner.team.slug: "admin"}
    company.person["groups"] = ["everybody"]
    sign_in(company)
    assert roles(anna) == {owner.team.slug: "merchandiser"}
    assert "Changed a role of Anna Berg to merchandiser, by the company’s account" in events(owner.team)
    company.person |= {"groups": None, "_claim_names": {"groups": "src1"}}
    Membership.objects.filter(user=anna).update(role="admin")
    sign_in(company)
    assert roles(anna) == {owner.team.slug: "admin"}, "groups that were left out decide nothing"


def test_the_last_admin_stays_one_and_it_is_said(company: Provider, outsider: Person) -> None:
    company.person |= {"teams": [outsider.team.slug], "groups": ["desk-admins"]}
    sign_in(company)
    anna = OidcIdentity.objects.get().user
    Membership.objects.filter(team=outsider.team).exclude(user=anna).update(role="merchandiser")
    company.person["groups"] = []
    sign_in(company)
    assert roles(anna) == {outsider.team.slug: "admin"}
    assert "stays admin against the groups, being the team’s only one" in events(outsider.team)[-1]


def test_who_is_in_no_team_waits_and_an_admin_takes_them_in(company: Provider, owner: Person, head: Person) -> None:
    client, _ = sign_in(company)
    page = client.get("/")
    assert page.status_code == 403 and "Your account waits for a team admin" in page.content.decode()
    identity = OidcIdentity.objects.get()
    assert "anna@acme.example" not in owner.client.get("/team/").content.decode(), "merchandisers don't see it"
    people = head.client.get("/team/").content.decode()
    assert "Waiting for a team" in people and "anna@acme.example" in people
    sent = {"waiting": identity.pk, "role": "merchandiser"}
    assert owner.client.post("/team/accept/", sent).status_code == 403
    wrong = head.client.post("/team/accept/", {**sent, "role": "king"}, follow=True)
    assert "Choose Merchandiser or Admin" in wrong.content.decode()
    done = head.client.post("/team/accept/", sent, follow=True).content.decode()
    assert f"Anna Berg is in {head.team.name} now" in done and "Waiting for a team" not in done
    assert events(head.team)[-1] == "Joined as merchandiser, accepted by head"
    assert client.get("/").status_code == 200
    again = head.client.post("/team/accept/", sent, follow=True)
    assert "does not wait any more" in again.content.decode()


# --- Setting it up --------------------------------------------------------------------------------


def test_no_open_redirect(company: Provider) -> None:
    for target in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"):
        assert sign_in(company, query=f"?next={target}")[1]["Location"] == "/"


def test_checks_of_what_is_set_by_half(company: Provider) -> None:
    assert checks.company_sign_in_is_whole() == checks.company_sign_in_is_safe() == []
    set_oidc(client_secret="")
    [error] = checks.company_sign_in_is_whole()
    assert error.id == "upscaler.E010" and "OIDC_CLIENT_SECRET is not set" in error.msg
    set_oidc(issuer="", client_id="", only=True)
    assert [error.id for error in checks.company_sign_in_is_whole()] == ["upscaler.E011"]
    set_oidc(issuer="https://accounts.google.com", client_id="a", client_secret="b")
    assert [warning.id for warning in checks.company_sign_in_is_safe()] == ["upscaler.W011"]
    set_oidc(issuer="http://login.acme.example")
    assert [warning.id for warning in checks.company_sign_in_is_safe()] == ["upscaler.W010"]


def test_against_a_provider_that_none_of_us_wrote(owner: Person) -> None:
    """oidc-provider-mock, from its authorization page to its tokens."""
    users = [oidc_provider_mock.User(sub="anna-1", claims={**ANNA, "teams": owner.team.slug})]
    before = settings.OIDC
    with oidc_provider_mock.run_server_in_thread(user_claims=users, require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        settings.OIDC = replace(
            before, issuer=issuer, client_id="a", client_secret="b", name="Mock", team_claim="teams"
        )
        try:
            client = Client()
            there = client.get("/accounts/oidc/")["Location"]
            back = requests.post(there, data={"sub": "anna-1"}, allow_redirects=False, timeout=10)
            query = {name: values[0] for name, values in parse_qs(urlsplit(back.headers["Location"]).query).items()}
            assert client.get("/accounts/oidc/callback/", query)["Location"] == "/"
            assert client.get("/").status_code == 200
            assert client.post("/accounts/logout/").context["at_provider"].startswith(issuer)
        finally:
            settings.OIDC = before
            provider.forget()
    assert roles(User.objects.get(email="anna@acme.example")) == {owner.team.slug: "merchandiser"}

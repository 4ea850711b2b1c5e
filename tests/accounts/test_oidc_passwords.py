"""The company's sign-in beside passwords and second factors."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client, RequestFactory

from tests.accounts.company import User, refusal, roles, set_oidc
from tests.conftest import Person
from tests.support.oidc_provider import Provider, sign_in
from upscaler.accounts import invitations, passwords, second_factor
from upscaler.models import Email, OidcIdentity

pytestmark = pytest.mark.django_db


def test_with_oidc_only_passwords_are_for_staff(company: Provider, owner: Person) -> None:
    set_oidc(only=True)
    page = Client().get("/accounts/login/?next=/history/").content.decode()
    assert "Sign in with Acme" in page and "?next=%2Fhistory%2F" in page and 'name="password"' not in page
    assert 'name="password"' in Client().get("/accounts/login/?password=1").content.decode()
    refused = Client().post("/accounts/login/", {"username": "owner", "password": "a-good-password"})
    assert refused.status_code == 200 and "only staff sign in with a password" in refused.content.decode()
    User.objects.create_superuser("staff", password="a-good-password")
    assert Client().post("/accounts/login/", {"username": "staff", "password": "a-good-password"}).status_code == 302
    changed = {
        "old_password": "a-good-password",
        "new_password1": "another-good-one",
        "new_password2": "another-good-one",
    }
    assert "not with a password" in owner.client.post("/accounts/password/", changed, follow=True).content.decode()
    owner.user.refresh_from_db()
    assert owner.user.check_password("a-good-password")
    assert owner.api("get", "credits").status_code == 200, "programs go on"


def test_with_oidc_only_nobody_gets_a_link_for_a_new_password(company: Provider, owner: Person) -> None:
    set_oidc(only=True)
    User.objects.filter(pk=owner.user.pk).update(email="owner@acme.example")
    User.objects.create_superuser("staff", email="staff@acme.example", password="a-good-password")
    assert "Only staff have a password here" in Client().get("/accounts/forgotten/").content.decode()
    for address, most in (("owner@acme.example", 0), ("staff@acme.example", 1)):
        email = passwords.request_link(address, site="http://testserver")
        assert len(passwords.write(Email.objects.get(pk=email.pk))) == most


def test_with_oidc_only_an_invitation_leads_to_the_company(company: Provider, head: Person) -> None:
    set_oidc(only=True)
    _, link = invitations.invite(team=head.team, email="anna@acme.example", role="admin", by=head.user)
    path = urlsplit(link).path
    client = Client()
    page = client.get(path).content.decode()
    assert "password1" not in page and f"/accounts/oidc/?next={path.replace('/', '%2F')}" in page
    sent = {"username": "anna", "password1": "a-long-password", "password2": "a-long-password"}
    assert client.post(path, sent).status_code == 422 and not User.objects.filter(username="anna").exists()
    _, answer = sign_in(company, client, f"?next={path}")
    assert answer["Location"] == path
    client.post(path)
    assert roles(OidcIdentity.objects.get().user) == {head.team.slug: "admin"}


def test_a_token_takes_a_fresh_sign_in_where_there_is_no_password(company: Provider, owner: Person) -> None:
    company.person["teams"] = [owner.team.slug]
    client, _ = sign_in(company)
    form = {"name": "Import", "lasts": "90", "form_key": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
    with time_machine.travel(time.time() + 11 * 60, tick=False):
        late = client.post("/tokens/", form)
        assert late.status_code == 422 and "Sign in with Acme again" in late.content.decode()
    page = client.get("/tokens/").content.decode()
    assert "/accounts/oidc/?again=1&amp;next=%2Ftokens%2F" in page and 'name="password"' not in page
    begun = client.get("/accounts/oidc/?again=1&next=/tokens/")
    assert "prompt=login" in begun["Location"]
    back = client.get("/accounts/oidc/callback/", company.authorize(begun["Location"]))
    assert back["Location"] == "/tokens/"
    assert "Your token “Import”" in client.post("/tokens/", form).content.decode()


@pytest.mark.parametrize("asked", [True, False])
def test_the_second_factor_of_this_desk(company: Provider, owner: Person, asked: bool) -> None:
    set_oidc(ask_second_factor=asked)
    OidcIdentity.objects.create(issuer=company.issuer, subject="anna-1", user=owner.user)
    second_factor.draft(owner.user).__class__.objects.filter(user=owner.user).update(confirmed=True)
    client, answer = sign_in(company)
    assert answer["Location"] == ("/accounts/login/code/" if asked else "/")
    assert client.get("/history/").status_code == (302 if asked else 200)
    if not asked:
        assert client.get("/accounts/second-factor/")["Location"] == "/accounts/password/", "and stays signed in"
        assert client.get("/history/").status_code == 200


def test_a_fresh_sign_in_is_one_that_the_provider_says_is_fresh(company: Provider, owner: Person) -> None:
    """An open session at the provider must not do in place of a password."""
    company.person["teams"] = [owner.team.slug]
    form = {"name": "Import", "lasts": "90", "form_key": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
    client, _ = sign_in(company)
    assert client.post("/tokens/", form).status_code == 422, "it does not say when they signed in there"
    for said, words in (
        ({"auth_time": int(time.time()) - 3600}, "did not ask you to sign in anew"),
        ({"auth_time": None}, "does not say when you signed in there"),
        ({"auth_time": "now"}, "can’t be trusted"),
        ({"auth_time": True}, "does not say when you signed in there"),
        ({"auth_time": int(time.time()) + 3600}, "does not say when you signed in there"),
    ):
        company.claims = said
        refusal(sign_in(company, client, "?again=1")[1], words)
        assert client.post("/tokens/", form).status_code == 422
        assert client.get("/history/").status_code == 200, "and stays signed in as before"
    company.claims = {}
    assert parse_qs(urlsplit(client.get("/accounts/oidc/?again=1")["Location"]).query)["max_age"] == ["0"]
    assert sign_in(company, client, "?again=1")[1].status_code == 302
    assert "Your token “Import”" in client.post("/tokens/", form).content.decode()


def test_a_company_sign_in_that_was_left_marks_no_other_session(company: Provider, owner: Person, head: Person) -> None:
    set_oidc(ask_second_factor=True)
    OidcIdentity.objects.create(issuer=company.issuer, subject="anna-1", user=owner.user)
    second_factor.draft(owner.user).__class__.objects.filter(user=owner.user).update(confirmed=True)
    client, answer = sign_in(company)
    assert answer["Location"] == "/accounts/login/code/"
    client.post("/accounts/login/", {"username": "head", "password": "a-good-password"})
    assert client.get("/history/").wsgi_request.user == head.user and "oidc" not in client.session
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/", "not on to the provider"
    client, _ = sign_in(company)
    codes = second_factor.renew_codes(owner.user, request=RequestFactory().get("/"))
    assert client.post("/accounts/login/code/", {"code": codes[0]})["Location"] == "/"
    assert client.session["oidc"]["subject"] == "anna-1"
    assert client.post("/accounts/logout/").context["at_provider"].startswith(company.issuer)

"""Signing out of the desk and of the company's account: here, there, and everywhere."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from tests.conftest import Person
from tests.support.oidc_provider import Provider, sign_in

pytestmark = pytest.mark.django_db


def test_signing_out_here_and_at_the_provider(company: Provider) -> None:
    client, _ = sign_in(company)
    answer = client.post("/accounts/logout/")
    assert answer.status_code == 200 and answer["Clear-Site-Data"] == '"cache"'
    address = answer.context["at_provider"]
    assert address.startswith(f"{company.issuer}/end?") and 'http-equiv="refresh"' in answer.content.decode()
    query = parse_qs(urlsplit(address).query)
    assert query["post_logout_redirect_uri"] == ["http://testserver/accounts/login/"]
    assert query["id_token_hint"][0].count(".") == 2
    assert client.get("/history/").status_code == 302


def test_signing_out_where_the_provider_has_no_place_for_it(company: Provider, owner: Person) -> None:
    company.metadata = {"end_session_endpoint": None}
    client, _ = sign_in(company)
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert owner.client.post("/accounts/logout/")["Location"] == "/accounts/login/"


def test_signing_out_everywhere_else(owner: Person, head: Person) -> None:
    elsewhere = Client()
    elsewhere.force_login(owner.user)
    said = owner.client.post("/accounts/logout/everywhere/", follow=True).content.decode()
    assert "You were signed in in 1 other place, and are no more." in said
    assert elsewhere.get("/history/").status_code == 302
    assert owner.client.get("/history/").status_code == head.client.get("/history/").status_code == 200


def told(token: str) -> int:
    return (
        Client(enforce_csrf_checks=True)
        .post("/accounts/oidc/back-channel-logout/", {"logout_token": token})
        .status_code
    )


def test_the_provider_signs_people_out(company: Provider, owner: Person) -> None:
    company.person["sid"] = "session-1"
    client, _ = sign_in(company)
    company.person["sid"] = "session-2"
    other, _ = sign_in(company)
    assert told(company.logout_token(sid="session-1")) == 200
    assert [one.get("/accounts/password/").status_code for one in (client, other)] == [302, 200]
    assert owner.client.get("/history/").status_code == 200
    assert told(company.logout_token()) == 200
    assert other.get("/accounts/password/").status_code == 302


def test_a_logout_token_that_is_sent_again_ends_nothing_new(company: Provider) -> None:
    sign_in(company)
    token = company.logout_token()
    assert told(token) == 200
    company.claims = {"iat": int(time.time()) + 5}
    later, _ = sign_in(company)
    assert told(token) == 200
    assert later.get("/accounts/password/").status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"events": {}},
        {"events": "backchannel-logout"},
        {"nonce": "an ID token's"},
        {"sub": None},
        {"iat": int(time.time()) - 3600},
        {"iat": None},
        {"exp": int(time.time()) - 3600},
    ],
    ids=["issuer", "audience", "no event", "event of text", "nonce", "nobody", "old", "undated", "expired"],
)
def test_logout_tokens_that_do_not_count(company: Provider, claims: dict[str, Any]) -> None:
    client, _ = sign_in(company)
    assert told(company.logout_token(**claims)) == 400
    assert told("") == told("a.b.c") == 400
    assert client.get("/accounts/password/").status_code == 200


def test_an_id_token_signs_nobody_out(company: Provider) -> None:
    client, _ = sign_in(company)
    assert told(client.session["oidc"]["id_token"]) == 400
    assert client.get("/accounts/password/").status_code == 200

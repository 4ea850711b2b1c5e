"""What a provider, or somebody on the way, sends that must not sign anybody in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.support import oidc_provider, webserver
from tests.support.oidc_provider import Provider, new_key, sign_in
from upscaler.accounts.oidc import provider
from upscaler.models import OidcIdentity

pytestmark = pytest.mark.django_db
NOW = int(time.time())


@pytest.fixture
def company(db: None) -> Iterator[Provider]:
    with oidc_provider.serving() as company:
        yield company


def refused(client: Client, answer: Any, words: str, status: int = 403) -> None:
    page = answer.content.decode()
    assert (answer.status_code, words in page) == (status, True), page
    assert "<html" in page and "Acme" in page
    assert client.get("/history/").status_code == 302, "nobody is signed in"
    assert not OidcIdentity.objects.exists() and not get_user_model().objects.exists()


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another-program"},
        {"aud": []},
        {"aud": None},
        {"aud": [oidc_provider.CLIENT_ID, "another"]},
        {"aud": [oidc_provider.CLIENT_ID, "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": NOW - 3600},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": NOW + 3600},
        {"iat": None},
        {"nbf": NOW + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\x00b"},
        {"at_hash": "of-another-token"},
    ],
    ids=", ".join,
)
def test_a_token_that_is_not_for_this_sign_in(company: Provider, claims: dict[str, Any]) -> None:
    company.claims = claims
    refused(*sign_in(company), "can’t be trusted")


def of_another_key(company: Provider) -> Callable[[dict[str, Any]], str]:
    other = new_key()
    return lambda said: company.token(said, key=other, kid=company.key.kid)


def cut(company: Provider) -> Callable[[dict[str, Any]], str]:
    return lambda said: company.token(said).rpartition(".")[0] + "."


@pytest.mark.parametrize(
    "forged",
    [
        lambda company: company.unsigned,
        lambda company: company.signed_with_public_key,
        of_another_key,
        cut,
        lambda company: lambda said: "no.token",
        lambda company: lambda said: "",
        lambda company: lambda said: None,
        lambda company: lambda said: {"a": "b"},
        lambda company: lambda said: company.token(said, kid="never heard of"),
    ],
    ids=["none", "HS256 with the public key", "another key", "cut", "rubbish", "empty", "null", "an object", "unknown"],
)
def test_a_token_without_a_good_signature(company: Provider, forged: Callable[[Provider], Any]) -> None:
    company.sign = forged(company)
    refused(*sign_in(company), "can’t be trusted")


def test_a_state_that_nobody_began_with(company: Provider) -> None:
    refused(*sign_in(company, state="guessed"), "begun elsewhere")
    assert "/token" not in company.asked, "the code is not sent on"


def test_an_answer_in_another_browser(company: Provider) -> None:
    victim, attacker = Client(), Client()
    back = company.authorize(attacker.get("/accounts/oidc/")["Location"])
    refused(victim, victim.get("/accounts/oidc/callback/", back), "begun elsewhere")


def test_an_answer_that_comes_twice(company: Provider) -> None:
    client = Client()
    back = company.authorize(client.get("/accounts/oidc/")["Location"])
    assert client.get("/accounts/oidc/callback/", back).status_code == 302
    client.post("/accounts/logout/")
    again = client.get("/accounts/oidc/callback/", back)
    assert again.status_code == 403 and "used already" in again.content.decode()


def test_a_code_that_was_used(company: Provider) -> None:
    client = Client()
    back = company.authorize(client.get("/accounts/oidc/")["Location"])
    del company.codes[back["code"]]
    refused(client, client.get("/accounts/oidc/callback/", back), "was used before, or took too long")


def test_a_code_of_another_sign_in(company: Provider) -> None:
    """PKCE: a code that was stolen can't be used where another verifier is."""
    stolen = company.authorize(Client().get("/accounts/oidc/")["Location"])["code"]
    refused(*sign_in(company, code=stolen), "was used before, or took too long")


def test_a_token_of_an_earlier_sign_in(company: Provider) -> None:
    kept: list[str] = []

    def keep(said: dict[str, Any]) -> str:
        kept.append(company.token(said))
        return kept[0]

    company.sign = keep
    client, answer = sign_in(company)
    assert answer.status_code == 302
    client.post("/accounts/logout/")
    _, again = sign_in(company)
    assert again.status_code == 403 and len(kept) == 2


def test_an_answer_of_another_provider(company: Provider) -> None:
    refused(*sign_in(company, iss="https://evil.example"), "not of Acme")


def test_somebody_else_at_the_userinfo_endpoint(company: Provider) -> None:
    company.userinfo = {"sub": "berta-2", "email": "berta@acme.example", "email_verified": True}
    refused(*sign_in(company), "two people")


def test_a_person_who_declines(company: Provider) -> None:
    refused(*sign_in(company, code="", error="access_denied"), "signed nobody in")


def test_a_provider_that_speaks_for_another(company: Provider) -> None:
    company.metadata = {"issuer": "https://evil.example"}
    client = Client()
    refused(client, client.get("/accounts/oidc/"), "not set up rightly")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://acme.example/", None, 7])
def test_a_provider_that_leads_elsewhere(company: Provider, address: Any) -> None:
    company.metadata = {"authorization_endpoint": address}
    client = Client()
    refused(client, client.get("/accounts/oidc/"), "not set up rightly")


def test_a_key_that_is_new(company: Provider) -> None:
    """Keys are asked for once, and once more where a token names an unknown one; made-up names don't make it ask."""
    sign_in(company)
    _, answer = sign_in(company)
    assert (answer.status_code, company.asked.count("/keys")) == (302, 1)
    company.key = new_key()
    _, answer = sign_in(company)
    assert (answer.status_code, company.asked.count("/keys")) == (302, 2)
    company.key = new_key()
    _, answer = sign_in(company)
    assert (answer.status_code, company.asked.count("/keys")) == (403, 2), "not again within half a minute"


@pytest.mark.parametrize(
    "answer",
    [
        webserver.body(b"", 500),
        webserver.body(b"<html>", 200),
        webserver.body(b"[]", 200),
        webserver.redirect("https://evil.example/"),
        webserver.cut,
        webserver.hang_up,
    ],
    ids=["500", "a page", "a list", "redirect", "cut", "broken off"],
)
def test_a_provider_that_is_broken(company: Provider, answer: webserver.Answer) -> None:
    company.answer = answer
    client = Client()
    got = client.get("/accounts/oidc/?next=/history/")
    assert got.status_code in (403, 503)
    refused(client, got, "Try again with Acme", got.status_code)
    assert "next=%2Fhistory%2F" in got.content.decode()


@pytest.mark.parametrize(
    "answer", [webserver.silent, webserver.dripping_head, webserver.dripping_body, webserver.endless]
)
def test_a_provider_that_holds_people_up(answer: webserver.Answer) -> None:
    with oidc_provider.serving(time_limit=1) as company:
        company.answer = answer
        client, begun = Client(), time.monotonic()
        got = client.get("/accounts/oidc/")
        assert time.monotonic() - begun < 5
        refused(client, got, "does not answer", 503)
        assert got["Retry-After"] == str(provider.PAUSE_SECONDS)
        begun = time.monotonic()
        assert client.get("/accounts/oidc/").status_code == 503
        assert time.monotonic() - begun < 0.5, "and the next one does not wait at all"


def test_a_wrong_secret_is_the_operators_business(company: Provider, caplog: pytest.LogCaptureFixture) -> None:
    from dataclasses import replace

    from django.conf import settings

    settings.OIDC = replace(settings.OIDC, client_secret="wrong-secret")
    refused(*sign_in(company), "not set up rightly")
    assert "OIDC_CLIENT_SECRET" in caplog.text and "wrong-secret" not in caplog.text

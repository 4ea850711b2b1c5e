"""Changing a password, and replacing a forgotten one by e-mail."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.accounts.test_sign_in import PASSWORD, fail, sign_in
from tests.conftest import Person
from tests.support.mail import deliver
from upscaler.accounts import rate_limit
from upscaler.models import AuditEvent, Email

NEW = "velvet-and-lace"


def link_for(owner: Person, email: str = "owner@example.com") -> str:
    """Ask for a new password; the path of the link in the e-mail."""
    get_user_model().objects.filter(pk=owner.user.pk).update(email="owner@example.com")
    assert Client().post("/accounts/forgotten/", {"email": email})["Location"] == "/accounts/forgotten/sent/"
    found = re.search(r"https?://[\w.]+(/accounts/forgotten/[\w-]+/[\w-]+/)", str(deliver()[-1].body))
    assert found
    return found[1]


def test_a_cache_that_is_away_keeps_nobody_from_a_new_password(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_away_until", 0.0)
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": redis}):
        path = link_for(owner)
    assert "Set a new password" in Client().get(path, follow=True).content.decode()


def test_changing_the_password_keeps_this_session_and_ends_the_others(owner: Person) -> None:
    elsewhere = Client()
    sign_in("owner", client=elsewhere)
    page = owner.client.get("/history/").content.decode()
    assert page.count('href="/accounts/password/"') == 2, "in the bar, and in the foot for phones"
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    answer = owner.client.post("/accounts/password/", data, follow=True)
    assert "Your new password is set" in answer.content.decode()
    assert owner.client.get("/history/").status_code == 200
    assert elsewhere.get("/history/").status_code == 302
    assert sign_in("owner", NEW).status_code == 302
    assert str(AuditEvent.objects.get(action="password_changed")) == "owner: Changed the password"


def test_what_is_wrong_with_a_new_password_is_said(owner: Person) -> None:
    good = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    for change, words in (
        ({"old_password": "wrong"}, "entered incorrectly"),
        ({"new_password1": "short", "new_password2": "short"}, "at least 12 characters"),
        ({"new_password2": "other"}, "match"),
        ({"new_password1": "a\0b", "new_password2": "a\0b"}, "Null characters"),
        ({"new_password1": "", "new_password2": ""}, "required"),
    ):
        answer = owner.client.post("/accounts/password/", {**good, **change})
        assert words in answer.content.decode(), change
    assert sign_in("owner").status_code == 302
    assert not AuditEvent.objects.filter(action="password_changed").exists()


def test_the_account_page_says_who_one_is(owner: Person, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(4):
        page = owner.client.get("/accounts/password/").content.decode()
    assert "Atelier, merchandiser" in page
    owner.user.memberships.all().delete()
    assert owner.client.get("/accounts/password/").status_code == 200, "also without a team"


def test_a_forgotten_password_is_replaced_by_e_mail(owner: Person) -> None:
    fail("owner", 5)
    path = link_for(owner, "Owner@Example.com")
    [message] = deliver()
    assert (message.to, message.subject) == (["owner@example.com"], "Set a new password for Upscaler")
    assert "“owner”" in message.body
    guest = Client()
    page = guest.get(path, follow=True)
    assert "Set a new password" in page.content.decode()
    here = page.redirect_chain[-1][0]
    assert "at least 12" in guest.post(here, {"new_password1": "x", "new_password2": "x"}).content.decode()
    answer = guest.post(here, {"new_password1": NEW, "new_password2": NEW}, follow=True)
    assert "Sign in with it" in answer.content.decode()
    assert owner.client.get("/history/").status_code == 302, "sessions with the old password end"
    assert sign_in("owner", NEW).status_code == 302, "the lock of the name ends with it"
    assert "no longer works" in Client().get(path, follow=True).content.decode(), "it works once"
    assert AuditEvent.objects.get(action="password_changed").about == "by a link in an e-mail"


def test_nobody_learns_whether_an_address_has_an_account(owner: Person) -> None:
    link_for(owner)
    answers = [
        Client().post("/accounts/forgotten/", {"email": email}, follow=True)
        for email in ("owner@example.com", "nobody@example.com")
    ]
    assert answers[0].content == answers[1].content
    assert len(deliver()) == 1, "no second e-mail within a minute"
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        Client().post("/accounts/forgotten/", {"email": "owner@example.com"})
        assert len(deliver()) == 2


def test_a_link_for_a_new_password_runs_out_and_nonsense_is_refused(owner: Person) -> None:
    path = link_for(owner)
    for other in ("/accounts/forgotten/x/y/", "/accounts/forgotten/%00/%ff/", f"/accounts/forgotten/{'9' * 999}/a-b/"):
        assert "no longer works" in Client().get(other, follow=True).content.decode()
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert "no longer works" in Client().get(path, follow=True).content.decode()
    for email in ("", "x", "a\0@b.example", "x" * 900 + "@example.com"):
        assert Client().post("/accounts/forgotten/", {"email": email}).status_code == 200


def test_the_link_uses_the_public_address_and_a_dead_mail_server_is_no_hint(owner: Person, settings: Any) -> None:
    settings.PUBLIC_URL = "https://upscaler.example.com"
    link_for(owner)
    assert "https://upscaler.example.com/accounts/forgotten/" in deliver()[0].body
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        answer = Client().post("/accounts/forgotten/", {"email": "owner@example.com"})
        assert answer["Location"] == "/accounts/forgotten/sent/"
        assert len(deliver()) == 1
        assert Email.objects.first().failure == "The mail server does not answer."
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert len(deliver()) == 2, "it is tried again"


def test_no_link_for_a_new_password_is_stored(owner: Person) -> None:
    path = link_for(owner)
    *_, token, _ = path.split("/")
    [row] = Email.objects.values()
    assert token not in str(row) and row["text"] == ""
    assert row["to"] == ["owner@example.com"]


def test_the_request_does_the_same_for_every_address(owner: Person) -> None:
    get_user_model().objects.filter(pk=owner.user.pk).update(email="owner@example.com")
    done = []
    for email in ("owner@example.com", "nobody@example.com", "owner@example.com"):
        with CaptureQueriesContext(connection) as queries:
            Client().post("/accounts/forgotten/", {"email": email})
        done.append([re.sub(r"'.*'|\d", "", query["sql"]) for query in queries])
    assert done[0] == done[1] == done[2]
    assert Email.objects.count() == 3
    assert [message.to for message in deliver()] == [["owner@example.com"]]
    assert Email.objects.count() == 1, "nothing is kept of whom nobody knows"


def test_a_link_that_could_not_be_sent_in_time_is_not_sent_any_more(owner: Person) -> None:
    link_for(owner)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        Client().post("/accounts/forgotten/", {"email": "owner@example.com"})
    with time_machine.travel(timezone.now() + timedelta(hours=24, minutes=3)):
        assert len(deliver()) == 1


def test_whose_account_was_closed_in_between_gets_no_link(owner: Person) -> None:
    get_user_model().objects.filter(pk=owner.user.pk).update(email="owner@example.com")
    Client().post("/accounts/forgotten/", {"email": "owner@example.com"})
    get_user_model().objects.filter(pk=owner.user.pk).update(is_active=False)
    assert deliver() == []

"""Invitations: from the admin's form to the new colleague's first page, and every way that can go wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client, override_settings
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.processing.test_worker_step import raising
from tests.support.concurrency import at_once
from tests.support.mail import deliver
from upscaler.accounts import invitations
from upscaler.models import AuditEvent, Email, Invitation, Membership
from upscaler.queue import sweep, tasks

ACCOUNT = {"username": "nina", "first_name": "Nina Ricci", "password1": "silk-and-tulle", "password2": "silk-and-tulle"}


def link_in(text: str) -> str:
    return re.search(r"http://testserver(/invitations/[\w-]+/)", text)[1]  # type: ignore[index]


def invite(head: Person, email: str = "nina@example.com", role: str = "merchandiser") -> str:
    """Invite by the form; the link's path in the e-mail."""
    answer = head.client.post("/team/invite/", {"email": email, "role": role}, follow=True)
    page = answer.content.decode()
    assert f"{email} is invited" in page and "An e-mail with the link is on its way" in page
    link = link_in(str(deliver()[-1].body))
    assert link in page, "to be passed on by hand, too"
    return link


@override_settings(EMAIL_BACKEND="django.core.mail.backends.console.EmailBackend")
def test_a_desk_that_sends_no_e_mails_says_so_where_the_link_is_shown(head: Person) -> None:
    before = head.client.get("/team/").content.decode()
    assert "This desk sends no e-mails yet: you are shown a link to pass on" in before
    answer = head.client.post("/team/invite/", {"email": "nina@example.com", "role": "merchandiser"})
    page = answer.content.decode()
    assert "This desk sends no e-mails yet, so pass the link on yourself." in page
    assert "is on its way" not in page and "waiting to be sent" not in page
    assert Client().get(link_in(page)).status_code == 200
    assert "No e-mail reached them" in head.client.get("/team/").content.decode()


def test_an_invitation_by_e_mail_makes_an_account_and_a_colleague(head: Person) -> None:
    link = invite(head, role="admin")
    [message] = mail.outbox
    assert (message.to, message.subject) == (["nina@example.com"], "Join Atelier on Upscaler")
    assert "head invites you" in message.body and "as admin" in message.body
    assert link.split("/")[2] not in str(Invitation.objects.values().get()), "only a hash is stored"

    guest = Client()
    page = guest.get(link).content.decode()
    assert "Join Atelier" in page and 'value="nina@example.com" readonly' in page
    answer = guest.post(link, {**ACCOUNT, "email": "other@example.com"}, follow=True)
    assert "Welcome to Atelier" in answer.content.decode()
    nina = get_user_model().objects.get(username="nina")
    assert (nina.email, nina.get_full_name(), nina.is_staff) == ("nina@example.com", "Nina Ricci", False)
    assert nina.check_password("silk-and-tulle")
    assert Membership.objects.get(user=nina).is_admin
    assert guest.get("/team/").status_code == 200
    events = [str(event) for event in AuditEvent.objects.filter(team=head.team).order_by("pk")]
    assert events == [
        "head: Invited nina@example.com as admin",
        "Nina Ricci: Joined as admin, invited by e-mail to nina@example.com",
        "Nina Ricci: Signed in",
    ]


def test_somebody_with_an_account_signs_in_and_joins(head: Person, outsider: Person) -> None:
    get_user_model().objects.filter(pk=outsider.user.pk).update(email="Out@example.com")
    link = invite(head, "out@example.com")
    guest = Client()
    page = guest.get(link).content.decode()
    assert f"/accounts/login/?next=%2F{link.strip('/').replace('/', '%2F')}%2F" in page
    assert "password1" not in page, "no second account for one address"
    assert guest.post(link, ACCOUNT).status_code == 422
    answer = guest.post(
        "/accounts/login/", {"username": "outsider", "password": "a-good-password", "next": link}, follow=True
    )
    assert "Join Atelier as merchandiser" in answer.content.decode()
    answer = guest.post(link, follow=True)
    assert 'data-balance="100"' in answer.content.decode()
    assert answer.context["request"].team == head.team, "they work in the new team from here on"
    assert answer.content.decode().count('action="/team/switch/"') == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password2": "other"}, "match"),
        ({"password1": "short1", "password2": "short1"}, "at least 12 characters"),
        ({"password1": "password123", "password2": "password123"}, "too common"),
        ({"password1": "nina@example", "password2": "nina@example"}, "too similar"),
        ({"username": "head"}, "already exists"),
        ({"username": "HEAD"}, "already exists"),
        ({"username": "a b"}, "valid username"),
        ({"username": "n" * 200}, "at most 150"),
        ({"username": "a\0b"}, "Null characters"),
        ({"first_name": "N" * 500}, "at most 150"),
        ({"username": ""}, "required"),
    ],
)
def test_what_is_wrong_with_a_new_account_is_said(head: Person, change: dict[str, str], message: str) -> None:
    link = invite(head)
    answer = Client().post(link, {**ACCOUNT, **change})
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert Membership.objects.count() == 1
    assert Client().get(link).status_code == 200, "the invitation is still good"


def test_links_that_no_longer_work_say_why(head: Person, outsider: Person) -> None:
    used, withdrawn, expired, renewed = (invite(head, f"{i}@example.com") for i in range(4))
    Client().post(used, ACCOUNT)
    for which, what, status in ((1, "withdraw", 302), (3, "again", 200)):
        pk = Invitation.objects.get(email=f"{which}@example.com").pk
        assert head.client.post(f"/team/invitations/{what}/", {"invitation": pk}).status_code == status
    newest = link_in(str(deliver()[-1].body))
    with time_machine.travel(timezone.now() + invitations.LIFETIME + timedelta(seconds=1)):
        for link, status, words in (
            (used, 410, "accepted already"),
            (withdrawn, 410, "was withdrawn"),
            (expired, 410, "run out"),
            (newest, 410, "run out"),
            (renewed, 404, "don’t know this invitation"),
            ("/invitations/nonsense/", 404, "copy all of it"),
            ("/invitations/%00%ff/", 404, "copy all of it"),
            (f"/invitations/{'x' * 3000}/", 404, "copy all of it"),
        ):
            for answer in (Client().get(link), Client().post(link, ACCOUNT)):
                assert answer.status_code == status
                assert words in answer.content.decode()
    assert get_user_model().objects.count() == 3
    assert Client().get(newest).status_code == 200, "sent again: a new week"


def test_an_invitation_that_ran_out_can_be_sent_again(head: Person) -> None:
    invite(head)
    pk = Invitation.objects.get().pk
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert "The link ran out" in head.client.get("/team/").content.decode()
    head.client.post("/team/invitations/again/", {"invitation": pk})
    assert Client().get(link_in(str(deliver()[-1].body))).status_code == 200
    head.client.post("/team/invitations/withdraw/", {"invitation": pk})
    answer = head.client.post("/team/invitations/again/", {"invitation": pk}, follow=True)
    assert "was withdrawn in the meantime" in answer.content.decode()
    assert len(deliver()) == 2


def test_a_member_who_opens_a_link_does_not_use_it_up(head: Person) -> None:
    link = invite(head)
    for answer in (head.client.get(link), head.client.post(link)):
        assert "You are in Atelier already" in answer.content.decode()
    assert Client().get(link).status_code == 200


@pytest.mark.parametrize(
    ("email", "message"),
    [
        ("", "give the e-mail address"),
        ("anna", "not an e-mail address"),
        ("a@example.com\nBcc: b@example.com", "not an e-mail address"),
        ("x" * 400 + "@example.com", "at most"),
        ("a\0@example.com", "ull characters"),
        ("nina@example.com", "invited already"),
        ("NINA@example.com", "invited already"),
        ("Owner@example.com", "who is in this team already"),
    ],
)
def test_whom_one_can_t_invite(head: Person, owner: Person, email: str, message: str) -> None:
    invite(head)
    get_user_model().objects.filter(pk=owner.user.pk).update(email="owner@example.com")
    answer = head.client.post("/team/invite/", {"email": email, "role": "merchandiser"})
    assert answer.status_code == 422
    assert message in answer.content.decode()
    assert Invitation.objects.count() == len(deliver()) == 1


def test_a_mail_server_that_fails_loses_no_invitation(head: Person) -> None:
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=1
    ):
        answer = head.client.post("/team/invite/", {"email": "nina@example.com", "role": "merchandiser"})
        page = answer.content.decode()
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert "The e-mail is waiting to be sent" in page
        link = link_in(page)
        assert deliver() == []
    page = head.client.get("/team/").content.decode()
    assert "The e-mail could not be sent so far" in page and "The mail server does not answer." in page
    assert "“Send again” shows a new link that you can pass on yourself" in page
    assert link not in page, "shown once"
    assert Client().get(link).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        [message] = deliver()
    assert (message.to, link_in(str(message.body))) == (["nina@example.com"], link)
    page = head.client.get("/team/").content.decode()
    assert "nina@example.com" in page and "The e-mail" not in page, "it has left"


def test_a_link_is_kept_only_until_its_e_mail_has_left_or_is_not_wanted(head: Person, outsider: Person) -> None:
    with_link = Email.objects.filter(text__contains="/invitations/")
    emails = [f"{i}@example.com" for i in range(5)]
    links = []
    for email in emails:
        answer = head.client.post("/team/invite/", {"email": email, "role": "merchandiser"})
        links.append(link_in(answer.content.decode()))
    assert with_link.count() == 5
    withdrawn, renewed, _used, sent, given_up = (Invitation.objects.get(email=email) for email in emails)
    head.client.post("/team/invitations/withdraw/", {"invitation": withdrawn.pk})
    head.client.post("/team/invitations/again/", {"invitation": renewed.pk})
    outsider.client.post(links[2])
    assert {email.to[0] for email in with_link.all()} == {renewed.email, sent.email, given_up.email}
    assert not with_link.filter(text__contains=links[1]).exists()
    Email.objects.filter(pk=given_up.last_email_id).update(due_at=timezone.now() + timedelta(days=1))
    assert [message.to for message in deliver()] == [[sent.email], [renewed.email]], "dead links do not leave"
    assert [email.to for email in with_link.all()] == [[given_up.email]]
    with time_machine.travel(given_up.expires_at + timedelta(seconds=1)):
        sweep.sweep()
        assert not with_link.exists()
        assert len(deliver()) == 2, "given up"
        page = head.client.get("/team/").content.decode()
    assert "The e-mail was never sent." in page


def test_a_queue_that_is_away_loses_no_invitation(head: Person, django_capture_on_commit_callbacks: Any) -> None:
    form = {"email": "nina@example.com", "role": "merchandiser"}
    with pytest.MonkeyPatch.context() as patched, django_capture_on_commit_callbacks(execute=True) as callbacks:
        patched.setattr(type(tasks.send_email), "enqueue", raising(OSError("the broker is away")))
        assert head.client.post("/team/invite/", form).status_code == 200
    assert callbacks and not DBTaskResult.objects.exists()
    sweep.sweep(timezone.now() + timedelta(minutes=1))
    [row] = DBTaskResult.objects.all()
    assert (row.queue_name, row.args_kwargs["args"]) == ("mail", [Email.objects.get().pk])
    assert len(deliver()) == 1


def test_an_invitation_wakes_a_worker_at_once(head: Person, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        head.client.post("/team/invite/", {"email": "nina@example.com", "role": "merchandiser"})
    [row] = DBTaskResult.objects.all()
    assert (row.queue_name, row.args_kwargs["args"]) == ("mail", [Email.objects.get().pk])


def test_links_use_the_public_address(head: Person, settings: Any) -> None:
    settings.PUBLIC_URL = "https://upscaler.example.com"
    head.client.post("/team/invite/", {"email": "nina@example.com", "role": "merchandiser"})
    assert "https://upscaler.example.com/invitations/" in deliver()[0].body


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_join_once(head: Person, outsider: Person) -> None:
    link = invite(head)
    places = [outsider.client, Client()]

    def click() -> int:
        return int(places.pop().post(link, ACCOUNT).status_code)

    assert sorted(at_once(2, click)) in ([302, 410], [302, 302])
    assert Membership.objects.filter(team=head.team).count() == 2
    assert AuditEvent.objects.filter(action="joined").count() == 1
    nina = get_user_model().objects.filter(username="nina")
    assert nina.exists() == Membership.objects.filter(user__in=nina).exists(), "no account without a place"

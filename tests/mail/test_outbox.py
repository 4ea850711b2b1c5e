"""The one way out for e-mails: once each, again after a failure, and never a secret where it can be read."""

from __future__ import annotations

import importlib
import smtplib
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.conftest import Person
from tests.processing.test_worker_step import raising
from tests.support.concurrency import at_once
from tests.support.mail import deliver
from upscaler.mail import outbox
from upscaler.models import Email, Membership
from upscaler.queue import sweep, tasks


@pytest.fixture
def addresses(owner: Person, teammate: Person, head: Person) -> None:
    for person in (owner, teammate, head):
        person.user.email = f"{person.user.username}@atelier.example"
        person.user.save()


def note(team: Any, **more: Any) -> Email:
    defaults = {"kind": Email.Kind.LOW_BALANCE, "subject": "Little is left", "text": "Really.", "team_id": team.pk}
    return outbox.post(**{**defaults, **more})


def test_people_are_looked_up_when_it_leaves(owner: Person, teammate: Person, head: Person, addresses: None) -> None:
    note(owner.team, to_admins=True)
    note(owner.team, to_admins=True, user=owner.user)
    note(owner.team, user=owner.user)
    note(owner.team, user=teammate.user)
    Membership.objects.filter(user=owner.user).update(role=Membership.Role.ADMIN)
    teammate.user.memberships.all().delete()
    first, second, third = deliver()
    assert [first.to, second.to, third.to] == [
        ["head@atelier.example", "owner@atelier.example"],
        ["head@atelier.example"],
        ["owner@atelier.example"],
    ], "who became an admin is told, who left is not"
    assert {tuple(email.to) for email in Email.objects.all()} == {*map(tuple, (first.to, second.to, third.to)), ()}
    assert not Email.objects.filter(sent_at=None).exists()


def test_what_is_undone_sends_nothing(owner: Person) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        note(owner.team, to=["a@example.com"])
        raise RuntimeError
    assert deliver() == []


def test_a_team_is_told_once_of_each(owner: Person, outsider: Person) -> None:
    note(owner.team, about="grant:1")
    assert outbox.was_posted(team_id=owner.team.pk, kind="low_balance", about="grant:1")
    assert not outbox.was_posted(team_id=outsider.team.pk, kind="low_balance", about="grant:1")
    with pytest.raises(IntegrityError), transaction.atomic():
        note(owner.team, about="grant:1")
    note(outsider.team, about="grant:1")
    note(owner.team, about="grant:2")


def test_a_team_s_name_is_no_way_to_forge_a_header(owner: Person) -> None:
    note(owner.team, to=["a@example.com"], subject="Join\r\nBcc: b@example.com")
    [message] = deliver()
    assert message.subject == "Join Bcc: b@example.com"
    assert message.recipients() == ["a@example.com"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "The mail server does not answer."),
        (TimeoutError(), "The mail server does not answer."),
        (smtplib.SMTPServerDisconnected("gone"), "The mail server does not answer."),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (550, b"no such user")}), "refuses the address."),
        (smtplib.SMTPSenderRefused(550, b"no", "x"), "refuses the desk’s own address"),
        (smtplib.SMTPAuthenticationError(535, b"no"), "refuses the desk’s name or password."),
        (smtplib.SMTPDataError(554, b"spam"), "refuses the e-mail."),
        (ValueError("nonsense"), "Something went wrong on our side."),
    ],
)
def test_why_it_failed_is_said_in_plain_words(owner: Person, error: Exception, words: str) -> None:
    email = note(owner.team, to=["a@example.com"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", raising(error))
        assert deliver() == []
    email.refresh_from_db()
    assert email.failure.endswith(words) or words in email.failure
    assert email.sent_at is None


def test_the_pauses_grow_and_after_a_week_it_is_given_up(owner: Person) -> None:
    email = note(owner.team, to=["a@example.com"])
    start = at = email.created_at
    waits = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", raising(OSError("no route to host")))
        while at < start + timedelta(hours=4):
            with time_machine.travel(at, tick=False):
                assert deliver() == []
            email.refresh_from_db()
            waits.append((email.due_at - at) // timedelta(minutes=1))
            at = email.due_at
    assert waits == [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert outbox.overdue(start + timedelta(days=7) - timedelta(seconds=1)) == [email.pk]
    assert outbox.overdue(start + timedelta(days=7)) == []
    with time_machine.travel(start + timedelta(days=7)):
        assert deliver() == []


def test_a_cancelled_one_is_not_sent_by_a_worker_whose_clock_is_behind(owner: Person) -> None:
    with time_machine.travel(timezone.now() - timedelta(minutes=5)):
        email = note(owner.team, to=["a@example.com"])
    outbox.cancel(email)
    with time_machine.travel(timezone.now() - timedelta(seconds=5)):
        assert deliver() == [], "its text is blanked already"


def test_once_it_is_sent_no_failure_is_told_any_more(owner: Person) -> None:
    email = note(owner.team, to=["a@example.com"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", raising(OSError("no route to host")))
        deliver()
    email.refresh_from_db()
    assert email.failure
    with time_machine.travel(email.due_at + timedelta(seconds=1)):
        assert len(deliver()) == 1
    email.refresh_from_db()
    assert (email.failure, email.sent_at is None) == ("", False)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_send_one(owner: Person) -> None:
    email = note(owner.team, to=["a@example.com"])
    at_once(4, lambda: tasks.send_email.call(email.pk))
    assert len(mail.outbox) == 1


def test_one_that_is_gone_is_no_crash(db: None) -> None:
    tasks.send_email.call(12345)


def test_the_sweep_sends_upscales_again_although_e_mails_fail(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    order()
    monkeypatch.setattr(outbox, "overdue", raising(OSError("no")))
    assert sweep.sweep(timezone.now() + timedelta(minutes=1)) == 1


def test_staff_read_the_outbox_without_its_secrets(owner: Person, head: Person) -> None:
    head.client.post("/team/invite/", {"email": "nina@example.com", "role": "merchandiser"})
    email = Email.objects.get()
    secret = email.text.partition("/invitations/")[2].partition("/")[0]
    assert len(secret) > 20
    owner.user.is_staff = owner.user.is_superuser = True
    owner.user.save()
    here = "/admin/upscaler/email/"
    pages = {path: owner.client.get(path) for path in (here, f"{here}{email.pk}/change/", f"{here}?q={secret[:9]}")}
    for path, page in pages.items():
        assert page.status_code == 200, path
        assert secret not in page.content.decode()
    assert "nina@example.com" in pages[here].content.decode()
    assert "Join Atelier on Upscaler" in pages[f"{here}{email.pk}/change/"].content.decode()
    for guess in (
        "email/?text__contains",
        "email/?text",
        "email/?text__regex",
        "email/?facts__site__startswith",
        "invitation/?last_email__text__contains",
        "team/?emails__text__contains",
    ):
        answer = owner.client.get(f"/admin/upscaler/{guess}={secret[:4]}")
        assert answer.status_code == 400, "a secret is not to be found out letter by letter"
    for path, body in ((f"{here}{email.pk}/change/", {"text": "x"}), (f"{here}{email.pk}/delete/", {"post": "yes"})):
        assert owner.client.post(path, body).status_code == 403


def test_the_migration_says_whom_old_notices_are_for(owner: Person, teammate: Person, head: Person) -> None:
    gone = teammate.user.pk
    teammate.user.delete()
    made = timezone.now() - timedelta(days=3)
    for kind, about in (
        ("team_budget", "2026-11"),
        ("low_balance", "grant:7"),
        ("person_budget", f"2026-11:{owner.user.pk}"),
        ("person_budget", f"2026-11:{owner.user.pk}:own"),
        ("person_budget", f"2026-11:{gone}:own"),
    ):
        Email.objects.create(team=owner.team, kind=kind, about=about, text=about, created_at=made, expires_at=made)
    migration: Any = importlib.import_module("upscaler.migrations.0013_outbox")
    migration.address_notices(apps, SimpleNamespace(connection=connection))
    rows = list(Email.objects.order_by("pk").values_list("text", "user", "to_admins", "subject"))
    own = f"2026-11:{owner.user.pk}:own"
    assert rows == [
        ("2026-11", None, True, "Atelier: most of this month’s budget is used"),
        ("grant:7", None, True, "Atelier: few credits are left"),
        (f"2026-11:{owner.user.pk}", owner.user.pk, True, "Atelier: most of a person’s budget of this month is used"),
        (own, owner.user.pk, False, "Atelier: most of a person’s budget of this month is used"),
        (f"2026-11:{gone}:own", None, False, "Atelier: most of a person’s budget of this month is used"),
    ]
    assert set(Email.objects.values_list("expires_at", flat=True)) == {made + timedelta(days=7)}

"""Forgetting a person: nothing that the desk keeps names them any more, and what is the team's stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from tests.conftest import Person
from tests.support.draft_page import DraftPage
from upscaler import credits
from upscaler.accounts import audit_log, invitations, people
from upscaler.keeping import people as forgetting
from upscaler.mail import outbox
from upscaler.models import (
    ApiToken,
    AuditEvent,
    CreditEntry,
    Email,
    Erasure,
    Invitation,
    Membership,
    OidcIdentity,
    ReviewDecision,
    Upscale,
    WebhookEndpoint,
    media_storage,
)
from upscaler.processing import lifecycle
from upscaler.sharing import links
from upscaler.webhooks import outbox as outbox_of_webhooks

NAMES = ("Ada Lovelace", "ada.l@example.com", "ada-l")


def words_left() -> Iterator[str]:
    """Every row of the desk's database that still names the person."""
    for model in apps.get_models():
        if model.__name__ == "Session":
            continue
        for row in model._base_manager.values():
            told = json.dumps({key: str(value) for key, value in row.items()}, ensure_ascii=False).casefold()
            if any(name.casefold() in told for name in NAMES):
                yield f"{model.__name__}: {told}"


@pytest.fixture
def ada(owner: Person) -> Person:
    """The owner, with a name and an address."""
    owner.user.username, owner.user.email = "ada-l", "ada.l@example.com"
    owner.user.first_name, owner.user.last_name = "Ada", "Lovelace"
    owner.user.save()
    return owner


def test_nothing_names_a_forgotten_person(
    ada: Person, head: Person, done: Callable[..., Upscale], upload: Callable[..., Any]
) -> None:
    upscale, number = done(), ada.user.pk
    ada.client.get(f"/upscales/{upscale.pk}/download/")
    ReviewDecision.objects.create(
        team=ada.team, upscale=upscale, kind="approved", before="pending", user=ada.user, user_name="Ada Lovelace"
    )
    credits.grant(team=ada.team, amount=5, note="for Ada Lovelace's pictures")
    membership = Membership.objects.select_related("team", "user").get(user=ada.user)
    people.change_role(membership, "admin", by=head.user)
    links.make(team=ada.team, user=ada.user, shows=upscale, label="Ours")
    invitations.invite(team=ada.team, email="other@example.com", role="merchandiser", by=ada.user)
    later = timezone.now() + timedelta(days=1)
    Invitation.objects.create(team=ada.team, email="Ada.L@example.com", digest="d", expires_at=later)
    TOTPDevice.objects.create(user=ada.user, name="app")
    OidcIdentity.objects.create(issuer="i", subject="s", user=ada.user, email="ada.l@example.com")
    outbox.post(
        kind=Email.Kind.PERSON_BUDGET, team_id=ada.team.pk, to_admins=True, subject="Ada Lovelace’s budget",
        text="80 % of it", expires_at=later,
    )  # fmt: skip
    AccessAttempt.objects.create(username="ada-l", ip_address="127.0.0.1", failures_since_start=1, user_agent="x")
    audit_log.record("cancelled", team=ada.team, user=head.user, about="what Ada-L ordered, not what ada-lina did")
    LogEntry.objects.log_actions(head.user.pk, [ada.user], 2, "Changed", single_object=True)
    form = DraftPage(ada)
    item = form.item(upload())
    assert item["id"]
    assert len(list(words_left())) > 8
    amounts = list(CreditEntry.objects.order_by("pk").values_list("amount", "balance_after"))
    out = StringIO()
    call_command("forget_person", "ada.l@example.com", stdout=out)
    assert "Add --confirm" in out.getvalue() and Membership.objects.filter(user=ada.user).exists()
    call_command("forget_person", "ada.l@example.com", confirm=True, stdout=out)
    assert f"forgotten-{number}" in out.getvalue()
    left = [row for row in words_left() if "ada-lina" not in row]
    assert left == []
    user = get_user_model().objects.get(pk=number)
    assert (user.username, user.is_active, user.has_usable_password()) == (f"forgotten-{number}", False, False)
    assert not ApiToken.objects.filter(user=user).exists()
    assert [(one.email, bool(one.revoked_at)) for one in Invitation.objects.all()] == [("other@example.com", True)]
    assert not TOTPDevice.objects.filter(user=user).exists()
    assert ada.api("get", "credits").status_code == 401
    assert ada.client.get("/history/")["Location"].startswith("/accounts/login/")
    assert amounts == list(CreditEntry.objects.order_by("pk").values_list("amount", "balance_after"))
    upscale.refresh_from_db()
    assert upscale.created_by_id == number and media_storage().exists(upscale.result_file.name or "")
    assert f"forgotten-{number}" in head.client.get("/history/").content.decode()
    erasure = Erasure.objects.get()
    assert (erasure.kind, erasure.number, erasure.counts["tokens"]) == ("person", number, 1)
    assert AuditEvent.objects.get(action="person_forgotten").about == f"number {number}, who was in the team"
    told = AuditEvent.objects.get(action="cancelled")
    assert told.about == f"what forgotten-{number} ordered, not what ada-lina did"
    assert head.client.get("/team/activity/").status_code == 200


def test_what_the_person_cancelled_does_not_name_them(ada: Person, head: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    lifecycle.cancel(Upscale.objects.filter(pk=upscale.pk), by=ada.user)
    hook = WebhookEndpoint.objects.create(team=ada.team, url="https://shop.example/")
    told = outbox_of_webhooks.new(hook, "generation.failed")
    told.upscale, told.request, told.due_at = upscale, '{"error": "Ada Lovelace cancelled this"}', None
    told.save()
    call_command("forget_person", "ada-l", confirm=True, stdout=StringIO())
    upscale.refresh_from_db()
    assert upscale.error_message.startswith(f"forgotten-{ada.user.pk} cancelled this")
    assert list(words_left()) == []


def test_the_last_admin_of_others_stays(head: Person, owner: Person) -> None:
    with pytest.raises(CommandError, match="Make somebody else an admin there first"):
        call_command("forget_person", "head", confirm=True)
    Membership.objects.filter(user=owner.user).delete()
    call_command("forget_person", "head", confirm=True, stdout=StringIO())
    assert not get_user_model().objects.filter(username="head").exists()


def test_whom_nobody_knows_or_two_have_is_said(owner: Person, teammate: Person) -> None:
    with pytest.raises(CommandError, match="Nobody here has"):
        call_command("forget_person", "nobody@example.com", confirm=True)
    get_user_model().objects.update(email="two@example.com")
    with pytest.raises(CommandError, match="2 accounts have this address: owner, teammate"):
        call_command("forget_person", "two@example.com", confirm=True)


def test_staff_forget_people_in_the_admin_and_are_asked_first(ada: Person, head: Person) -> None:
    boss = get_user_model().objects.create_superuser("boss", password="a-good-password")
    staff = Client()
    staff.force_login(boss)
    chosen = {"action": "forget", "_selected_action": [ada.user.pk, boss.pk]}
    asked = staff.post("/admin/auth/user/", chosen).content.decode()
    assert "Forget 1 person for good?" in asked and "can’t forget yourself" in asked
    assert get_user_model().objects.filter(username="ada-l").exists()
    told = staff.post("/admin/auth/user/", {**chosen, "confirmed": "1"}, follow=True).content.decode()
    assert "1 person is forgotten" in told
    assert not get_user_model().objects.filter(username="ada-l").exists()
    assert Erasure.objects.get().by == boss
    assert str(ada.user.pk) in staff.get("/admin/upscaler/erasure/").content.decode()


def test_forgetting_ann_leaves_joanna_and_ann_smith_alone(owner: Person, outsider: Person) -> None:
    get_user_model().objects.filter(pk=owner.user.pk).update(username="ann", email="ann@shop.example")
    owner.user.refresh_from_db()
    soon = timezone.now() + timedelta(days=1)
    for number, address in enumerate(("joanna@other.example", "ann.smith@other.example", "ANN@shop.example")):
        Invitation.objects.create(team=outsider.team, email=address, digest=f"d{number}", expires_at=soon)
    Email.objects.create(kind="invitation", to=["ann.smith@other.example"], subject="Join us", expires_at=soon)
    audit_log.record("invited", team=outsider.team, user=outsider.user, about="ann.smith@other.example, ann")
    audit_log.record("invited", team=owner.team, user=owner.user, about="ann.smith@other.example, ann")

    forgetting.forget(owner.user, how="test")

    assert sorted(Invitation.objects.values_list("email", flat=True)) == [
        "ann.smith@other.example",
        "joanna@other.example",
    ]
    assert Email.objects.count() == 1
    told = dict(AuditEvent.objects.filter(action="invited").values_list("team", "about"))
    assert told == {
        outsider.team.pk: "ann.smith@other.example, ann",
        owner.team.pk: f"ann.smith@other.example, forgotten-{owner.user.pk}",
    }


def test_a_number_as_a_name_is_no_name_in_texts(owner: Person) -> None:
    get_user_model().objects.filter(pk=owner.user.pk).update(username="12")
    get_user_model().objects.create_user(f"forgotten-{owner.user.pk}")
    owner.user.refresh_from_db()
    credits.grant(team=owner.team, amount=5, note="12 credits for the sofa shoot", by=None)
    forgetting.forget(owner.user, how="test")
    assert CreditEntry.objects.latest("pk").note == "12 credits for the sofa shoot"
    owner.user.refresh_from_db()
    assert owner.user.username == f"forgotten-{owner.user.pk}-"


def test_an_e_mail_to_others_that_names_the_person_is_sent_without_the_name(owner: Person, head: Person) -> None:
    get_user_model().objects.filter(pk=owner.user.pk).update(username="ada-l")
    owner.user.refresh_from_db()
    soon = timezone.now() + timedelta(days=1)
    email = Email.objects.create(
        team=owner.team, kind="person_budget", to_admins=True, subject="80 % of ada-l's budget", expires_at=soon
    )
    forgetting.forget(owner.user, how="test")
    email.refresh_from_db()
    assert email.subject == f"80 % of forgotten-{owner.user.pk}'s budget"

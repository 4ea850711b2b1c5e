"""Whoever loses the right to invite: what they sent before opens nothing any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.accounts.test_invitations import ACCOUNT, invite, link_in
from tests.conftest import Person
from tests.support.mail import deliver
from upscaler.models import AuditEvent, Email, Invitation, Membership


@pytest.fixture
def second(owner: Person) -> Person:
    """Another admin of the same team, who loses the right."""
    Membership.objects.filter(user=owner.user).update(role="admin")
    return owner


@pytest.fixture
def boss(outsider: Person) -> Person:
    outsider.user.is_staff = outsider.user.is_superuser = True
    outsider.user.save()
    return outsider


def _place(person: Person) -> int:
    return Membership.objects.get(user=person.user, team=person.team).pk


def _removed(second: Person, head: Person, boss: Person) -> None:
    head.client.post("/team/remove/", {"membership": _place(second)})


def _demoted(second: Person, head: Person, boss: Person) -> None:
    head.client.post("/team/role/", {"membership": _place(second), "role": "merchandiser"})


def _left(second: Person, head: Person, boss: Person) -> None:
    second.client.post("/team/leave/")


def _removed_by_staff(second: Person, head: Person, boss: Person) -> None:
    boss.client.post(f"/admin/upscaler/membership/{_place(second)}/delete/", {"post": "yes"})


def _account_closed(second: Person, head: Person, boss: Person) -> None:
    form = {"username": "owner", "date_joined_0": "2026-01-01", "date_joined_1": "10:00:00"}
    assert boss.client.post(f"/admin/auth/user/{second.user.pk}/change/", form).status_code == 302


def _account_deleted(second: Person, head: Person, boss: Person) -> None:
    second.user.tokens.all().delete()
    assert boss.client.post(f"/admin/auth/user/{second.user.pk}/delete/", {"post": "yes"}).status_code == 302


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (_removed, "is not in the team any more"),
        (_left, "is not in the team any more"),
        (_removed_by_staff, "is not in the team any more"),
        (_account_deleted, "is not in the team any more"),
        (_demoted, "is no admin any more"),
        (_account_closed, "has a closed account"),
    ],
)
def test_open_invitations_are_withdrawn_with_the_right_to_invite(
    second: Person, head: Person, boss: Person, end: Callable[..., None], why: str
) -> None:
    links = [invite(second, "own-back-door@example.com", role="admin")]
    answer = second.client.post("/team/invite/", {"email": "waiting@example.com", "role": "merchandiser"})
    links.append(link_in(answer.content.decode()))
    of_another = invite(head, "colleague@example.com")
    Email.objects.filter(to=["waiting@example.com"]).update(sent_at=None, text=links[1])
    end(second, head, boss)
    for link in links:
        for answer in (Client().get(link), Client().post(link, ACCOUNT)):
            assert answer.status_code == 410
            assert "was withdrawn" in answer.content.decode()
            assert "Ask an admin of the team" in answer.content.decode()
    assert not Email.objects.filter(text__contains="/invitations/", sent_at=None).exists()
    page = head.client.get("/team/").content.decode()
    assert "own-back-door@example.com" not in page and "colleague@example.com" in page
    activity = head.client.get("/team/activity/?action=invitation_revoked").content.decode()
    assert f"to own-back-door@example.com: owner, who sent it, {why}" in activity
    assert AuditEvent.objects.filter(team=head.team, action="invitation_revoked").count() == 2
    assert Client().get(of_another).status_code == 200, "what others sent stays good"


def test_an_invitation_that_an_admin_sent_again_is_the_admin_s_own(second: Person, head: Person, boss: Person) -> None:
    invite(second)
    head.client.post("/team/invitations/again/", {"invitation": Invitation.objects.get().pk})
    link = link_in(str(deliver()[-1].body))
    _removed(second, head, boss)
    assert Client().get(link).status_code == 200


def test_an_inviter_who_went_before_this_was_so_invites_nobody_either(second: Person, head: Person) -> None:
    link = invite(second)
    Membership.objects.filter(user=second.user).update(role="merchandiser")
    assert Client().post(link, ACCOUNT).status_code == 410
    head.client.post("/team/invitations/again/", {"invitation": Invitation.objects.get().pk})
    assert Client().get(link_in(str(deliver()[-1].body))).status_code == 200, "another admin may stand for it"

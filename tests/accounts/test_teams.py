"""The people of a team: roles, removing, leaving, and working in one team after the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler.accounts import people, tokens
from upscaler.errors import PublicError
from upscaler.models import ApiToken, AuditEvent, Membership, Team, Upscale


def place(person: Person) -> Membership:
    return Membership.objects.get(team=person.team, user=person.user)


def said(answer: Any) -> str:
    """What the page that an answer leads to says."""
    return answer.content.decode().replace("&#x27;", "'")


def act(person: Person, what: str, **data: Any) -> str:
    """Send one of the team page's forms; the page that follows."""
    return said(person.client.post(f"/team/{what}/", data, follow=True))


def second_team(person: Person, role: str = "merchandiser") -> Team:
    team = Team.objects.create(name="Zweite", slug="zweite")
    Membership.objects.create(team=team, user=person.user, role=role)
    return team


def test_everybody_sees_who_is_in_the_team_and_admins_may_change_it(owner: Person, head: Person) -> None:
    for person in (owner, head):
        page = said(person.client.get("/team/"))
        for words in ("owner", "head", "Merchandiser", "Admin", "since"):
            assert words in page, words
        assert ("Invite somebody" in page) == (person is head)
        assert ("/team/remove/" in page) == (person is head)


def test_an_admin_changes_roles(owner: Person, head: Person) -> None:
    assert "owner is an admin now" in act(head, "role", membership=place(owner).pk, role="admin")
    assert place(owner).is_admin
    assert "owner is a merchandiser now" in act(head, "role", membership=place(owner).pk, role="merchandiser")
    assert not place(owner).is_admin
    changes = AuditEvent.objects.filter(action="role_changed").order_by("pk")
    assert [str(event) for event in changes] == [
        "head: Changed a role of owner to admin",
        "head: Changed a role of owner to merchandiser",
    ]
    act(head, "role", membership=place(owner).pk, role="merchandiser")
    assert changes.count() == 2, "what changes nothing is no event"


def test_removing_a_person_ends_their_access_and_tokens_and_keeps_what_they_made(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done(name="kept.jpg")
    assert owner.client.get("/history/").status_code == 200
    page = act(head, "remove", membership=place(owner).pk)
    assert "owner is no longer in Atelier and 1 of their tokens stopped working" in page
    assert owner.client.get("/history/").status_code == 403, "at the next click"
    assert owner.api("get", "credits").status_code == 401
    assert ApiToken.objects.get(user=owner.user).revoked_at is not None
    assert "owner" in said(head.client.get(f"/upscales/{upscale.pk}/"))
    assert str(AuditEvent.objects.get(action="removed")) == "head: Removed owner; 1 token revoked"
    Membership.objects.create(team=owner.team, user=owner.user)
    assert owner.api("get", "credits").status_code == 401, "coming back does not bring the tokens back"


def test_tokens_for_another_team_stay(owner: Person, head: Person) -> None:
    other = second_team(owner)
    kept = tokens.issue(team=other, user=owner.user, name="kept")[1]
    act(head, "remove", membership=place(owner).pk)
    assert tokens.find_token(kept) is not None
    assert said(owner.client.get("/")).count("Zweite") == 2, "they go on in their other team, at the next click"


def test_the_last_admin_stays(head: Person, owner: Person) -> None:
    only = "You are the team’s only admin and can’t"
    assert only in act(head, "role", membership=place(head).pk, role="merchandiser")
    assert only in act(head, "remove", membership=place(head).pk)
    assert f"{only} leave." in act(head, "leave")
    assert place(head).is_admin
    closed = get_user_model().objects.create_user("closed", is_active=False)
    Membership.objects.create(team=head.team, user=closed, role="admin")
    assert only in act(head, "leave"), "an admin whose account is closed does not count"
    act(head, "role", membership=place(owner).pk, role="admin")
    assert head.client.post("/team/leave/").status_code == 302
    assert not Membership.objects.filter(user=head.user).exists()


def test_a_merchandiser_leaves_and_changes_nobody_else(owner: Person, teammate: Person, head: Person) -> None:
    before = set(Membership.objects.values_list("pk", "role"))
    for what, data in (
        ("role", {"membership": place(teammate).pk, "role": "admin"}),
        ("remove", {"membership": place(teammate).pk}),
        ("invite", {"email": "x@example.com", "role": "admin"}),
    ):
        answer = owner.client.post(f"/team/{what}/", data)
        assert answer.status_code == 403
        assert b"Ask head" in answer.content
    assert set(Membership.objects.values_list("pk", "role")) == before
    assert owner.client.post("/team/leave/").status_code == 302
    assert not Membership.objects.filter(user=owner.user).exists()
    assert AuditEvent.objects.get(action="removed").about.startswith("themselves")


def test_nonsense_is_refused_without_an_error(head: Person, outsider: Person) -> None:
    theirs = place(outsider).pk
    for value in (theirs, 0, -1, "abc", "9" * 30, "9" * 5000, "\0", "é", ""):
        for what in ("role", "remove", "invitations/again", "invitations/withdraw"):
            data = {"membership": value, "invitation": value, "role": "admin"}
            assert head.client.post(f"/team/{what}/", data).status_code == 404
        assert head.client.post("/team/switch/", {"team": value}).status_code == 404
    assert "Nothing was changed" in act(head, "role", membership=place(head).pk, role="queen")
    assert head.client.get("/team/role/").status_code == 405
    assert place(outsider)


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_go_at_the_same_moment_leave_one_behind(owner: Person, head: Person) -> None:
    Membership.objects.filter(user=owner.user).update(role="admin")
    for deed in (
        lambda m: people.remove(m, by=m.user),
        lambda m: people.change_role(m, "merchandiser", by=m.user),
    ):
        Membership.objects.all().delete()
        places = [
            Membership.objects.create(team=owner.team, user=person.user, role="admin") for person in (owner, head)
        ]
        waiting = list(places)

        def go(deed: Any = deed, waiting: list[Membership] = waiting) -> str:
            try:
                deed(waiting.pop())
            except PublicError as refusal:
                return refusal.message
            return "done"

        answers = sorted(at_once(2, go), key=len)
        assert answers[0] == "done" and "only admin" in answers[1]
        assert Membership.objects.filter(role="admin").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_remove_each_other_at_the_same_moment(owner: Person, head: Person) -> None:
    Membership.objects.filter(user=owner.user).update(role="admin")
    waiting = [(place(owner), head.user), (place(head), owner.user)]

    def go() -> str:
        membership, by = waiting.pop()
        try:
            people.remove(membership, by=by)
        except PublicError as refusal:
            return refusal.message
        return "done"

    answers = sorted(at_once(2, go))
    assert "You are not an admin" in answers[0] and answers[1] == "done"
    assert Membership.objects.count() == 1


def test_switching_teams(owner: Person, outsider: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    assert "team-switch" not in said(owner.client.get("/")), "nothing to switch with one team"
    other = second_team(owner)
    page = said(owner.client.get("/history/"))
    assert page.count('action="/team/switch/"') == 2, "in the bar, and in the foot for phones"
    stays = {"/history/": "/history/", "/": "/", "/team/": "/team/", f"/upscales/{upscale.pk}/": "/history/"}
    stays["/batches/1/"] = "/history/"
    stays |= {"/team/activity/": "/team/", "https://evil.example/": "/", "//evil": "/", "\0": "/", "/nowhere/": "/"}
    for path, lands in stays.items():
        answer = owner.client.post("/team/switch/", {"team": other.pk, "next": path})
        assert (answer.status_code, answer["Location"]) == (302, lands)
    assert 'data-balance="0"' in said(owner.client.get("/"))
    assert owner.client.get(f"/upscales/{upscale.pk}/").status_code == 404
    assert owner.client.post("/team/switch/", {"team": outsider.team.pk}).status_code == 404
    owner.client.post("/team/switch/", {"team": owner.team.pk})
    assert owner.client.get(f"/upscales/{upscale.pk}/").status_code == 200
    assert Client().post("/team/switch/", {"team": other.pk})["Location"].startswith("/accounts/login/")


def test_a_page_of_one_team_orders_nothing_from_another(owner: Person, upload: Callable[..., Any]) -> None:
    other = second_team(owner)
    owner.client.post("/team/switch/", {"team": other.pk})
    answer = owner.client.post("/", {"model_name": "recraft", "image": upload(), "of_team": owner.team.pk}, follow=True)
    assert "You work for Zweite now" in said(answer)
    assert not Upscale.objects.exists()
    answer = owner.client.post("/", {"of_team": owner.team.pk}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/"


@pytest.mark.parametrize(
    ("start", "action", "data"),
    [
        ("/ledger/", "/ledger/grant/", {"amount": "50", "note": "For the season"}),
        ("/ledger/", "/ledger/budgets/", {"budget-monthly_budget": "7", "budget-low_balance": "5"}),
        ("/tokens/", "/tokens/", {"name": "Import", "lasts": "30"}),
        ("/team/", "/team/invite/", {"email": "new@example.com", "role": "admin"}),
        ("/team/", "/team/leave/", {}),
    ],
)
def test_a_form_of_one_team_changes_nothing_in_another(start: str, action: str, data: Any, head: Person) -> None:
    other = second_team(head, role="admin")
    [form] = re.findall(rf'<form[^>]* action="{action}".*?</form>', said(head.client.get(start)), re.DOTALL)
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    head.client.post("/team/switch/", {"team": other.pk})
    answer = head.client.post(action, {**hidden, **data}, follow=True)
    assert "You work for Zweite now, but that page was another team’s. Nothing was sent." in said(answer)
    assert answer.redirect_chain[-1][0] == start
    assert not AuditEvent.objects.filter(team=other).exists()
    assert other.memberships.filter(user=head.user).exists()


def test_offers_of_one_team_are_not_ordered_for_another(owner: Person, done: Callable[..., Upscale]) -> None:
    offered = done()
    page = said(owner.submit(image=SimpleUploadedFile("shirt.jpg", offered.source_file.open().read())))
    other = second_team(owner)
    owner.client.post("/team/switch/", {"team": other.pk})
    assert f'name="offered" value="{offered.pk}"' in page
    [form] = re.findall(r'<form[^>]* action="/again/".*?</form>', page, re.DOTALL)
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    answer = owner.client.post("/again/", {**hidden, "upscale": "all"}, follow=True)
    assert "You work for Zweite now" in said(answer)
    assert answer.redirect_chain[-1][0] == "/"


def test_the_page_asks_the_database_a_constant_number_of_times(head: Person) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert head.client.get("/team/").status_code == 200
        return len(queries)

    def add(names: range) -> None:
        User = get_user_model()
        for user in User.objects.bulk_create(User(username=f"person-{i}") for i in names):
            Membership.objects.create(team=head.team, user=user)
            head.team.invitations.create(
                email=f"{user}@example.com", digest=str(user), invited_by=user, expires_at=user.date_joined
            )

    add(range(3))
    few = count()
    add(range(3, 30))
    assert count() == few <= 8

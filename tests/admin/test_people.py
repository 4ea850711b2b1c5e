"""People and teams in the admin: what staff change there stands in the teams' audit logs, too."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from tests.conftest import Person
from upscaler.models import ApiToken, AuditEvent, Membership, Team

PLACES = "/admin/upscaler/membership/"
ACCOUNTS = "/admin/auth/user/"


@pytest.fixture
def boss(outsider: Person) -> Person:
    """Staff, of another team."""
    outsider.user.is_staff = outsider.user.is_superuser = True
    outsider.user.username = "boss"
    outsider.user.save()
    return outsider


def place(person: Person) -> Membership:
    return Membership.objects.get(team=person.team, user=person.user)


def log(team: Team) -> list[str]:
    return [str(event) for event in AuditEvent.objects.filter(team=team).order_by("pk")]


def saved(answer: Any) -> None:
    assert answer.status_code == 302, answer.context and answer.context["errors"]


def of_team(team: Team, *places: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The form of a team's page with its people, the first ones those who are in it."""
    form: dict[str, Any] = {
        "name": team.name,
        "slug": team.slug,
        "memberships-TOTAL_FORMS": len(places),
        "memberships-INITIAL_FORMS": sum("id" in each for each in places),
        **more,
    }
    for number, each in enumerate(places):
        form |= {f"memberships-{number}-{name}": value for name, value in each.items()}
        form[f"memberships-{number}-team"] = team.pk
    return form


def test_staff_put_people_in_and_change_roles_on_the_record(owner: Person, boss: Person) -> None:
    saved(boss.client.post(f"{PLACES}add/", {"team": owner.team.pk, "user": boss.user.pk, "role": "merchandiser"}))
    assert Membership.objects.filter(team=owner.team, user=boss.user).exists()
    saved(boss.client.post(f"{PLACES}{place(owner).pk}/change/", {"role": "admin"}))
    saved(boss.client.post(f"{PLACES}{place(owner).pk}/change/", {"role": "admin"}))
    assert place(owner).is_admin
    assert log(owner.team) == [
        "boss: Joined as merchandiser, put in by boss",
        "boss: Changed a role of owner to admin",
    ], "what changes nothing is no event"
    assert all(event.address == "127.0.0.1" for event in AuditEvent.objects.all())


def test_a_place_stays_one_person_s_in_one_team(owner: Person, teammate: Person, boss: Person) -> None:
    mine = place(owner)
    Membership.objects.filter(pk=place(teammate).pk).delete()
    data = {"role": "admin", "user": teammate.user.pk, "team": boss.team.pk}
    saved(boss.client.post(f"{PLACES}{mine.pk}/change/", data))
    mine.refresh_from_db()
    assert (mine.user, mine.team, mine.role) == (owner.user, owner.team, "admin")


@pytest.mark.parametrize("how", ["page", "action"])
def test_staff_remove_people_on_the_record_with_their_tokens(how: str, head: Person, boss: Person) -> None:
    mine = place(head)
    if how == "page":
        saved(boss.client.post(f"{PLACES}{mine.pk}/delete/", {"post": "yes"}))
    else:
        chosen = {"action": "delete_selected", "_selected_action": [mine.pk], "post": "yes"}
        saved(boss.client.post(PLACES, chosen))
    assert not Membership.objects.filter(pk=mine.pk).exists(), "the only admin, too: it is staff who answer for that"
    assert log(head.team) == ["boss: Removed head; 1 token revoked"]
    Membership.objects.create(team=head.team, user=head.user)
    assert head.api("get", "credits").status_code == 401, "coming back does not bring the tokens back"


def test_the_team_s_page_records_the_same(owner: Person, teammate: Person, head: Person, boss: Person) -> None:
    saved(
        boss.client.post(
            f"/admin/upscaler/team/{owner.team.pk}/change/",
            of_team(
                owner.team,
                {"id": place(owner).pk, "user": teammate.user.pk, "role": "admin"},
                {"id": place(teammate).pk, "user": teammate.user.pk, "role": "merchandiser", "DELETE": "on"},
                {"id": place(head).pk, "user": head.user.pk, "role": "admin"},
                {"user": boss.user.pk, "role": "admin"},
            ),
        )
    )
    assert sorted(log(owner.team)) == [
        "boss: Changed a role of owner to admin",
        "boss: Joined as admin, put in by boss",
        "boss: Removed teammate; 1 token revoked",
    ]
    people = Membership.objects.filter(team=owner.team).values_list("user__username", "role")
    assert sorted(people) == [("boss", "admin"), ("head", "admin"), ("owner", "admin")]
    assert ApiToken.objects.get(user=teammate.user).revoked_at is not None


def test_a_new_team_is_made_with_its_first_admin(owner: Person, boss: Person) -> None:
    team = Team(name="Zweite", slug="zweite")
    form = of_team(team, {"user": owner.user.pk, "role": "admin"})
    del form["memberships-0-team"]
    saved(boss.client.post("/admin/upscaler/team/add/", form))
    team = Team.objects.get(slug="zweite")
    assert team.memberships.get().is_admin
    assert log(team) == ["owner: Joined as admin, put in by boss"]


def test_budgets_and_their_e_mails_are_set_on_the_credits_page_alone(owner: Person, boss: Person) -> None:
    answer = boss.client.post(
        f"/admin/upscaler/team/{owner.team.pk}/change/",
        of_team(owner.team, low_balance=7, monthly_budget=7, balance=7, name="Renamed"),
    )
    saved(answer)
    owner.team.refresh_from_db()
    assert (owner.team.name, owner.team.low_balance, owner.team.monthly_budget) == ("Renamed", 20, None)
    assert owner.team.balance == 100


@pytest.mark.parametrize("how", ["page", "action"])
def test_deleting_an_account_is_on_the_record_of_its_teams(how: str, owner: Person, boss: Person) -> None:
    # The admin deletes no account with a token, not even a revoked one: those of its programs stay known.
    pk = owner.user.pk
    assert boss.client.post(f"{ACCOUNTS}{pk}/delete/", {"post": "yes"}).status_code == 403
    owner.user.tokens.all().delete()
    if how == "page":
        saved(boss.client.post(f"{ACCOUNTS}{pk}/delete/", {"post": "yes"}))
    else:
        saved(boss.client.post(ACCOUNTS, {"action": "delete_selected", "_selected_action": [pk], "post": "yes"}))
    assert not get_user_model().objects.filter(pk=pk).exists()
    assert log(owner.team) == ["boss: Removed owner"]


def test_a_password_that_staff_set_is_on_the_record(owner: Person, boss: Person) -> None:
    page = f"{ACCOUNTS}{owner.user.pk}/password/"
    assert boss.client.post(page, {"password1": "one-of-two", "password2": "another"}).status_code == 200
    assert log(owner.team) == []
    new = {"usable_password": "true", "password1": "quite-a-new-1", "password2": "quite-a-new-1"}
    saved(boss.client.post(page, new))
    assert log(owner.team) == ["boss: Changed the password of owner"]
    assert log(boss.team) == []

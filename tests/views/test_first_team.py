"""The first team of a fresh desk, made on the page by whoever runs it."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from upscaler.models import AuditEvent, Membership, Team

pytestmark = pytest.mark.django_db


@pytest.fixture
def runs_the_desk() -> Client:
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("root", "root@example.com", "silk-and-tulle-12"))
    return browser


def test_who_runs_the_desk_makes_the_first_team_and_is_its_admin(runs_the_desk: Client) -> None:
    page = runs_the_desk.get("/")
    assert "make one, and you are its admin" in page.content.decode()
    answer = runs_the_desk.post("/team/first/", {"name": "Atelier Süd", "credits": "250"}, follow=True)
    assert "The team Atelier Süd is there, with 250 credits." in answer.content.decode()
    assert answer.redirect_chain[-1][0] == "/team/"
    team = Team.objects.get()
    assert (team.slug, team.balance) == ("atelier-sud", 250)
    assert Membership.objects.get().role == Membership.Role.ADMIN
    assert {event.action for event in AuditEvent.objects.filter(team=team)} == {"joined", "granted"}
    call_command("check_ledger")
    assert runs_the_desk.get("/").status_code == 200


@pytest.mark.parametrize(
    ("name", "credits", "said"),
    [
        ("", "100", "Please give the team a name."),
        ("Atelier", "", "Please say with how many credits the team begins"),
        ("Atelier", "many", "Credits are a whole number"),
        ("Atelier", "0", "A team begins with 1 credit or more."),
        ("Atelier", "9" * 30, "1,000,000 credits at most"),
        ("x" * 101, "100", "at most 100 characters"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(runs_the_desk: Client, name: str, credits: str, said: str) -> None:
    answer = runs_the_desk.post("/team/first/", {"name": name, "credits": credits})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Team.objects.exists()


def test_two_teams_of_one_name_are_told_apart(runs_the_desk: Client) -> None:
    Team.objects.create(name="Atelier", slug="atelier")
    runs_the_desk.post("/team/first/", {"name": "Atelier", "credits": "1"})
    assert [team.slug for team in Team.objects.order_by("pk")] == ["atelier", "atelier-2"]


def test_others_are_told_whom_to_ask() -> None:
    browser = Client()
    browser.force_login(get_user_model().objects.create_user("anna"))
    page = browser.get("/")
    assert page.status_code == 403 and "Ask an admin to add you" in page.content.decode()
    browser.post("/team/first/", {"name": "Atelier", "credits": "100"})
    assert not Team.objects.exists()

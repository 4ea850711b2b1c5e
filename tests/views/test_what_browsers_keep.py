"""What browsers and proxies may keep: pictures for their own team, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.conftest import Person
from upscaler.models import Upscale

CLEARED = '"cache"'


def test_no_page_and_no_answer_of_the_api_is_kept(head: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    pages = [
        "/", "/history/", "/history/live/", f"/upscales/{upscale.pk}/", "/tokens/", "/team/", "/team/activity/",
        "/team/activity.csv", "/ledger/", "/ledger/entries.csv", "/usage/", "/usage/month.csv", "/accounts/password/",
        "/accounts/second-factor/", "/accounts/login/", "/nothing/", "/upscales/999/", "/readyz",
    ]  # fmt: skip
    for page in pages:
        assert "no-store" in head.client.get(page)["Cache-Control"], page
    assert "no-store" in head.client.post("/ledger/grant/", {"amount": "x"})["Cache-Control"]
    calls = [
        ("get", "credits"), ("get", f"generation/{upscale.pk}"), ("get", "generation/0"), ("put", "credits"),
        ("get", "nothing"),
    ]  # fmt: skip
    for method, path in calls:
        assert "no-store" in head.api(method, path)["Cache-Control"], path
    assert "no-store" in Client().get("/api/v1/credits")["Cache-Control"]


def test_static_files_are_kept(client: Client) -> None:
    answer = client.get("/static/css/desk.css")
    assert answer.status_code == 200 and "no-store" not in answer.get("Cache-Control", "")


def test_pictures_are_kept_until_signing_out(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    answer = owner.client.get(f"/upscales/{upscale.pk}/after/")
    assert answer["Cache-Control"] == f"private, max-age={7 * 24 * 60 * 60}"
    assert "Clear-Site-Data" not in answer.headers
    assert owner.client.post("/accounts/logout/")["Clear-Site-Data"] == CLEARED


@pytest.mark.parametrize("path", ["/history/", "/upscales/1/after/", "/history/live/"])
def test_a_session_that_ended_otherwise_takes_the_pictures_along(owner: Person, path: str) -> None:
    owner.user.set_password("another-password")
    owner.user.save()
    assert owner.client.get(path)["Clear-Site-Data"] == CLEARED
    assert "Clear-Site-Data" not in Client().get(path).headers, "there was no session"


def test_every_answer_says_how_browsers_are_to_treat_it(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    answers = [owner.client.get(page) for page in ("/", f"/upscales/{upscale.pk}/after/", "/nothing/", "/admin/")]
    answers += [Client().get("/accounts/login/"), owner.api("get", "credits"), owner.api("get", "nothing")]
    for answer in answers:
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"

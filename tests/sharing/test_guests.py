"""People without an account approve and reject, where the link lets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Person
from tests.sharing.conftest import shared
from upscaler.models import AuditEvent, Batch, ReviewDecision, Team, Upscale
from upscaler.review import decisions


def decided(path: str, number: int = 1, **sent: Any) -> Any:
    guest = Client(enforce_csrf_checks=True)
    return guest.post(f"{path}{number}/decide/", {"name": "Ann Lee", "decision": "approve", **sent}, follow=True)


@pytest.mark.parametrize(("decision", "review"), [("approve", "approved"), ("reject", "rejected")])
def test_a_guest_decides_under_a_name(owner: Person, done: Callable[..., Upscale], decision: str, review: str) -> None:
    upscale = done()
    path = shared(owner, upscale, may_decide="true", label="Spring client")
    answer = decided(path, decision=decision, note="The collar")
    assert answer.redirect_chain == [(path, 302)]
    assert f"This picture is {review}." in answer.content.decode()
    upscale.refresh_from_db()
    assert upscale.review == review
    made = ReviewDecision.objects.get()
    assert (made.guest_name, made.user, made.note) == ("Ann Lee, “Spring client”", None, "The collar")
    event = AuditEvent.objects.get(action=review)
    assert "Ann Lee, “Spring client”" in event.user_name and event.user is None


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": ""}, "Give your name"),
        ({"name": "  "}, "Give your name"),
        ({"name": "x" * 81}, "80 letters at most"),
        ({"decision": ""}, "Choose “Approve” or “Reject”."),
        ({"decision": "delete"}, "Choose “Approve” or “Reject”."),
        ({"note": "x" * 501}, "500 letters at most"),
        ({"name": "a\0b"}, "Null characters"),
    ],
)
def test_a_bad_decision_is_refused_in_words_and_keeps_what_was_typed(
    owner: Person, done: Callable[..., Upscale], sent: dict[str, str], said: str
) -> None:
    path = shared(owner, done(), may_decide="true")
    answer = decided(path, **{"note": "Kept", **sent})
    assert answer.status_code == 422 and said in answer.content.decode()
    assert sent.get("note", "Kept") in answer.content.decode()
    assert not ReviewDecision.objects.exists()


def test_a_long_name_leaves_room_for_some_of_the_link_s(owner: Person, done: Callable[..., Upscale]) -> None:
    path = shared(owner, done(), may_decide="true", label="L" * 100)
    assert decided(path, name="N" * 80).status_code == 200
    name = ReviewDecision.objects.get().guest_name
    assert name.startswith("N" * 80 + ", “L") and name.endswith("L…”") and len(name) <= 100


def test_a_link_that_may_only_look_decides_nothing(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    path = shared(owner, upscale)
    answer = decided(path)
    assert answer.status_code == 403 and "nobody approves" in answer.content.decode()
    assert "Approve" not in Client().get(path).content.decode()
    assert Client().get(f"{path}1/decide/").status_code == 405
    upscale.refresh_from_db()
    assert upscale.review == "none"


def test_who_comes_second_is_told_without_a_name(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    path = shared(owner, upscale, may_decide="true")
    decisions.decide(upscale=upscale, approve=False, note="A secret note", user=owner.user)
    answer = decided(path)
    page = answer.content.decode()
    assert answer.status_code == 422 and "decided already" in page
    assert "owner" not in page and "A secret note" not in page
    assert "This picture is rejected." in page
    upscale.refresh_from_db()
    assert upscale.review == "rejected"


def test_the_same_decision_twice_is_one(owner: Person, done: Callable[..., Upscale]) -> None:
    path = shared(owner, done(), may_decide="true")
    assert decided(path).status_code == decided(path).status_code == 200
    assert ReviewDecision.objects.count() == 1


def test_in_a_batch_the_number_decides_about_its_own_picture(owner: Person, done_batch: Callable[..., Batch]) -> None:
    batch = done_batch("a.jpg", "b.jpg", "c.jpg")
    path = shared(owner, batch, may_decide="true")
    answer = decided(path, 2)
    assert answer.redirect_chain == [(f"{path}2/", 302)]
    assert f'href="{path}3/">Go on with the next one' in answer.content.decode()
    assert list(batch.upscales.order_by("pk").values_list("review", flat=True)) == ["none", "approved", "none"]
    page = Client().get(path).content.decode()
    assert page.count("To decide") == 2 and page.count("Approved") == 1


def test_once_its_maker_may_not_decide_the_link_asks_for_nothing(
    owner: Person, done_batch: Callable[..., Batch]
) -> None:
    path = shared(owner, done_batch("a.jpg"), may_decide="true")
    assert "To decide" in Client().get(path).content.decode()
    Team.objects.update(reviewers=Team.Reviewers.ADMINS)
    for part in ("", "1/"):
        page = Client().get(path + part).content.decode()
        assert "To decide" not in page and "Approve" not in page
    assert decided(path).status_code == 403

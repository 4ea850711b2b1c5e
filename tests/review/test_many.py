"""Ticked results of the history approved and rejected, by the bar's own forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Person
from tests.views.test_selection import act, said
from upscaler.models import AuditEvent, ReviewDecision, Team, Upscale
from upscaler.review import decisions, many

Result = Callable[..., Upscale]
BUTTON = 'value="approve">Approve'


def reviews(*upscales: Upscale) -> list[str]:
    return [Upscale.objects.get(pk=upscale.pk).review for upscale in upscales]


def test_those_that_wait_are_approved_and_of_the_others_is_said_why(
    result: Result, order: Callable[..., Upscale], owner: Person, outsider: Person
) -> None:
    free, waits, second, rejected = result("nobody"), result(), result(), result()
    decisions.decide(upscale=rejected, approve=False, user=owner.user)
    under_way = order()
    everything = (free, waits, second, rejected, under_way)
    assert "Nothing is selected" in said(outsider, act(outsider, "approve", *everything))
    shown = said(owner, act(owner, "approve", *everything))
    assert "2 pictures are approved." in shown
    for words in (
        "1 picture was left: It does not wait for approval.",
        "1 picture was left: It is rejected already. Its page can take that back.",
        "1 picture was left: There is no result to decide about.",
    ):
        assert words in shown
    assert reviews(*everything) == ["none", "approved", "approved", "rejected", "none"]
    assert "2 pictures were left: It is approved already." in said(owner, act(owner, "approve", waits, second))
    assert AuditEvent.objects.filter(action="approved").count() == 2


def test_rejecting_asks_first_and_every_one_gets_reason_and_note(result: Result, owner: Person) -> None:
    free, first, second = result("nobody"), result(), result()
    asked = act(owner, "reject", free, first, second).content.decode()
    assert "Reject 2 results?" in asked and "1 picture stays: It does not wait for approval." in asked
    assert reviews(first, second) == ["pending", "pending"]
    sent = {"numbers": f"{second.pk},{first.pk}", "confirmed": "1", "reason": "text", "note": "The logo"}
    assert "2 pictures are rejected." in said(owner, act(owner, "reject", **sent))
    assert reviews(free, first, second) == ["none", "rejected", "rejected"]
    made = ReviewDecision.objects.values_list("reason", "note", "user_name")
    assert set(made) == {("text", "The logo", "owner")}
    assert "Nothing of this waits for approval" in act(owner, "reject", first).content.decode()


@pytest.mark.parametrize(
    ("words", "says"), [({"note": "x" * 501}, "the limit is 500"), ({"reason": "mood"}, "Choose one of the reasons")]
)
def test_bad_words_are_asked_for_again(result: Result, owner: Person, words: dict[str, str], says: str) -> None:
    upscale = result()
    answer = act(owner, "reject", upscale, confirmed="1", **{"note": "Kept", **words})
    page = answer.content.decode()
    assert answer.status_code == 422 and says in page and words.get("note", "Kept") in page
    assert reviews(upscale) == ["pending"]


def test_who_may_not_decide_has_no_buttons_and_is_refused(result: Result, owner: Person, head: Person) -> None:
    upscale = result()
    history: Callable[[Person], Any] = lambda person: person.client.get("/history/").content.decode()  # noqa: E731
    assert BUTTON in history(owner)
    Team.objects.update(reviewers="admins")
    assert BUTTON not in history(owner) and BUTTON in history(head)
    for sent in ({"act": "approve"}, {"act": "reject", "confirmed": "1"}):
        answer = owner.client.post("/history/selected/", {**sent, "chosen": [upscale.pk]})
        assert "In this team the admins approve and reject" in said(owner, answer)
    assert reviews(upscale) == ["pending"]


def test_a_team_without_approval_has_no_such_buttons(result: Result, owner: Person) -> None:
    result("nobody")
    assert BUTTON not in owner.client.get("/history/").content.decode()


def test_too_many_at_once_are_refused_whole(result: Result, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "MOST", 1)
    rows = [result(), result()]
    for deed in ("approve", "reject"):
        assert "2 of these wait for approval. Choose at most 1" in said(owner, act(owner, deed, *rows))
    assert reviews(*rows) == ["pending", "pending"]

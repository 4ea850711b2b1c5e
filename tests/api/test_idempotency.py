"""The same request twice, by its Idempotency-Key: one generation, one charge."""

from __future__ import annotations

import pytest

from tests.api.test_api import URL_BODY
from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler import credits
from upscaler.ordering import idempotency_keys


def test_the_same_request_twice_is_charged_once(owner: Person) -> None:
    key = {"Idempotency-Key": "season-7/shirt"}
    first = owner.api("post", "generation-upscale", URL_BODY, **key)
    second = owner.api("post", "generation-upscale", URL_BODY, **key)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert owner.balance == 99
    other = owner.api("post", "generation-upscale", {**URL_BODY, "model_name": "topaz"}, **key)
    assert other.status_code == 422
    assert other.json()["detail"][0]["type"] == "idempotency_conflict"
    assert owner.balance == 99
    assert owner.api("post", "generation-upscale", URL_BODY).json() != first.json()


def test_a_repeat_is_answered_even_when_the_credits_are_gone(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"Idempotency-Key": "last"}
    credits.grant(team=owner.team, amount=-99, note="one left")
    first = owner.api("post", "generation-upscale", URL_BODY, **key).json()
    assert owner.balance == 0
    find_repeat = idempotency_keys.find_repeat
    answers = iter([None])
    monkeypatch.setattr(idempotency_keys, "find_repeat", lambda **given: next(answers, find_repeat(**given)))
    assert owner.api("post", "generation-upscale", URL_BODY, **key).json() == first


@pytest.mark.django_db(transaction=True)
def test_the_same_request_many_times_at_once_is_charged_once(owner: Person) -> None:
    answers = at_once(6, lambda: owner.api("post", "generation-upscale", URL_BODY, **{"Idempotency-Key": "burst"}))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["generation_id"] for answer in answers}) == 1
    assert owner.balance == 99


def test_an_idempotency_key_belongs_to_its_team(owner: Person, outsider: Person) -> None:
    key = {"Idempotency-Key": "same"}
    mine = owner.api("post", "generation-upscale", URL_BODY, **key).json()
    theirs = outsider.api("post", "generation-upscale", URL_BODY, **key).json()
    assert mine["generation_id"] != theirs["generation_id"]


def test_the_other_of_two_simultaneous_requests_gets_the_first_one_s_answer(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"Idempotency-Key": "race"}
    first = owner.api("post", "generation-upscale", URL_BODY, **key).json()
    find_repeat = idempotency_keys.find_repeat
    answers = iter([None])
    # What the loser of the race sees: nothing yet when it looks, then the unique constraint.
    monkeypatch.setattr(idempotency_keys, "find_repeat", lambda **given: next(answers, find_repeat(**given)))
    assert owner.api("post", "generation-upscale", URL_BODY, **key).json() == first
    assert owner.balance == 99

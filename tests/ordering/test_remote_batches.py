"""A batch on a desk with a remote engine, which is not asked about thousands of items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Person
from tests.support.vendor import RESULT, SUBMIT, Vendor, as_json
from upscaler.models import Upscale
from upscaler.ordering import results


def ask(person: Person, *numbers: int, call: str = "batches") -> Any:
    items = [{"generation_result_id": number} for number in numbers]
    return person.api("post", call, {"model_name": "recraft", "items": items})


def elsewhere(vendor: Vendor, *numbers: int) -> None:
    for number in numbers:
        vendor.results[number] = {
            "generation_result_id": number,
            "generation_id": number + 500,
            "url": f"http://{vendor.host}/shop/{number}.png",
        }


def test_of_the_team_s_own_results_the_vendor_is_not_asked(
    vendor: Vendor, owner: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    own = done()
    assert own.result_id is not None
    before = vendor.calls(RESULT)
    vendor.fail(RESULT, as_json({"detail": "away"}, 503))
    answer = ask(owner, *[own.result_id] * 50)
    assert answer.status_code == 200, answer.content
    assert set(Upscale.objects.filter(batch=answer.json()["batch_id"]).values_list("source_result", flat=True)) == {
        own.pk
    }
    assert vendor.calls(RESULT) == before
    vendor.faults.clear()
    assert ask(outsider, own.result_id).json()["detail"][0]["type"] == "not_found"


def test_a_result_of_elsewhere_is_asked_for_once_however_often_it_is_named(vendor: Vendor, owner: Person) -> None:
    elsewhere(vendor, 5)
    answer = ask(owner, 5, 6, 5, 5)
    assert [(problem["type"], problem["loc"]) for problem in answer.json()["detail"]] == [
        ("not_found", ["body", "items", 1, "generation_result_id"])
    ]
    assert vendor.calls(RESULT) == 2
    assert ask(owner, 5, 5).status_code == 200
    assert (vendor.calls(RESULT), vendor.calls(SUBMIT)) == (3, 0)


def test_more_of_them_than_the_vendor_is_asked_about_are_refused_by_number(vendor: Vendor, owner: Person) -> None:
    numbers = range(1, results.MAX_ELSEWHERE + 3)
    elsewhere(vendor, *numbers)
    answer = ask(owner, *numbers)
    assert [(problem["type"], problem["loc"][2]) for problem in answer.json()["detail"]] == [
        ("too_many_elsewhere", 20),
        ("too_many_elsewhere", 21),
    ]
    assert "At most 20 results" in answer.json()["detail"][0]["msg"]
    assert vendor.calls(RESULT) == results.MAX_ELSEWHERE


@pytest.mark.parametrize("call", ["batches", "quotes"])
def test_while_the_vendor_is_away_nothing_is_taken_and_it_is_asked_once(
    call: str, vendor: Vendor, owner: Person
) -> None:
    vendor.fail(RESULT, as_json({"detail": "away"}, 503))
    answer = ask(owner, 5, 6, 7, call=call)
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "does not answer" in answer.json()["detail"]
    assert vendor.calls(RESULT) <= 2
    assert (owner.balance, Upscale.objects.count()) == (100, 0)


def test_a_vendor_that_takes_too_long_is_not_waited_for(
    vendor: Vendor, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "ASKING_TIME", -1.0)
    elsewhere(vendor, 5)
    assert ask(owner, 5).status_code == 503
    assert (vendor.calls(RESULT), owner.balance) == (0, 100)

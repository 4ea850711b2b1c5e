"""Result ids: the vendor's own, asked for before anything is charged."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import vendor as vendors
from tests.support import webserver
from tests.support.vendor import (
    LIST,
    RESULT,
    SUBMIT,
    Vendor,
    as_json,
    follow,
    prove_nothing_went_wrong,
    step,
)
from upscaler.models import EngineState, Upscale


def newest() -> Upscale:
    return Upscale.objects.latest("pk")


def ask(person: Person, number: int) -> Any:
    return person.api("post", "generation-upscale", {"generation_result_id": number, "model_name": "recraft"})


def test_results_carry_the_vendor_s_own_numbers(
    vendor: Vendor, owner: Person, done: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    first = done()
    assert first.result_id == 1071
    [result] = owner.api("get", f"generation/{first.pk}").json()["generation_results"]
    assert result["generation_result_id"] == 1071
    assert owner.api("get", "generation-result/1071").json()["generation_id"] == first.pk
    assert ask(owner, 1071).status_code == 200
    vendor.picture = vendors.picture((120, 100))
    second = follow(newest())
    assert vendor.bodies[1] == {"generation_result_id": 1071, "model_name": "recraft"}
    assert (second.status, second.source_result, second.result_width) == ("Done", first, 120)
    prove_nothing_went_wrong(second, owner, vendor, caplog)


def test_a_result_that_only_the_vendor_knows_is_taken(
    vendor: Vendor, owner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.results[5] = {"generation_result_id": 5, "generation_id": 4, "url": f"http://{vendor.host}/shop/5.png"}
    number = ask(owner, 5).json()["generation_id"]
    upscale = follow(newest())
    assert vendor.bodies == [{"generation_result_id": 5, "model_name": "recraft"}]
    assert (upscale.status, upscale.source, upscale.source_width) == ("Done", "result", 48)
    assert "result number 5 there" in owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    payload = owner.api("get", f"generation/{number}").json()["payload"]
    assert '"generation_result_id": 5, "image_url": ""' in payload


def test_trying_again_with_a_result_of_elsewhere_goes_with_our_copy(vendor: Vendor, owner: Person) -> None:
    """The vendor may have dropped the result since the first order."""
    vendor.results[5] = {"generation_result_id": 5, "generation_id": 4, "url": f"http://{vendor.host}/shop/5.png"}
    ask(owner, 5)
    vendor.fail(SUBMIT, as_json({"detail": "no"}, 402))
    failed = follow(newest())
    vendor.faults.clear()
    owner.client.post(f"/upscales/{failed.pk}/retry/")
    assert follow(newest()).status == "Done"
    assert vendor.bodies[0]["generation_result_id"] == 5
    assert vendor.bodies[1]["image_url"].startswith("https://upscaler.example.com/files/")


def test_ordering_a_result_of_elsewhere_anew_goes_with_our_copy(vendor: Vendor, owner: Person) -> None:
    """The order is fresh, and the number is not: the vendor may have dropped the result since."""
    vendor.results[5] = {"generation_result_id": 5, "generation_id": 4, "url": f"http://{vendor.host}/shop/5.png"}
    ask(owner, 5)
    first = follow(newest())
    del vendor.results[5]
    assert owner.client.post("/again/", {"offered": first.pk, "upscale": first.pk}).status_code == 302
    again = follow(newest())
    assert (again.status, again.source_name, again.source_digest) == ("Done", first.source_name, first.source_digest)
    assert vendor.bodies[0]["generation_result_id"] == 5
    assert vendor.bodies[1]["image_url"].startswith("https://upscaler.example.com/files/")


@pytest.mark.parametrize("is_there", [True, False])
def test_without_a_public_address_the_vendor_is_asked_for_the_result_once_more(
    vendor: Vendor, owner: Person, is_there: bool
) -> None:
    vendor.results[5] = {"generation_result_id": 5, "generation_id": 4, "url": f"http://{vendor.host}/shop/5.png"}
    ask(owner, 5)
    vendor.fail(SUBMIT, as_json({"detail": "no"}, 402))
    failed = follow(newest())
    vendor.faults.clear()
    if not is_there:
        del vendor.results[5]
    with override_settings(PUBLIC_URL=""):
        answer = owner.client.post(f"/upscales/{failed.pk}/retry/", follow=True)
        if is_there:
            assert follow(newest()).status == "Done"
            assert vendor.bodies[1]["generation_result_id"] == 5
        else:
            assert "no finished result with the number 5" in str(next(iter(answer.context["messages"])))
    assert owner.balance == (99 if is_there else 100)


@pytest.mark.parametrize("newer", [True, False])
def test_a_dead_result_is_refused_before_any_charge_with_its_time(vendor: Vendor, owner: Person, newer: bool) -> None:
    made = timezone.now() - timedelta(hours=5)
    vendor.results[5] = {
        "generation_result_id": 5,
        "generation_id": 4,
        "url": f"http://{vendor.host}/shop/5.png",
        "created_at": made.isoformat(),
        **({"available": False} if newer else {}),
    }
    answer = ask(owner, 5)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["loc"]) == ("expired", ["body", "generation_result_id"])
    assert f"until {(made + timedelta(hours=4)).strftime('%-d %B %Y, %H:%M')} (UTC)" in problem["msg"]
    assert (owner.balance, vendor.calls(SUBMIT)) == (100, 0)


def test_an_unknown_result_is_refused_before_any_charge(vendor: Vendor, owner: Person) -> None:
    answer = ask(owner, 5)
    assert answer.json()["detail"][0]["type"] == "not_found"
    assert (vendor.calls(RESULT), owner.balance, Upscale.objects.count()) == (1, 100, 0)


def test_another_team_s_result_is_unknown_although_the_vendor_knows_it(
    vendor: Vendor, owner: Person, outsider: Person, order: Callable[..., Upscale]
) -> None:
    """One account at the vendor serves every team."""
    vendor.status = "Ongoing"
    upscale = step(order())
    vendor.status = "Done"
    assert ask(outsider, 1071).json()["detail"][0]["type"] == "not_found", "not even before the desk has it"
    follow(upscale)
    asked = vendor.calls(RESULT)
    assert ask(outsider, 1071).json()["detail"][0]["type"] == "not_found"
    assert vendor.calls(RESULT) == asked
    assert outsider.balance == 100


def test_while_the_vendor_is_down_own_results_are_taken_and_others_are_asked_for_later(
    vendor: Vendor, owner: Person, done: Callable[..., Upscale]
) -> None:
    done()
    vendor.fail(RESULT, as_json({}, 503))
    answer = ask(owner, 5)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert "can’t be looked up" in answer.json()["detail"]
    page = owner.submit(generation_result_id="5")
    assert (page.status_code, "can’t be looked up" in page.content.decode()) == (422, True)
    assert owner.balance == 99
    assert ask(owner, 1071).status_code == 200
    # Nor does a page that something on the way shows say that there is no such result.
    EngineState.objects.all().delete()
    vendor.fail(RESULT, webserver.body(b"<h1>404</h1>", 404))
    assert ask(owner, 5).status_code == 503


def test_a_result_that_ran_out_while_its_order_waited_is_replaced_by_our_copy(
    vendor: Vendor, owner: Person, done: Callable[..., Upscale]
) -> None:
    done()
    ask(owner, 1071)
    vendor.picture = vendors.picture((120, 100))
    with time_machine.travel(timezone.now() + timedelta(hours=5), tick=False):
        assert follow(newest()).status == "Done"
    assert vendor.bodies[1]["image_url"].startswith("https://upscaler.example.com/files/")


def test_the_vendor_s_clock_says_how_long_a_result_can_be_named(
    vendor: Vendor, owner: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    made = timezone.now() - timedelta(hours=1)
    Upscale.objects.filter(pk=upscale.pk).update(referable_until=made + timedelta(hours=4))
    page = owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    assert "for another 2\xa0hours, 59\xa0minutes" in page
    assert "the desk’s copy stays" in page
    Upscale.objects.filter(pk=upscale.pk).update(referable_until=made)
    assert "programs may use it" not in owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    assert ask(owner, 1071).json()["detail"][0]["type"] == "expired"
    assert list(Upscale.objects.referable()) == []
    assert "The desk kept its own copy" in owner.client.get(f"/?result={upscale.pk}").content.decode()


def elsewhere(vendor: Vendor, **more: Any) -> dict[str, Any]:
    """A result that another program made with the vendor's account."""
    url = f"http://{vendor.host}/shop/5.png"
    made = timezone.now().isoformat()
    return {"generation_result_id": 5, "generation_id": 4, "url": url, "status": "Done", "created_at": made, **more}


def test_a_long_signed_address_of_a_result_is_no_obstacle(
    vendor: Vendor, owner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.results[5] = elsewhere(vendor, url=f"http://{vendor.host}/shop/5.png?X-Amz-Signature={'x' * 5000}")
    assert ask(owner, 5).status_code == 200
    upscale = follow(newest())
    assert (upscale.status, upscale.source_name) == ("Done", "5.png"), upscale.error_message
    assert vendor.bodies == [{"generation_result_id": 5, "model_name": "recraft"}]
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/" + "x" * 9000,
        "http://10.0.0.1/5.png",
        "https://shop.example/\x00.png",
        "https://shop.example/\ud800.png",
        "file:///etc/passwd",
    ],
)
def test_a_result_whose_address_the_desk_can_t_open_is_refused_before_any_charge(
    url: str, vendor: Vendor, owner: Person
) -> None:
    vendor.results[5] = elsewhere(vendor, url=url)
    answer = ask(owner, 5)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["type"] == "source_unusable"
    assert "the address that Uwear gives for result 5" in problem["msg"]
    assert (owner.balance, vendor.calls(SUBMIT)) == (100, 0)


@pytest.mark.parametrize("number", ["4\x00", "", None, 10**30, {"a": 1}])
def test_a_result_without_a_readable_generation_is_not_taken(number: Any, vendor: Vendor, owner: Person) -> None:
    """Nobody could tell whose it is."""
    vendor.results[5] = elsewhere(vendor, generation_id=number)
    assert ask(owner, 5).json()["detail"][0]["type"] == "not_found"
    assert owner.api("get", "generation-result/5").status_code == 404


def test_a_program_may_ask_for_a_result_that_only_the_vendor_knows(vendor: Vendor, owner: Person) -> None:
    vendor.results[5] = elsewhere(vendor)
    answer = owner.api("get", "generation-result/5")
    assert answer.status_code == 200
    result = answer.json()
    assert (result["generation_result_id"], result["generation_id"], result["status"]) == (5, 4, "Done")
    assert (result["image_url"], result["available"]) == (f"http://{vendor.host}/shop/5.png", True)
    assert (result["width"], result["height"]) == (None, None)
    vendor.results[5]["available"] = False
    assert owner.api("get", "generation-result/5").json()["available"] is False
    assert owner.api("get", "generation-result/6").status_code == 404
    for number in ("0", "9" * 19, "9" * 30):
        assert owner.api("get", f"generation-result/{number}").status_code == 404
    vendor.fail(RESULT, as_json({}, 503))
    away = owner.api("get", "generation-result/5")
    assert (away.status_code, away["Retry-After"]) == (503, "60")
    assert "can’t be looked up" in away.json()["detail"]


def test_another_team_s_result_stays_unknown_from_the_first_moment(
    vendor: Vendor, owner: Person, outsider: Person, order: Callable[..., Upscale]
) -> None:
    """One account at the vendor serves every team, and the vendor tells any of them."""
    vendor.status = "Ongoing"
    upscale = step(order())
    assert outsider.api("get", "generation-result/1071").status_code == 404
    follow(upscale)
    vendor.status = "Done"
    assert outsider.api("get", "generation-result/1071").status_code == 404
    assert owner.api("get", "generation-result/1071").json()["generation_id"] == upscale.pk
    follow(upscale)
    assert outsider.api("get", "generation-result/1071").status_code == 404
    assert owner.api("get", "generation-result/1071").json()["generation_id"] == upscale.pk


@pytest.mark.parametrize("ends", [False, True])
def test_a_result_of_a_call_whose_answer_was_lost_is_nobody_else_s(
    ends: bool, vendor: Vendor, owner: Person, outsider: Person, order: Callable[..., Upscale]
) -> None:
    """The desk does not know yet, or never will, which generation it was; but it knows what was sent."""
    vendor.fail(SUBMIT, vendors.taken_but(vendor, webserver.cut))
    upscale = step(order())
    if ends:
        vendor.fail(LIST, as_json({"detail": "Not Found"}, 404))
        with override_settings(UWEAR_TIME_LIMIT=0):
            assert follow(upscale).error_code == "uwear_unclear"
        vendor.faults.clear()
    assert upscale.engine_id is None
    assert outsider.api("get", "generation-result/1071").status_code == 404
    assert ask(outsider, 1071).json()["detail"][0]["type"] == "not_found"
    # What another program made is told apart by what was sent for it.
    elsewhere_made = {"image_url": "https://shop.example/other.jpg", "model_name": "recraft"}
    vendor.generations[4] = {"payload": json.dumps(elsewhere_made), "created_at": timezone.now().isoformat()}
    vendor.results[5] = elsewhere(vendor)
    assert outsider.api("get", "generation-result/5").status_code == 200
    vendor.generations[4]["payload"] = "no JSON"
    assert outsider.api("get", "generation-result/5").status_code == 404

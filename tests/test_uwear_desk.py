"""The desk with the Uwear engine: sources, result ids, pages, readiness, checks and the probe."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from PIL import Image

from tests import vendor as vendors
from tests import webserver
from tests.conftest import Person
from tests.vendor import FOLLOW, KEY, LIST, RESULT, SUBMIT, Vendor, as_json, follow, prove_nothing_went_wrong, step
from upscaler import checks
from upscaler.models import EngineState, Upscale
from upscaler.services import breaker, work
from upscaler.services.sweep import sweep


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with vendors.running() as vendor:
        yield vendor


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def newest() -> Upscale:
    return Upscale.objects.latest("pk")


# --- Sources ---------------------------------------------------------------------------------------


def test_an_upload_goes_through_a_signed_link_that_runs_out(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    upscale = follow(order())
    [body] = vendor.bodies
    assert set(body) == {"image_url", "model_name"}
    assert body["image_url"].startswith("https://upscaler.example.com/files/")
    path = urlsplit(body["image_url"]).path
    answer = Client().get(path)
    with upscale.source_file.open("rb") as kept:
        assert b"".join(answer.streaming_content) == kept.read()  # type: ignore[attr-defined]
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1), tick=False):
        assert Client().get(path).status_code == 410


def test_a_url_goes_as_it_is(vendor: Vendor, owner: Person) -> None:
    url = f"http://{vendor.host}/shop/shirt.png?size=original&x=%20"
    owner.api("post", "generation-upscale", {"image_url": url, "model_name": "recraft"})
    upscale = follow(newest())
    assert (upscale.status, vendor.bodies) == ("Done", [{"image_url": url, "model_name": "recraft"}])
    assert upscale.before_preview


def test_without_a_public_address_uploads_are_refused_and_urls_are_not(
    vendor: Vendor, owner: Person, upload: Callable[..., Any]
) -> None:
    with override_settings(PUBLIC_URL=""):
        assert "has to set PUBLIC_URL" in owner.client.get("/").content.decode()
        refused = owner.submit(image=upload())
        assert refused.status_code == 422
        assert "has to set PUBLIC_URL" in refused.content.decode()
        [warning] = checks.remote_engine_can_fetch_uploads()
        assert (warning.id, "PUBLIC_URL" in warning.msg) == ("upscaler.W002", True)
        assert owner.submit(image_url="https://shop.example/a.jpg").status_code == 302
    assert checks.remote_engine_can_fetch_uploads() == []
    assert owner.balance == 99


def test_an_upload_whose_desk_lost_its_public_address_is_refunded(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    upscale = order()
    with override_settings(PUBLIC_URL=""):
        follow(upscale)
    assert (upscale.status, upscale.error_code) == ("Error", "public_url_missing")
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)


# --- Results ---------------------------------------------------------------------------------------


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
    assert "result 5 at Uwear" in owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
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


# --- Two engines -----------------------------------------------------------------------------------


def test_each_row_keeps_the_engine_that_it_was_ordered_with(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    at_vendor = order()
    with override_settings(ENGINE="local"):
        local = order()
        assert follow(at_vendor).status == "Done"
    assert follow(local).status == "Done"
    assert [(u.engine, bool(u.made_with.get("networks"))) for u in (at_vendor, local)] == [
        ("uwear", False),
        ("local", True),
    ]
    assert vendor.calls(SUBMIT) == 1
    for upscale in (at_vendor, local):
        assert owner.client.get(f"/upscales/{upscale.pk}/").status_code == 200
    # A result of the local engine is none of the vendor's.
    assert ask(owner, local.result_id or 0).json()["detail"][0]["type"] == "not_found"


def test_trying_again_is_a_new_order(vendor: Vendor, owner: Person, order: Callable[..., Upscale]) -> None:
    vendor.fail(SUBMIT, as_json({"detail": "no"}, 402))
    failed = follow(order())
    vendor.faults.clear()
    owner.client.post(f"/upscales/{failed.pk}/retry/")
    again = follow(newest())
    assert (again.status, again.retry_of, owner.balance) == ("Done", failed, 99)


def test_the_result_is_kept_in_the_vendor_s_format(vendor: Vendor, done: Callable[..., Upscale]) -> None:
    upscale = done()
    with upscale.result_file.open("rb") as kept:
        content = kept.read()
    assert content == vendor.picture
    assert (upscale.result_format, upscale.result_name) == ("PNG", "shirt.png")
    assert Image.open(io.BytesIO(content)).format == "PNG"


# --- Pages and watching ----------------------------------------------------------------------------


def test_a_banner_says_since_when_the_vendor_is_away(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    words = "Uwear does not answer since"
    upscale = order()
    live = f"/history/live/?id={upscale.pk}"
    vendor.fail(SUBMIT, webserver.cut)
    vendor.fail(LIST, webserver.cut)
    assert words not in owner.client.get("/").content.decode()
    for _ in range(3):
        step(upscale)
    since = timezone.localtime(breaker.down_since("uwear"))
    for page in ("/", "/history/", f"/upscales/{upscale.pk}/", live):
        assert f"{words} {since:%H:%M}; your upscales wait." in owner.client.get(page).content.decode()
    assert "Waiting for Uwear to answer again" in owner.client.get(live).content.decode()
    # Another day is named.
    EngineState.objects.update(failing_since=timezone.now() - timedelta(days=2))
    assert f"{words} {timezone.localtime() - timedelta(days=2):%-d %B}, " in owner.client.get("/").content.decode()
    vendor.faults.clear()
    with override_settings(UWEAR_SETTLE_SECONDS=0):
        assert follow(upscale).status == "Done"
    for page in ("/", "/history/", live):
        assert words not in owner.client.get(page).content.decode()


def test_the_banner_goes_without_any_work(vendor: Vendor, owner: Person) -> None:
    past = timezone.now() - timedelta(hours=5)
    for look in (sweep, lambda: Client().get("/readyz")):
        cache.clear()
        EngineState.objects.update_or_create(
            pk="uwear", defaults={"failures": 3, "failing_since": past, "retry_at": past}
        )
        assert "Uwear does not answer since" in owner.client.get("/").content.decode()
        look()
        assert "Uwear does not answer since" not in owner.client.get("/").content.decode()
    sweep()
    assert vendor.calls(LIST) == 2, "one that answers is not asked"


def test_polling_pauses_grow(vendor: Vendor, order: Callable[..., Upscale]) -> None:
    vendor.status = "Ongoing"
    upscale = step(order())
    pauses = []
    for minutes in (0, 1, 10):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=False):
            step(upscale)
            assert upscale.not_before is not None
            pauses.append((upscale.not_before - timezone.now()).total_seconds())
    assert pauses[0] == 2
    assert 14 < pauses[1] < 17
    assert pauses[2] == 30


def test_progress_that_the_vendor_tells_is_shown(vendor: Vendor, order: Callable[..., Upscale]) -> None:
    vendor.fail(FOLLOW, as_json({"generation_id": 71, "status": "Ongoing", "progress": 0.4}))
    assert step(order()).percent == 40


def test_readiness_names_a_wrong_key_and_stays_ready_in_an_outage(vendor: Vendor, db: None) -> None:
    assert Client().get("/readyz").json()["engine"] == "ok"
    for answer, status, words in (
        (as_json({}, 401), 503, "Set UWEAR_API_KEY"),
        (as_json({"detail": "Not Found"}, 404), 503, "Check the address and its prefix"),
        (webserver.cut, 200, "ok, but Uwear does not answer"),
    ):
        cache.clear()
        vendor.fail(LIST, answer)
        asked = vendor.calls(LIST)
        ready = [Client().get("/readyz") for _ in range(3)][-1]
        assert (ready.status_code, vendor.calls(LIST)) == (status, asked + 1)
        assert words in ready.json()["engine"]


def test_the_check_command_names_a_wrong_key_or_address(vendor: Vendor, db: None) -> None:
    assert "uwear answers and takes the key" in run("check")
    vendor.fail(LIST, as_json({}, 401))
    with pytest.raises(CommandError, match=r"refuses the key \(401\). Set UWEAR_API_KEY"):
        run("check")
    with override_settings(UWEAR_API_URL="http://uwear.invalid"):
        with pytest.raises(CommandError, match="does not answer under UWEAR_API_URL"):
            run("check")
        assert [warning.id for warning in checks.key_is_not_sent_in_clear()] == ["upscaler.W003"]
    assert checks.key_is_not_sent_in_clear() == []
    with override_settings(UWEAR_API_KEY=""):
        assert [error.id for error in checks.engine_is_there()] == ["upscaler.E001"]


def test_the_probe_says_which_needed_call_is_missing(vendor: Vendor, db: None) -> None:
    vendor.fail("GET generation-results", as_json({"data": []}))
    vendor.fail(SUBMIT, as_json({"detail": [{"type": "missing", "loc": ["body"], "msg": "no"}]}, 422))
    said = run("uwear_probe")
    assert said.splitlines()[-1] == "OK: every call that this desk needs is there. Nothing was spent."
    assert vendor.bodies == [{}]
    vendor.fail(LIST, as_json({"detail": "Not Found"}, 404))
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("uwear_probe", stdout=out)
    assert out.getvalue().splitlines()[-1] == "WRONG: this desk needs GET /generations. Nothing was spent."
    assert "MISSING  GET /generations" in out.getvalue()
    assert KEY not in out.getvalue() + said
    assert vendor.generations == {}


@pytest.mark.parametrize("status", [401, 403])
def test_the_probe_says_that_the_key_is_wrong(status: int, vendor: Vendor, db: None) -> None:
    for call in (LIST, FOLLOW, RESULT, SUBMIT, "GET generation-results"):
        vendor.fail(call, as_json({"detail": "no"}, status))
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("uwear_probe", stdout=out)
    said = out.getvalue()
    assert f"WRONG: Uwear refuses the key ({status}). Set UWEAR_API_KEY" in said.splitlines()[-1]
    assert "MISSING" not in said


def test_messages_of_the_vendor_s_work_go_to_the_io_queue(
    vendor: Vendor, order: Callable[..., Upscale], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        upscale = order()
    work.step(upscale.pk)
    assert set(DBTaskResult.objects.values_list("queue_name", flat=True)) == {"io"}


def test_a_result_is_saved_in_the_format_that_was_asked_for(vendor: Vendor, owner: Person) -> None:
    url = f"http://{vendor.host}/shop/shirt.png"
    body = {"image_url": url, "model_name": "recraft", "result_format": "WEBP"}
    owner.api("post", "generation-upscale", body)
    upscale = follow(newest())
    assert (upscale.status, upscale.result_format) == ("Done", "WEBP")
    assert "result_format" not in vendor.bodies[0]
    with upscale.result_file.open("rb") as file, Image.open(file) as result:
        assert (result.format, result.size) == ("WEBP", (upscale.result_width, upscale.result_height))
        assert b"compositeWithTrainedAlgorithmicMedia" in result.info["xmp"]

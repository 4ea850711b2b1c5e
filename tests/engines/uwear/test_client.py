"""The vendor's calls: what is sent, what is understood, and that the key goes nowhere else."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.support import webserver
from tests.support.vendor import FOLLOW, KEY, LIST, RESULT, SUBMIT, Vendor, as_json
from upscaler import upscaling_models
from upscaler.engines.base import EngineError, Order
from upscaler.engines.uwear import errors
from upscaler.engines.uwear.client import UwearClient
from upscaler.engines.uwear.dialects import Legacy
from upscaler.engines.uwear.engine import UwearEngine
from upscaler.engines.uwear.errors import UwearError

URL = "https://shop.example/shirt.jpg"


@pytest.fixture
def client(vendor: Vendor) -> UwearClient:
    return UwearClient(vendor.api_url + "/", f" {KEY}\n", connect_timeout=1, read_timeout=1)


def order(**values: Any) -> Order:
    given = {"model_name": "recraft", "settings": {}, "reference": {"image_url": URL}, **values}
    return Order(upscale_id=1, source_path=Path("source"), work_dir=Path("work"), **given)


def test_a_submit_sends_the_documented_fields_and_nothing_else(vendor: Vendor, client: UwearClient) -> None:
    settings = {
        **upscaling_models.MODELS["topaz"].defaults,
        "face_enhancement": True,
        "face_enhancement_creativity": 0.8,
    }
    body_of = Legacy().body
    topaz = body_of(order(model_name="topaz", settings=settings, reference={"generation_result_id": 12}))
    assert topaz == {
        "generation_result_id": 12,
        "model_name": "topaz",
        "generation_settings": {
            "upscale_factor": "4x",
            "enhance_model": "High Fidelity V2",
            "subject_detection": "Foreground",
            "face_enhancement": "true",
            "face_enhancement_creativity": "0.8",
        },
    }
    assert body_of(order()) == {"image_url": URL, "model_name": "recraft"}
    assert client.submit(body_of(order())) == "71"
    [(call, headers)] = vendor.seen
    assert call == SUBMIT
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("Upscaler/")
    assert vendor.bodies == [{"image_url": URL, "model_name": "recraft"}]


@pytest.mark.parametrize("name", ["image_url", "url"])
def test_what_is_read_may_have_other_names_and_more_fields(name: str, vendor: Vendor, client: UwearClient) -> None:
    result = {"generation_result_id": "5", "generation_id": 3, name: URL, "kind": "upscale", "available": False}
    vendor.fail(RESULT, as_json(result))
    found = client.result(5)
    assert found is not None
    assert (found.result_id, found.generation_id, found.url, found.available) == (5, "3", URL, False)


@pytest.mark.parametrize(
    "more",
    [
        {"progress": 10**400},
        {"payload": "\ud800"},
        {"generation_results": [{"image_url": URL}, {"generation_result_id": 5, "image_url": URL}]},
        {"created_at": "9999-12-31T23:59:59Z"},
    ],
)
def test_what_makes_no_sense_in_an_answer_is_passed_over(
    more: dict[str, Any], vendor: Vendor, client: UwearClient
) -> None:
    vendor.fail(FOLLOW, as_json({"generation_id": 9, "status": "Done", **more}))
    generation = client.generation("9")
    assert (generation.status, generation.progress, generation.payload, generation.created_at) == ("Done", *[None] * 3)
    assert [result.result_id for result in generation.results] == [5] * ("generation_results" in more)


def test_a_result_that_is_kept_for_ever_is_kept_for_the_usual_time(vendor: Vendor, client: UwearClient) -> None:
    """A time at the end of all times can't be told in every zone."""
    vendor.fail(RESULT, as_json({"generation_result_id": 5, "expires_at": "9999-12-31T23:59:59Z"}))
    found = client.result(5)
    assert found is not None
    assert found.expires_at is None


def test_an_answer_about_another_result_is_not_taken(vendor: Vendor, client: UwearClient) -> None:
    vendor.fail(RESULT, as_json({"generation_result_id": 6, "image_url": URL}))
    with pytest.raises(UwearError, match="another"):
        client.result(5)


def test_an_unknown_result_is_none(client: UwearClient) -> None:
    assert client.result(404404) is None


def test_an_unknown_status_counts_as_still_working_and_is_logged(
    vendor: Vendor, client: UwearClient, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.fail(FOLLOW, as_json({"generation_id": 9, "status": "Polishing"}))
    assert client.generation("9").status == "Ongoing"
    assert "generation 9 has the unknown status 'Polishing'" in caplog.text


def test_a_netrc_file_and_a_proxy_of_the_environment_do_not_count(
    vendor: Vendor, client: UwearClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    client.generations()
    assert vendor.seen[0][1]["Authorization"] == f"Bearer {KEY}"


def test_an_answer_without_an_end_is_given_up(client: UwearClient, vendor: Vendor) -> None:
    for answer in (webserver.endless, webserver.dripping_body, webserver.dripping_head):
        vendor.fail(LIST, answer)
        began = time.monotonic()
        with pytest.raises(UwearError) as raised:
            client.generations()
        assert raised.value.code == "uwear_timeout"
        assert raised.value.maybe_taken
        assert time.monotonic() - began < 4, "connect and read timeout together"
    vendor.faults.clear()
    assert client.generations().generations == []


@pytest.mark.parametrize("answer", [webserver.cut, as_json({"detail": KEY}, 500), as_json({"detail": KEY}, 400)])
def test_the_key_is_in_no_error_and_no_log(
    answer: webserver.Answer, vendor: Vendor, client: UwearClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.fail(SUBMIT, answer)
    try:
        client.submit({})
    except UwearError as error:
        logging.getLogger("upscaler").exception("a whole traceback")
        assert KEY not in repr(error) + str(vars(error))
        assert error.__suppress_context__ or error.__context__ is None
    assert "a whole traceback" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("", 30),
        ("soon", 30),
        ("4_0", 30),
        ("٤", 30),
        ("-5", 1),
        ("99999", 900),
        ("nan", 1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 30),
    ],
)
def test_retry_after_is_obeyed_within_bounds(header: str, seconds: float) -> None:
    assert errors.refusal(429, {"Retry-After": header}, None).retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    at = timezone.now() + timedelta(seconds=60)
    header = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    wait = errors.refusal(429, {"Retry-After": header}, None).retry_after
    assert wait is not None
    assert 55 < wait <= 60


def test_the_vendor_s_words_are_quoted_in_short_and_without_tricks() -> None:
    message = errors.refusal(400, {}, "bad\n\x1b[31m" + "x" * 1000).message
    assert "bad [31mxxx" in message
    assert len(message) < 350


class TestFindingALostCall:
    """`UwearEngine.find_job`: the account's list, newest first or not, on one page or several."""

    def find_job(self, vendor: Vendor, body: dict[str, Any] | None = None, taken: tuple[str, ...] = ()) -> str | None:
        wanted = body or {}
        return UwearEngine().find_job(
            order(handed_over_at=timezone.now(), taken=lambda ids: set(ids) & set(taken), **wanted)
        )

    def is_unclear(self, vendor: Vendor) -> bool:
        with pytest.raises(EngineError) as raised:
            self.find_job(vendor)
        return raised.value.code == "uwear_unclear"

    def rows(self, *ages: float, first: int = 100, url: str = URL, **more: Any) -> list[dict[str, Any]]:
        """Generations with these ages in minutes, all of the same order."""
        payload = json.dumps({"generation_result_id": 0, "image_url": url, "model_name": "recraft"})
        now = timezone.now()
        return [
            {
                "generation_id": first + i,
                "status": "Ongoing",
                "payload": payload,
                "created_at": (now - timedelta(minutes=age)).isoformat(),
                **more,
            }
            for i, age in enumerate(ages)
        ]

    def pages(self, vendor: Vendor, *pages: list[dict[str, Any]]) -> None:
        answers = [as_json({"data": page, "max_page": len(pages), "total_count": 9}) for page in pages]
        vendor.fail(LIST, *answers)

    def test_the_oldest_that_nobody_has(self, vendor: Vendor) -> None:
        self.pages(vendor, self.rows(0, 1, 2))
        assert self.find_job(vendor) == "100"
        assert self.find_job(vendor, taken=("100", "101")) == "102"
        assert self.find_job(vendor, taken=("100", "101", "102")) is None

    def test_one_from_before_the_call_is_not_ours(self, vendor: Vendor) -> None:
        self.pages(vendor, self.rows(11, 60))
        assert self.find_job(vendor) is None

    def test_pages_are_read_until_they_are_too_old(self, vendor: Vendor) -> None:
        other = self.rows(0, 1, url="https://shop.example/other.jpg")
        self.pages(vendor, other, self.rows(2, 30, first=300), self.rows(40, 50))
        assert self.find_job(vendor) == "300"
        assert vendor.calls(LIST) == 2

    def test_a_list_with_the_oldest_first_is_read_to_its_end(self, vendor: Vendor) -> None:
        self.pages(vendor, self.rows(90, 80), self.rows(70, 60), self.rows(1, first=300))
        assert self.find_job(vendor) == "300"

    @pytest.mark.parametrize(
        "payload",
        [
            {"image_url": URL, "model_name": "topaz"},
            {"image_url": "https://shop.example/other.jpg", "model_name": "topaz"},
        ],
    )
    def test_another_order_is_not_ours(self, payload: dict[str, Any], vendor: Vendor) -> None:
        self.pages(vendor, self.rows(0, payload=json.dumps(payload)))
        assert self.find_job(vendor) is None

    @pytest.mark.parametrize(
        "payload",
        [
            {"image_url": "https://cdn.vendor.example/copy.jpg", "model_name": "recraft"},
            {"image_url": URL, "generation_result_id": 4, "model_name": "recraft"},
            {"input_image": URL, "model": "recraft"},
            {"input_image": URL, "model_name": "recraft"},
            {"request": {"image_url": URL, "model_name": "recraft"}},
            {"image_url": "", "generation_result_id": 0, "model_name": "recraft"},
        ],
    )
    def test_one_that_may_be_ours_in_other_words_is_unclear(self, payload: dict[str, Any], vendor: Vendor) -> None:
        self.pages(vendor, self.rows(0, payload=json.dumps(payload)))
        assert self.is_unclear(vendor)
        # What the desk knows as another upscale's is no riddle, however it reads.
        assert self.find_job(vendor, taken=("100",)) is None

    def test_the_source_of_another_upscale_is_not_ours(self, vendor: Vendor) -> None:
        other = "https://shop.example/other.jpg"
        self.pages(vendor, self.rows(0, url=other))
        assert self.is_unclear(vendor)
        assert self.find_job(vendor, {"is_named": lambda source: source == {"image_url": other}}) is None

    def test_without_a_count_of_pages_all_are_read(self, vendor: Vendor) -> None:
        old = [as_json({"data": self.rows(90, 80, first=first)}) for first in (300, 310)]
        vendor.fail(LIST, *old, as_json({"data": self.rows(0)}), as_json({"data": []}))
        assert self.find_job(vendor) == "100"
        assert vendor.calls(LIST) == 4

    def test_a_list_that_has_one_page_only_ends_when_it_repeats(self, vendor: Vendor) -> None:
        vendor.fail(LIST, as_json({"data": self.rows(90, 80)}))
        assert self.find_job(vendor) is None
        assert vendor.calls(LIST) == 2

    def test_a_list_of_something_else_proves_nothing(self, vendor: Vendor) -> None:
        vendor.fail(LIST, as_json({"data": [71], "max_page": 1}))
        assert self.is_unclear(vendor)

    @pytest.mark.parametrize(("hours", "found"), [(5, "100"), (-5, "100"), (13, None)])
    def test_a_time_without_a_zone_may_be_any_zone_s(self, hours: int, found: str | None, vendor: Vendor) -> None:
        local = (timezone.now() - timedelta(hours=hours)).replace(tzinfo=None)
        self.pages(vendor, self.rows(0, created_at=local.isoformat()))
        assert self.find_job(vendor) == found

    def test_settings_count_whatever_their_types(self, vendor: Vendor) -> None:
        settings = {**upscaling_models.MODELS["topaz"].defaults, "face_enhancement": True}
        topaz = {"model_name": "topaz", "settings": settings}
        for given, found in (
            ({"face_enhancement": "true", "upscale_factor": "4x"}, "100"),
            ({"face_enhancement": True, "face_enhancement_creativity": 0.5}, "100"),
            ({"face_enhancement": "false"}, None),
            ({}, None),
        ):
            payload = {"image_url": URL, "model_name": "topaz", "generation_settings": given}
            self.pages(vendor, self.rows(0, payload=payload))
            assert self.find_job(vendor, topaz) == found, given

    def test_a_payload_that_only_the_generation_has(self, vendor: Vendor) -> None:
        self.pages(vendor, self.rows(0, payload=None))
        vendor.fail(FOLLOW, as_json(self.rows(0)[0]))
        assert self.find_job(vendor) == "100"
        vendor.fail(FOLLOW, as_json(self.rows(0, payload="[not json")[0]))
        with pytest.raises(EngineError) as raised:
            self.find_job(vendor)
        assert raised.value.code == "uwear_unclear"


@pytest.mark.parametrize(
    ("break_it", "code", "words"),
    [
        (lambda vendor: vendor.fail(LIST, as_json({}, 401)), "uwear_key", "Set UWEAR_API_KEY"),
        (lambda vendor: vendor.fail(LIST, as_json({}, 404)), "uwear_not_found", "Check the address and its prefix"),
        (lambda vendor: vendor.fail(LIST, webserver.body(b"<html>")), "uwear_unreadable", "is not Uwear’s API"),
        (lambda vendor: vendor.fail(LIST, webserver.cut), "uwear_cut", "does not answer under UWEAR_API_URL"),
    ],
)
def test_a_wrong_key_or_address_is_named(
    break_it: Callable[[Vendor], None], code: str, words: str, vendor: Vendor
) -> None:
    UwearEngine().reach()
    break_it(vendor)
    with pytest.raises(EngineError) as raised:
        UwearEngine().reach()
    assert raised.value.code == code
    assert words in raised.value.message

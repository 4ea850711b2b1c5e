"""What programs find their orders by: references, models, moments; and parameters that a call has not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine

from tests.api.test_api import CALLS, URL_BODY, upload
from tests.conftest import Person
from upscaler.api.endpoints import api
from upscaler.models import Upscale
from upscaler.ordering import reorder
from upscaler.processing import lifecycle, worker_step

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ordered(person: Person, **more: Any) -> int:
    answer = person.api("post", "generation-upscale", {**URL_BODY, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()["generation_id"]


def found(person: Person, query: str, call: str = "generations") -> list[int]:
    answer = person.api("get", f"{call}?{query}")
    assert answer.status_code == 200, answer.content
    return [row.get("generation_id", row.get("batch_id")) for row in answer.json()["data"]]


def test_a_reference_comes_back_as_it_was_given_wherever_the_upscale_is(owner: Person) -> None:
    reference = " PIM/4711 «röd» 100% "
    link = upload(owner)
    answer = owner.api(
        "post", "generation-upscale", {"image_url": link, "model_name": "recraft", "reference": reference}
    )
    number = answer.json()["generation_id"]
    worker_step.step(number)
    detail = owner.api("get", f"generation/{number}").json()
    [result] = detail["generation_results"]
    rows = [
        detail,
        result,
        owner.api("get", f"generation-result/{result['generation_result_id']}").json(),
        *owner.api("get", "generations").json()["data"],
        *owner.api("get", "generation-results").json()["data"],
    ]
    assert [(row["reference"], row["name"], row["sku"]) for row in rows] == [(reference, "shirt.jpg", "")] * 5
    for call in ("generations", "generation-results"):
        assert found(owner, f"reference={quote(reference)}", call) == [number]
        assert found(owner, "reference=PIM", call) == []
        assert found(owner, "reference=", call) == [number]


def test_a_second_try_keeps_the_reference(owner: Person) -> None:
    failed = Upscale.objects.get(pk=ordered(owner, reference="mine"))
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It is gone.", code="gone")
    failed.refresh_from_db()
    again = reorder.retry(failed, user=owner.user)
    assert found(owner, "reference=mine") == [again.upscale.pk, failed.pk]


def test_batches_and_their_items_have_references_of_their_own(owner: Person, outsider: Person) -> None:
    items = [
        {"image_url": "https://shop.example/1.jpg", "reference": "one"},
        {"image_url": "https://shop.example/2.jpg"},
    ]
    body = {"model_name": "recraft", "items": items}
    batch = owner.api("post", "batches", {**body, "reference": "all"}).json()
    plain = owner.api("post", "batches", body).json()
    first = batch["generation_ids"][0]
    assert owner.api("get", f"batches/{batch['batch_id']}").json()["reference"] == "all"
    assert "reference" not in owner.api("get", f"batches/{plain['batch_id']}").json()
    assert found(owner, "reference=all", "batches") == [batch["batch_id"]]
    assert found(owner, f"reference=one&batch_id={batch['batch_id']}") == [first]
    assert found(outsider, "reference=all", "batches") == found(outsider, "reference=one") == []
    assert found(owner, "status=Done", "batches") == []
    for number in (*batch["generation_ids"], *plain["generation_ids"][:1]):
        claimed = lifecycle.claim(number)
        assert claimed is not None
        lifecycle.fail(claimed, message="It is gone.", code="gone")
    assert found(owner, "status=Done", "batches") == [batch["batch_id"]]
    assert found(owner, "status=Open", "batches") == [plain["batch_id"]]


@pytest.mark.parametrize(
    ("reference", "kind"), [("x" * 101, "string_too_long"), ("a\0b", "value_error"), (7, "string_type")]
)
def test_a_reference_that_is_none_is_refused(reference: Any, kind: str, owner: Person) -> None:
    single = owner.api("post", "generation-upscale", {**URL_BODY, "reference": reference})
    item = {"image_url": URL_BODY["image_url"], "reference": reference}
    of_item = owner.api("post", "batches", {"model_name": "recraft", "items": [item]})
    of_batch = owner.api(
        "post",
        "batches",
        {"model_name": "recraft", "items": [{"image_url": "https://a.example/b"}], "reference": reference},
    )
    for answer, loc in (
        (single, ["body", "reference"]),
        (of_item, ["body", "items", 0, "reference"]),
        (of_batch, ["body", "reference"]),
    ):
        assert answer.status_code == 422
        [problem] = answer.json()["detail"]
        assert (problem["type"], problem["loc"]) == (kind, loc)
    assert owner.balance == 100


def test_lists_are_filtered_by_model_and_moment(owner: Person) -> None:
    numbers = []
    for hours, model in ((0, "recraft"), (1, "topaz"), (2, "recraft")):
        with time_machine.travel(NOON + timedelta(hours=hours)):
            numbers.append(ordered(owner, model_name=model))
    first, second, third = numbers
    assert found(owner, "model_name=recraft") == [third, first]
    assert found(owner, "model_name=topaz&created_before=2026-11-20T12:30:00Z") == []
    assert found(owner, "created_after=2026-11-20T13:00:00Z") == [third, second]
    assert found(owner, "created_after=2026-11-20T13:00:00") == [third, second]
    assert found(owner, f"created_after={quote('2026-11-20T14:00:00+01:00')}") == [third, second]
    assert found(owner, "created_before=2026-11-20T13:00:00Z") == [first]
    assert found(owner, "created_after=2026-11-21&created_before=") == []


@pytest.mark.parametrize(
    "query",
    [
        "created_after=soon",
        f"created_after={quote('9999-12-31T23:59:59-14:00')}",
        f"created_before={quote('0001-01-01T00:00:00+14:00')}",
        "created_before=1e400",
        "model_name=nobody",
        "status=Half",
        "reference=" + "x" * 101,
        "reference=a%00b",
    ],
)
@pytest.mark.parametrize("call", ["generations", "batches"])
def test_a_filter_that_is_none_is_refused(call: str, query: str, owner: Person) -> None:
    answer = owner.api("get", f"{call}?{query}")
    assert answer.status_code == 422, answer.content
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize("path", [path for method, path in CALLS if method == "get"])
def test_every_call_that_looks_refuses_unknown_parameters_by_name(
    path: str, owner: Person, done: Callable[..., Upscale]
) -> None:
    number = done().pk
    needed = "sku=48220&" if path == "evidence" else ""
    answer = owner.api("get", f"{path.replace('1', str(number))}?{needed}colour=red")
    assert answer.status_code == 422, answer.content
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["loc"]) == ("extra_forbidden", ["query", "colour"])
    assert "There is no parameter called “colour”. This call takes" in problem["msg"]


def test_an_order_with_a_slip_of_the_pen_in_wait_is_not_taken(owner: Person) -> None:
    answer = owner.api("post", "generation-upscale?wiat=30", URL_BODY)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"].endswith("This call takes: wait.")
    assert owner.balance == 100


def test_the_description_names_what_models_offer() -> None:
    schemas = api.get_openapi_schema(path_prefix="/api/v1/")["components"]["schemas"]
    order = schemas["GenerationUpscaleIn"]["properties"]
    assert order["model_name"]["anyOf"][0]["enum"][:2] == ["recraft", "topaz"]
    assert order["result_format"]["anyOf"][0]["enum"] == ["", "JPEG", "PNG", "WEBP"]
    offered = order["generation_settings"]["anyOf"][0]["properties"]
    assert offered["upscale_factor"]["enum"] == ["2x", "4x", "6x"]
    assert offered["enhance_model"]["enum"] == ["Standard V2", "Low Resolution V2", "High Fidelity V2"]
    assert offered["face_enhancement"]["enum"] == [True, False, "true", "false"]
    assert offered["face_enhancement_creativity"]["anyOf"][0] == {"type": "number", "minimum": 0.0, "maximum": 1.0}
    assert schemas["BatchIn"]["properties"]["model_name"]["anyOf"] == order["model_name"]["anyOf"]

"""Names, SKUs and batches of upscales: given with an order, shown with it, and found by."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.test import Client, override_settings

from tests.api.test_api import URL_BODY, upload
from tests.conftest import Person
from tests.support import pictures, webserver
from upscaler.models import Upscale
from upscaler.processing import worker_step

LABELS = ("name", "sku", "batch_id")


def labels(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[label] for label in LABELS)


def ordered(person: Person, **more: Any) -> int:
    answer = person.api("post", "generation-upscale", {"model_name": "recraft", **more})
    assert answer.status_code == 200, answer.content
    assert set(answer.json()) == {"generation_id", "created_at", "updated_at"}
    return answer.json()["generation_id"]


def shown(person: Person, number: int) -> list[dict[str, Any]]:
    """The upscale and its result, wherever the API shows them."""
    detail = person.api("get", f"generation/{number}").json()
    [listed] = [row for row in person.api("get", "generations").json()["data"] if row["generation_id"] == number]
    results = detail["generation_results"]
    for result in results:
        results = [*results, person.api("get", f"generation-result/{result['generation_result_id']}").json()]
    all_results = person.api("get", "generation-results").json()["data"]
    return [detail, listed, *results, *[row for row in all_results if row["generation_id"] == number]]


def test_an_order_without_them_has_the_contract_s_fields_alone(owner: Person, done: Callable[..., Upscale]) -> None:
    link = upload(owner, name="a b/SKU-12.5 red.jpg")
    made = [
        ordered(owner, image_url=link),
        ordered(owner, image_url="https://shop.example/a%20b.jpg?w=100", name="", sku=None),
        ordered(owner, generation_result_id=done(name="earlier.jpg").result_id),
    ]
    worker_step.step(made[0])
    for number in made:
        rows = shown(owner, number)
        assert len(rows) == (5 if number == made[0] else 2)
        for row in rows:
            assert not set(LABELS) & set(row)


def test_name_and_sku_are_kept_and_shown_wherever_the_upscale_is(owner: Person) -> None:
    number = ordered(owner, image_url=upload(owner), name="c:\\shop\\Mantel\u202e.No 5.jpg", sku=" AB/12\u2028 ")
    worker_step.step(number)
    rows = shown(owner, number)
    assert len(rows) == 5
    for row in rows:
        assert labels(row) == ("Mantel.No 5.jpg", "AB/12", None)
    link = urlsplit(rows[0]["generation_results"][0]["image_url"]).path
    assert quote("Mantel.No 5.jpg") in Client().get(link)["Content-Disposition"].replace('"', "").replace(" ", "%20")


def test_one_of_them_is_enough_to_show_them(owner: Person) -> None:
    first = ordered(owner, **URL_BODY, sku="12")
    second = ordered(owner, **URL_BODY, name="front.jpg")
    assert labels(owner.api("get", f"generation/{first}").json()) == ("shirt.jpg", "12", None)
    assert labels(owner.api("get", f"generation/{second}").json()) == ("front.jpg", "", None)


@pytest.mark.parametrize("name", ["..", "/", "   ", "\u202e"])
def test_a_name_of_nothing_is_not_given(name: str, owner: Person) -> None:
    number = ordered(owner, **URL_BODY, name=name)
    assert Upscale.objects.get(pk=number).source_name == "shirt.jpg"


def test_a_fetched_picture_keeps_the_name_that_was_given(owner: Person) -> None:
    content = webserver.body(pictures.jpeg(), Content_Disposition='attachment; filename="server.jpg"')
    with webserver.serving({"/a.jpg": content}) as address, override_settings(FETCH_ALLOW_HOSTS=[address]):
        url = f"http://{address}/a.jpg"
        items = [{"image_url": url, "name": "mine.jpg", "sku": "7"}, {"image_url": url}]
        made = owner.api("post", "batches", {"model_name": "recraft", "items": items}).json()
        for number in made["generation_ids"]:
            worker_step.step(number)
    rows = [owner.api("get", f"generation/{number}").json() for number in made["generation_ids"]]
    batch = made["batch_id"]
    assert [labels(row) for row in rows] == [("mine.jpg", "7", batch), ("server.jpg", "", batch)]


def test_a_request_without_them_stays_the_request_that_it_was(owner: Person) -> None:
    key = {"Idempotency-Key": "from before"}
    first = owner.api("post", "generation-upscale", URL_BODY, **key).json()
    same = owner.api("post", "generation-upscale", {**URL_BODY, "sku": "", "name": None}, **key).json()
    assert same == first
    other = owner.api("post", "generation-upscale", {**URL_BODY, "sku": "1"}, **key)
    assert other.json()["detail"][0]["type"] == "idempotency_conflict"


def test_the_page_s_form_takes_them_too(owner: Person) -> None:
    owner.submit(image_url="https://shop.example/a.jpg", sku=" 12 / 7 ", name="b/c.jpg")
    upscale = Upscale.objects.get()
    assert (upscale.sku, upscale.source_name) == ("12 / 7", "c.jpg")
    refused = owner.submit(image_url="https://shop.example/b.jpg", sku="s" * 101)
    assert "This SKU has 101 characters; the limit is 100. Shorten it." in refused.content.decode()


def test_lists_are_filtered_by_batch_sku_and_name(owner: Person, outsider: Person) -> None:
    items = [
        {"image_url": upload(owner), "sku": "A-1", "name": "Grüner Mantel.jpg"},
        {"image_url": "https://shop.example/1.jpg", "sku": "A-1", "name": "shirt_100%.jpg"},
        {"image_url": "https://shop.example/2.jpg", "sku": "a-1"},
    ]
    made = owner.api("post", "batches", {"model_name": "recraft", "items": items}).json()
    single = ordered(owner, **URL_BODY, sku="A-1", name="GRÜN.jpg")
    first, second, third = made["generation_ids"]
    worker_step.step(first)

    def found(query: str, call: str = "generations", person: Person = owner) -> list[int]:
        answer = person.api("get", f"{call}?{query}")
        assert answer.status_code == 200, answer.content
        assert answer.json()["total_count"] == len(answer.json()["data"])
        return sorted(row["generation_id"] for row in answer.json()["data"])

    assert found(f"batch_id={made['batch_id']}") == [first, second, third]
    assert found("sku=A-1") == [first, second, single]
    assert found(f"sku=A-1&batch_id={made['batch_id']}&status=Created") == [second]
    assert found(f"name={quote('grün')}") == found(f"name={quote('GRÜN')}") == [first, single]
    assert found("name=100%25") == [second]
    assert found("name=%25") == [second]
    assert found("sku=&name=&batch_id=") == [first, second, third, single]
    assert found("sku=A-1", "generation-results") == [first]
    assert found("name=mantel", "generation-results") == [first]
    assert found(f"batch_id={made['batch_id'] + 1}", "generation-results") == []
    assert found(f"batch_id={made['batch_id']}", person=outsider) == []


@pytest.mark.parametrize("call", ["generations", "generation-results", "batches"])
@pytest.mark.parametrize(
    ("query", "kind", "field"),
    [
        ("colour=red", "extra_forbidden", "colour"),
        ("Page=2", "extra_forbidden", "Page"),
        ("name=a%00b", "value_error", "name"),
        ("name=" + "n" * 256, "string_too_long", "name"),
    ],
)
def test_a_parameter_that_is_none_is_refused_by_name(
    call: str, query: str, kind: str, field: str, owner: Person
) -> None:
    answer = owner.api("get", f"{call}?{query}")
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["loc"]) == (kind, ["query", field])
    if kind == "extra_forbidden":
        assert f"“{field}”" in problem["msg"]
        assert "items_per_page" in problem["msg"]


@pytest.mark.parametrize("query", ["batch_id=1_0", "batch_id=x", "batch_id=-1", "batch_id=9223372036854775808"])
def test_a_batch_that_is_no_number_is_refused(query: str, owner: Person) -> None:
    assert owner.api("get", f"generations?{query}").status_code == 422
    many = "&".join(f"x{number}=1" for number in range(300))
    answer = owner.api("get", f"generations?{many}&{'y' * 2000}=1")
    assert len(answer.json()["detail"]) == 101
    assert len(json.dumps(answer.json())) < 60_000

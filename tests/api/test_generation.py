"""The vendor's newer interface as this desk serves it, without a prefix."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from tests.conftest import Person
from tests.support import pictures
from upscaler.engines.uwear import dialects
from upscaler.models import Upscale, WebhookEndpoint
from upscaler.processing import worker_step

ORDER = {"use_case": "upscale", "model_slug": "recraft", "num_images": 1}


@pytest.fixture
def link(owner: Person) -> str:
    file = SimpleUploadedFile("shirt.jpg", pictures.jpeg((24, 20)))
    headers = {"Authorization": f"Bearer {owner.token}"}
    return owner.client.post("/api/v1/uploads", {"file": file}, headers=headers).json()["image_url"]


def call(person: Person, method: str, path: str, body: Any = None, **headers: str) -> Any:
    headers = {"Authorization": f"Bearer {person.token}", **headers}
    if method == "get":
        return Client().get(path, headers=headers)
    return Client().post(path, json.dumps(body), content_type="application/json", headers=headers)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether it is one result: its address is signed anew each time."""
    return {**one, "url": ""} == {**other, "url": ""}


def test_order_follow_and_download_as_a_program_of_the_newer_interface_does(owner: Person, link: str) -> None:
    answer = call(owner, "post", "/generation", {**ORDER, "image_url": link})
    assert answer.status_code == 200, answer.content
    assert set(answer.json()) == {"generation_id", "created_at", "updated_at"}
    number = answer.json()["generation_id"]
    row = call(owner, "get", f"/generation/{number}").json()
    assert (row["status"], row["feature_name"], row["generation_results"]) == ("Created", "model:recraft", [])
    payload = json.loads(row["payload"])
    assert payload == {**ORDER, "image_url": link, "upscale_factor": 4}
    worker_step.step(number)
    row = call(owner, "get", f"/generation/{number}").json()
    [result] = row["generation_results"]
    assert (row["status"], result["kind"], result["available"]) == ("Done", "Image", True)
    assert result["generation_id"] == number
    assert Client().get(result["url"]).status_code == 200
    assert same(call(owner, "get", f"/generation-result/{result['generation_result_id']}").json(), result)
    for path in ("/generation-results", f"/generation-results?generation_ids=1&generation_ids={number}"):
        [listed] = call(owner, "get", path).json()["data"]
        assert same(listed, result)
    assert call(owner, "get", "/generation-results?generation_ids=999999").json()["data"] == []
    page = call(owner, "get", "/generations?status=Done").json()
    assert (page["total_count"], page["data"][0]["payload"]) == (1, row["payload"])
    assert owner.balance == 99
    # The result can be enlarged in its turn.
    body = {**ORDER, "generation_result_parent_id": result["generation_result_id"], "image_url": ""}
    second = call(owner, "post", "/generation", body).json()["generation_id"]
    row = call(owner, "get", f"/generation/{second}").json()
    assert json.loads(row["payload"])["generation_result_parent_id"] == result["generation_result_id"]
    # The same rows under the older interface.
    assert owner.api("get", f"generation/{second}").json()["feature_name"] == "upscale"


def test_settings_of_a_model_of_this_desk(owner: Person, link: str) -> None:
    body = {
        **ORDER,
        "model_slug": "topaz",
        "image_url": link,
        "upscale_factor": 6,
        "target_resolution": "2160p",
        "feature_setting": {"enhance_model": "Standard V2", "face_enhancement": True},
    }
    number = call(owner, "post", "/generation", body).json()["generation_id"]
    upscale = Upscale.objects.get(pk=number)
    assert upscale.credits == 3
    assert upscale.settings == {
        "upscale_factor": "6x",
        "enhance_model": "Standard V2",
        "subject_detection": "Foreground",
        "face_enhancement": True,
        "face_enhancement_creativity": 0.5,
    }
    payload = json.loads(call(owner, "get", f"/generation/{number}").json()["payload"])
    assert payload["upscale_factor"] == 6
    assert dialects.settings_in(payload, "topaz") == upscale.settings


@pytest.mark.parametrize(
    ("changed", "kind", "loc", "words"),
    [
        ({"use_case": "try_on"}, "literal_error", ["use_case"], "'upscale'"),
        ({"use_case": None}, "literal_error", ["use_case"], "'upscale'"),
        ({"num_images": 2}, "less_than_equal", ["num_images"], "less than or equal to 1"),
        ({"model_name": "recraft"}, "extra_forbidden", ["model_name"], "not permitted"),
        (
            {"model_slug": "seedvr2"},
            "enum",
            ["model_slug"],
            "does not have the model “seedvr2”, and takes no other in its place. Choose recraft (1 credit) or topaz",
        ),
        ({"model_slug": "paint"}, "enum", ["model_slug"], "There is no model called “paint”. Choose recraft"),
        ({"upscale_factor": 2}, "enum", ["upscale_factor"], "upscale_factor of recraft must be 4."),
        ({"upscale_factor": True}, "enum", ["upscale_factor"], "must be 4."),
        (
            {"model_slug": "topaz", "upscale_factor": 3},
            "enum",
            ["upscale_factor"],
            "upscale_factor of topaz must be 2 or 4 or 6.",
        ),
        (
            {"target_resolution": "720p"},
            "extra_forbidden",
            ["target_resolution"],
            "recraft uses fixed settings and accepts no feature_setting, but “target_resolution” was given.",
        ),
        (
            {"model_slug": "topaz", "feature_setting": {"enhance_model": "x"}},
            "enum",
            ["feature_setting", "enhance_model"],
            "enhance_model must be one of",
        ),
        ({"feature_setting": [1]}, "dict_type", ["feature_setting"], "must be a map"),
        ({"image_url": ""}, "source_missing", [], "Give either image_url or generation_result_parent_id."),
        ({"generation_result_parent_id": 5}, "not_found", ["generation_result_parent_id"], ""),
        ({"image_url": "http://10.0.0.1/a.jpg"}, "url_private", ["image_url"], ""),
        ({"webhook_url": "http://10.0.0.1/a"}, "url_private", ["webhook_url"], "private network"),
    ],
)
def test_what_is_refused_is_named_in_the_words_of_this_interface(
    changed: dict[str, Any], kind: str, loc: list[str], words: str, owner: Person, link: str
) -> None:
    answer = call(owner, "post", "/generation", {**ORDER, "image_url": link, **changed})
    assert answer.status_code == 422
    problem = answer.json()["detail"][0]
    assert (problem["type"], problem["loc"]) == (kind, ["body", *loc])
    assert words in problem["msg"]
    assert "model_name" not in problem["msg"] or "model_name" in changed
    assert not Upscale.objects.exists()
    assert owner.balance == 100


def test_what_counts_as_not_given(owner: Person, link: str) -> None:
    empty = {
        "generation_result_parent_id": 0,
        "upscale_factor": None,
        "target_resolution": "",
        "feature_setting": None,
        "webhook_url": "",
        "webhook_secret": "",
        "webhook_events": [],
    }
    assert call(owner, "post", "/generation", {**ORDER, **empty, "image_url": link}).status_code == 200


def test_the_same_request_sent_twice_is_done_once(owner: Person, link: str) -> None:
    body = {**ORDER, "image_url": link}
    first, again = (call(owner, "post", "/generation", body, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert first.json() == again.json()
    assert (Upscale.objects.count(), owner.balance) == (1, 99)
    other = call(owner, "post", "/generation", {**body, "model_slug": "topaz"}, **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["detail"][0]["type"]) == (422, "idempotency_conflict")


def test_a_webhook_hears_of_both_ends(owner: Person, link: str) -> None:
    body = {**ORDER, "image_url": link, "webhook_url": "https://shop.example/hooks/1"}
    assert call(owner, "post", "/generation", body).status_code == 200
    endpoint = WebhookEndpoint.objects.get(is_of_orders=True)
    assert (endpoint.url, sorted(endpoint.events)) == (body["webhook_url"], sorted(dialects.EVENTS))


def test_too_few_credits(owner: Person, link: str) -> None:
    owner.team.balance = 0
    owner.team.save()
    answer = call(owner, "post", "/generation", {**ORDER, "image_url": link})
    assert answer.status_code == 402
    assert "credit" in answer.json()["detail"]
    owner.team.balance = 100
    owner.team.save()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/generation/999999", 404),
        ("/generation/abc", 404),
        ("/generation-result/999999", 404),
        ("/generation-results?nonsense=1", 422),
        ("/generation-results?generation_ids=x", 422),
        ("/generations?page=0", 422),
        ("/generation", 405),
    ],
)
def test_other_errors_are_json_with_a_detail(path: str, status: int, owner: Person) -> None:
    answer = call(owner, "get", path)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_no_token_and_no_json(owner: Person) -> None:
    assert Client().post("/generation", "{}", content_type="application/json").status_code == 401
    headers = {"Authorization": f"Bearer {owner.token}"}
    answer = Client().post("/generation", "use_case=upscale", content_type="text/plain", headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "json_invalid"


def test_a_large_body_is_refused(owner: Person) -> None:
    answer = call(owner, "post", "/generation", {**ORDER, "image_url": "x" * 4_000_000})
    assert answer.status_code in (413, 422)
    assert answer.json()["detail"]


@override_settings(
    ENGINE="uwear", UWEAR_DIALECT="current", UWEAR_API_KEY="k", PUBLIC_URL="https://upscaler.example.com"
)
def test_on_a_desk_that_works_through_the_newer_interface(owner: Person) -> None:
    url = {"image_url": "https://shop.example/shirt.jpg"}
    body = {**ORDER, **url, "model_slug": "seedvr2", "upscale_factor": 4, "target_resolution": "1440p"}
    answer = call(owner, "post", "/generation", body)
    assert answer.status_code == 200, answer.content
    assert Upscale.objects.get().settings == {"upscale_factor": "4x", "target_resolution": "1440p"}
    refused = call(owner, "post", "/generation", {**ORDER, **url})
    assert refused.json()["detail"][0]["msg"].endswith("Choose seedvr2 (1 credit) or aura-sr (1 credit).")
    assert call(owner, "post", "/generation", {**ORDER, **url, "model_slug": "aura-sr"}).status_code == 200


def test_the_description_is_public(client: Client) -> None:
    described = client.get("/generation/openapi.json").json()
    assert "/generation" in described["paths"]
    assert client.get("/generation/docs").status_code == 200


def test_every_token_rule_holds(owner: Person, outsider: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    for path in (f"/generation/{upscale.pk}", f"/generation-result/{upscale.result_id}"):
        assert call(owner, "get", path).status_code == 200
        assert call(outsider, "get", path).status_code == 404

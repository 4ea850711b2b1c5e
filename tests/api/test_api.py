"""The JSON API as a program sees it: shapes, statuses, errors."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image

from tests.conftest import Person, move_end
from tests.support import pictures
from upscaler.accounts import tokens
from upscaler.models import ApiToken, Membership, Upscale
from upscaler.processing import lifecycle, worker_step

URL_BODY = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft"}
CALLS = [
    ("post", "generation-upscale"),
    ("get", "generation/1"),
    ("get", "generations"),
    ("get", "generation-result/1"),
    ("get", "generation-results"),
    ("post", "uploads"),
    ("get", "credits"),
    ("post", "quotes"),
    ("post", "batches"),
    ("get", "batches"),
    ("get", "batches/1"),
    ("get", "batches/1/results.zip"),
    ("post", "batches/1/cancel"),
    ("post", "channel-checks"),
    ("get", "evidence"),
    ("get", "batches/1/evidence"),
    ("post", "generation/1/review"),
    ("post", "share-links"),
    ("get", "share-links"),
    ("delete", "generation/1"),
    ("delete", "share-links/1"),
]


def path_of(url: str) -> str:
    return urlsplit(url).path


def upload(person: Person, content: bytes | None = None, name: str = "shirt.jpg") -> str:
    file = SimpleUploadedFile(name, pictures.jpeg() if content is None else content)
    answer = Client().post("/api/v1/uploads", {"file": file}, headers={"Authorization": f"Bearer {person.token}"})
    assert answer.status_code == 201, answer.content
    return answer.json()["image_url"]


def test_a_program_s_whole_way(owner: Person) -> None:
    link = upload(owner)
    made = owner.api("post", "generation-upscale", {"image_url": link, "model_name": "recraft"})
    assert made.status_code == 200
    assert set(made.json()) == {"generation_id", "created_at", "updated_at"}
    assert datetime.fromisoformat(made.json()["created_at"]).tzinfo is not None
    number = made.json()["generation_id"]

    created = owner.api("get", f"generation/{number}").json()
    assert (created["status"], created["generation_results"]) == ("Created", [])
    claimed = lifecycle.claim(number)
    assert claimed is not None
    assert owner.api("get", f"generation/{number}").json()["status"] == "Ongoing"
    lifecycle.release(claimed, due_in=0)

    worker_step.step(number)
    done = owner.api("get", f"generation/{number}").json()
    assert done["status"] == "Done"
    [result] = done["generation_results"]
    assert result["generation_id"] == number
    assert result["available"] is True
    assert json.loads(done["payload"])["image_url"] == link

    picture = Client().get(path_of(result["image_url"]))
    assert picture.status_code == 200
    assert picture["Content-Type"] == "image/jpeg"
    content = picture.getvalue()
    assert Image.open(io.BytesIO(content)).size == (48 * 4, 40 * 4)

    again = owner.api("get", f"generation-result/{result['generation_result_id']}").json()
    [listed] = owner.api("get", "generation-results").json()["data"]
    for row in (again, listed):
        # Signed anew, so a link of the next second differs in its letters only.
        assert Client().get(path_of(row.pop("image_url"))).getvalue() == content
        assert row == {key: value for key, value in result.items() if key != "image_url"}
    further = {"generation_result_id": result["generation_result_id"], "image_url": "", "model_name": "recraft"}
    assert owner.api("post", "generation-upscale", further).status_code == 200
    told = owner.api("get", "credits").json()
    assert (told["team"], told["balance"]) == ("atelier", 98)


def test_a_link_ends_with_the_four_hours_but_the_team_keeps_the_picture(
    owner: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    move_end(upscale, timezone.now() - timedelta(hours=5))
    result = owner.api("get", f"generation-result/{upscale.result_id}").json()
    assert result["available"] is False
    link = path_of(result["image_url"])
    gone = Client().get(link)
    assert gone.status_code == 410
    assert "ran out at" in gone.json()["detail"]
    assert Client().get(link, headers={"Authorization": f"Bearer {owner.token}"}).status_code == 200
    assert owner.client.get(link).status_code == 200
    assert outsider.client.get(link).status_code == 410
    assert Client().get(link, headers={"Authorization": f"Bearer {outsider.token}"}).status_code == 410


def test_a_link_of_another_team_s_upload_is_refused(owner: Person, outsider: Person) -> None:
    answer = outsider.api("post", "generation-upscale", {"image_url": upload(owner), "model_name": "recraft"})
    assert answer.json()["detail"][0]["type"] == "not_found"
    assert outsider.balance == 100


def test_an_upload_s_link_can_be_submitted_for_a_day(owner: Person) -> None:
    with time_machine.travel(timezone.now() - timedelta(hours=25)):
        old = upload(owner)
    answer = owner.api("post", "generation-upscale", {"image_url": old, "model_name": "recraft"})
    assert answer.json()["detail"][0]["type"] == "expired"
    assert owner.balance == 100


def test_a_changed_link_opens_nothing(owner: Person) -> None:
    path = path_of(upload(owner))
    head, signed, name = path.rsplit("/", 2)
    assert Client().get(path).status_code == 200
    assert Client().get(f"{head}/{signed[:-1]}{'a' if signed[-1] != 'a' else 'b'}/{name}").status_code == 404


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_wants_a_token(method: str, path: str, db: None) -> None:
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic YTpi"}):
        answer = getattr(Client(), method)(f"/api/v1/{path}", headers=header)
        assert answer.status_code == 401
        assert answer["Content-Type"].startswith("application/json")
        assert answer["WWW-Authenticate"] == "Bearer"
        assert "token is missing" in answer.json()["detail"]
    unknown = getattr(Client(), method)(f"/api/v1/{path}", headers={"Authorization": "Bearer ups_nobody"})
    assert unknown.status_code == 401
    assert "not valid" in unknown.json()["detail"]


def test_a_revoked_token_and_one_of_a_person_who_left_are_refused(owner: Person) -> None:
    assert owner.api("get", "credits").status_code == 200
    ApiToken.objects.update(revoked_at=timezone.now())
    assert owner.api("get", "credits").status_code == 401
    ApiToken.objects.update(revoked_at=None)
    Membership.objects.filter(user=owner.user).delete()
    assert owner.api("get", "credits").status_code == 401


def test_a_token_is_stored_as_a_hash_alone(owner: Person) -> None:
    stored = json.dumps(list(ApiToken.objects.values()), default=str)
    assert owner.token not in stored
    assert tokens.find_token(owner.token) is not None


def test_a_session_is_no_token(owner: Person) -> None:
    assert owner.client.get("/api/v1/credits").status_code == 401


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "missing"),
        ("{", "json_invalid"),
        ("[" * 100_000, "json_invalid"),
        ('{"image_url": "\\ud800"}', "json_invalid"),
        (b"\xff\xfe", "json_invalid"),
        ("[]", "model_attributes_type"),
        ("null", "model_attributes_type"),
        ('{"model_name": "recraft", "image_url": "https://a.example/b.jpg", "colour": 1}', "extra_forbidden"),
        ('{"model_name": ["recraft"], "image_url": "https://a.example/b.jpg"}', "string_type"),
        ('{"model_name": "recraft", "generation_result_id": "seven"}', "int_parsing"),
        ('{"model_name": "recraft", "generation_result_id": NaN}', "int_parsing"),
        ('{"model_name": "recraft", "generation_result_id": true}', "int_parsing"),
        ('{"model_name": "recraft", "generation_result_id": [7]}', "int_parsing"),
        ('{"model_name": "recraft", "generation_result_id": 9223372036854775808}', "less_than_equal"),
        ('{"model_name": "recraft", "generation_result_id": -1}', "greater_than_equal"),
        ('{"model_name": "recraft", "image_url": "https://a.example/\\u0000"}', "value_error"),
        ('{"model_name": "topaz", "image_url": "https://a.example/b", "generation_settings": []}', "dict_type"),
        ('{"model_name": "topaz", "image_url": "https://a.example/b", "generation_settings": "x"}', "dict_type"),
    ],
)
def test_a_body_that_is_not_the_contract_s_is_422(body: str | bytes, kind: str, owner: Person) -> None:
    answer = Client().post(
        "/api/v1/generation-upscale", body, "application/json", headers={"Authorization": f"Bearer {owner.token}"}
    )
    assert answer.status_code == 422, answer.content
    problems = answer.json()["detail"]
    assert kind in [problem["type"] for problem in problems]
    assert all(set(problem) == {"type", "loc", "msg"} and problem["loc"][0] == "body" for problem in problems)
    assert "payload" not in json.dumps(problems)
    assert owner.balance == 100


@pytest.mark.parametrize("page", ["1_0", "0_1", "%D9%A1", "one", "1.5"])
@pytest.mark.parametrize("name", ["page", "items_per_page"])
@pytest.mark.parametrize("call", ["generations", "generation-results"])
def test_a_page_that_is_no_number_is_refused(call: str, name: str, page: str, owner: Person) -> None:
    answer = owner.api("get", f"{call}?{name}={page}")
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["type"] in ("int_parsing", "int_from_float")
    assert problem["loc"] == ["query", name]


def test_empty_query_values_are_not_given(owner: Person) -> None:
    answer = owner.api("get", "generations?status=&page=&items_per_page=").json()
    assert (answer["current_page"], answer["total_count"]) == (1, 0)
    assert owner.api("get", "generation-results?page=&items_per_page=").status_code == 200


def test_our_own_link_needs_a_web_address_s_scheme(owner: Person) -> None:
    path = path_of(upload(owner))
    for url in (path, f"ftp://x{path}", f"javascript://x{path}"):
        answer = owner.api("post", "generation-upscale", {"image_url": url, "model_name": "recraft"})
        assert [problem["type"] for problem in answer.json()["detail"]] == ["url_parsing"]


def test_an_upload_without_a_file_is_422(owner: Person) -> None:
    answer = Client().post("/api/v1/uploads", {}, headers={"Authorization": f"Bearer {owner.token}"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][-1] == "file"


def test_another_team_sees_nothing(owner: Person, outsider: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    assert outsider.api("get", f"generation/{upscale.pk}").status_code == 404
    assert outsider.api("get", f"generation-result/{upscale.result_id}").status_code == 404
    assert outsider.api("get", "generations").json()["total_count"] == 0
    assert outsider.api("get", "generation-results").json()["total_count"] == 0


def test_a_colleague_s_token_sees_the_team_s(teammate: Person, done: Callable[..., Upscale]) -> None:
    assert teammate.api("get", f"generation/{done().pk}").status_code == 200


def test_lists_come_in_pages(owner: Person, order: Callable[..., Upscale]) -> None:
    made = [order().pk for _ in range(5)]
    first = owner.api("get", "generations?items_per_page=2").json()
    assert (first["current_page"], first["max_page"], first["total_count"]) == (1, 3, 5)
    assert [row["generation_id"] for row in first["data"]] == made[:2:-1]
    assert "generation_results" not in first["data"][0]
    last = owner.api("get", "generations?items_per_page=2&page=3").json()
    assert [row["generation_id"] for row in last["data"]] == made[:1]
    assert owner.api("get", "generations?page=4").json()["data"] == []
    assert owner.api("get", "generations?status=Done").json()["total_count"] == 0
    assert owner.api("get", "generations?status=Created").json()["total_count"] == 5


def test_a_failure_says_why_and_gives_back(owner: Person, order: Callable[..., Upscale]) -> None:
    claimed = lifecycle.claim(order().pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="The picture could not be fetched.", code="test")
    answer = owner.api("get", f"generation/{claimed.pk}").json()
    assert (answer["status"], answer["error"]) == ("Error", "The picture could not be fetched.")
    assert answer["generation_results"] == []
    assert owner.balance == 100


def test_clients_that_were_generated_keep_the_names_of_their_functions(db: None) -> None:
    """They come from the operations' ids, wherever in our code the operations are."""
    paths = Client().get("/api/v1/openapi.json").json()["paths"].values()
    assert {call["operationId"] for calls in paths for call in calls.values()} == {
        "create_upscale",
        "upscaler_api_cancel_batch",
        "upscaler_api_check_for_channel",
        "upscaler_api_create_batch",
        "upscaler_api_create_quote",
        "upscaler_api_get_batch",
        "upscaler_api_get_credits",
        "upscaler_api_delete_generation",
        "upscaler_api_get_generation",
        "upscaler_api_get_generation_result",
        "upscaler_api_get_batch_results",
        "upscaler_api_list_batches",
        "upscaler_api_list_generation_results",
        "upscaler_api_list_generations",
        "upscaler_api_upload",
        "upscaler_api_batch_evidence",
        "upscaler_api_sku_evidence",
        "upscaler_api_review_generation",
        "upscaler_api_create_share_link",
        "upscaler_api_list_share_links",
        "upscaler_api_revoke_share_link",
    }


def test_docs_and_schema_are_there(db: None) -> None:
    schema = Client().get("/api/v1/openapi.json").json()
    assert set(schema["paths"]) == {
        "/api/v1/generation-upscale",
        "/api/v1/generation/{generation_id}",
        "/api/v1/generations",
        "/api/v1/generation-result/{generation_result_id}",
        "/api/v1/generation-results",
        "/api/v1/uploads",
        "/api/v1/credits",
        "/api/v1/quotes",
        "/api/v1/batches",
        "/api/v1/batches/{batch_id}",
        "/api/v1/batches/{batch_id}/results.zip",
        "/api/v1/batches/{batch_id}/cancel",
        "/api/v1/channel-checks",
        "/api/v1/evidence",
        "/api/v1/batches/{batch_id}/evidence",
        "/api/v1/generation/{generation_id}/review",
        "/api/v1/share-links",
        "/api/v1/share-links/{share_link_id}",
    }
    calls = sorted((method, re.sub(r"{.*}", "1", path)) for path, way in schema["paths"].items() for method in way)
    assert calls == sorted((method, f"/api/v1/{path}") for method, path in CALLS)

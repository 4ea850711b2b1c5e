"""Orders that bring their picture along: one call with a form in place of an upload and an order."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from PIL import Image

from tests.conftest import Person
from tests.support import pictures
from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake
from upscaler.models import ApiToken, UnorderedUpload, Upscale
from upscaler.processing import worker_step


def picture(name: str = "shirt.jpg", content: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, pictures.jpeg() if content is None else content)


def send(person: Person, fields: dict[str, Any], query: str = "", **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {person.token}", **headers}
    return Client().post(f"/api/v1/generation-upscale{query}", fields, headers=sent)


def test_one_call_orders_a_file(owner: Person) -> None:
    settings = {"upscale_factor": "2x", "face_enhancement": True}
    answer = send(
        owner,
        {
            "file": picture("SKU-12.5 röd front.jpg"),
            "model_name": "topaz",
            "generation_settings": json.dumps(settings),
            "result_format": "PNG",
            "sku": "12-5",
        },
    )
    assert answer.status_code == 200, answer.content
    assert set(answer.json()) == {"generation_id", "created_at", "updated_at"}
    upscale = Upscale.objects.get()
    assert (upscale.source, upscale.source_name, upscale.sku) == ("upload", "SKU-12.5 röd front.jpg", "12-5")
    assert upscale.settings["upscale_factor"] == "2x" and upscale.settings["face_enhancement"] is True
    assert (owner.balance, UnorderedUpload.objects.count()) == (97, 0)
    worker_step.step(upscale.pk)
    [result] = owner.api("get", f"generation/{upscale.pk}").json()["generation_results"]
    content = Client().get(result["image_url"].removeprefix("http://testserver")).getvalue()
    assert (Image.open(io.BytesIO(content)).size, Image.open(io.BytesIO(content)).format) == ((96, 80), "PNG")


def test_fields_that_are_empty_are_not_given(owner: Person) -> None:
    fields = {"generation_result_id": "0", "image_url": "", "generation_settings": "", "channels": "", "name": ""}
    assert send(owner, {"file": picture(), "model_name": "recraft", **fields}).status_code == 200
    assert send(owner, {"image_url": "https://shop.example/a.jpg", "model_name": "recraft"}).status_code == 200
    assert [row.source for row in Upscale.objects.order_by("pk")] == ["upload", "url"]


@pytest.mark.parametrize("channels", [["google", "ebay"], '["google", "ebay"]'])
def test_lists_are_fields_several_times_or_json(channels: Any, owner: Person) -> None:
    answer = send(owner, {"file": picture(), "model_name": "topaz", "channels": channels})
    assert answer.status_code == 200, answer.content
    assert owner.api("get", f"generation/{answer.json()['generation_id']}").json()["channels"] == ["google", "ebay"]


def test_the_same_form_twice_is_charged_once(owner: Person) -> None:
    key = {"Idempotency-Key": "front"}
    first, second = [send(owner, {"file": picture(), "model_name": "recraft"}, **key) for _ in range(2)]
    assert first.status_code == 200
    assert first.json() == second.json()
    assert owner.balance == 99
    others = [
        {"file": picture(content=pictures.jpeg() + b"1"), "model_name": "recraft"},
        {"file": picture("other.jpg"), "model_name": "recraft"},
        {"file": picture(), "model_name": "topaz"},
        {"image_url": "https://shop.example/a.jpg", "model_name": "recraft"},
    ]
    for other in others:
        refused = send(owner, other, **key)
        assert refused.json()["detail"][0]["type"] == "idempotency_conflict"
    assert owner.balance == 99


@pytest.mark.parametrize(
    ("fields", "kind", "loc"),
    [
        ({"file": picture("a.txt", b"no picture at all")}, "not_a_picture", ["body", "file"]),
        ({"file": picture("a.jpg", b"")}, "empty", ["body", "file"]),
        ({"file": picture(), "image_url": "https://shop.example/a.jpg"}, "source_ambiguous", ["body"]),
        ({"file": picture(), "colour": "red"}, "extra_forbidden", ["body", "colour"]),
        ({"image": picture()}, "extra_forbidden", ["body", "image"]),
        ({"file": "shirt.jpg"}, "file_type", ["body", "file"]),
        ({"file": [picture("a.jpg"), picture("b.jpg")]}, "too_long", ["body", "file"]),
        ({"file": picture(), "generation_settings": "{"}, "dict_type", ["body", "generation_settings"]),
        ({"file": picture(), "generation_settings": "[" * 90_000}, "dict_type", ["body", "generation_settings"]),
        ({"file": picture(), "generation_settings": '{"a": "\\ud800"}'}, "dict_type", ["body", "generation_settings"]),
        ({"file": picture(), "channels": "nowhere"}, "unknown_channel", ["body", "channels"]),
        ({"file": picture(), "name": "a\0b"}, "value_error", ["body", "name"]),
        ({"file": picture(), "model_name": ""}, "missing", ["body", "model_name"]),
        ({}, "source_missing", ["body"]),
    ],
    ids=str,
)
def test_a_form_that_breaks_a_rule_is_refused_and_free(
    fields: dict[str, Any], kind: str, loc: list[str], owner: Person
) -> None:
    for file in fields.values():
        for one in file if isinstance(file, list) else [file]:
            if hasattr(one, "seek"):
                one.seek(0)
    answer = send(owner, {"model_name": "recraft", **fields})
    assert answer.status_code == 422, answer.content
    assert (kind, loc) in [(problem["type"], problem["loc"]) for problem in answer.json()["detail"]]
    assert (owner.balance, Upscale.objects.count()) == (100, 0)


def test_what_is_no_form_is_told_so(owner: Person) -> None:
    headers = {"Authorization": f"Bearer {owner.token}"}
    for kind in ("multipart/form-data; boundary=b", "multipart/form-data"):
        answer = Client().post("/api/v1/generation-upscale", b"nonsense", content_type=kind, headers=headers)
        assert answer.status_code in (400, 422), answer.content
        assert answer.json()["detail"]


def test_a_file_may_have_what_an_upload_may(owner: Person) -> None:
    large = picture(content=pictures.jpeg() + b"\0" * 2_000_000)
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1_000_000, MAX_UPLOAD_BYTES=3_000_000):
        assert send(owner, {"file": large, "model_name": "recraft"}).status_code == 200
        with override_settings(MAX_UPLOAD_BYTES=1_900_000):
            large.seek(0)
            answer = send(owner, {"file": large, "model_name": "recraft"})
            assert answer.status_code == 413
            assert "For one picture the limit is 2 MB" in answer.json()["detail"]


def test_a_desk_that_looks_at_too_many_pictures_says_when_to_come_again(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: Any, **options: Any) -> Any:
        raise PublicError("Too many large pictures.", code=decoding.BUSY, permanent=False)

    monkeypatch.setattr(intake, "examine_source", busy)
    answer = send(owner, {"file": picture(), "model_name": "recraft"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert owner.balance == 100


def test_a_token_that_may_only_look_orders_no_file(owner: Person) -> None:
    ApiToken.objects.update(read_only=True)
    assert send(owner, {"file": picture(), "model_name": "recraft"}).status_code == 403

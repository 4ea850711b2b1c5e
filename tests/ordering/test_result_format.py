"""The format that somebody asks for: the same rules on both ways in, and what comes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from PIL import Image

from tests.conftest import Person
from tests.support import pictures
from upscaler import picture_formats
from upscaler.models import Upscale
from upscaler.ordering import idempotency_keys, reorder
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import lifecycle

BODY = {"image_url": "https://shop.example/shirt.jpg", "model_name": "recraft"}


@pytest.mark.parametrize("given", [*picture_formats.RESULT_FORMATS, "", None])
def test_a_format_is_stored_from_both_ways_in(given: str | None, owner: Person, upload: Callable[..., Any]) -> None:
    answer = owner.api("post", "generation-upscale", {**BODY, "result_format": given})
    assert answer.status_code == 200, answer.content
    sent = {} if given is None else {"result_format": given}
    assert owner.submit(image=upload(), **sent).status_code == 302
    assert [upscale.requested_format for upscale in Upscale.objects.all()] == [given or ""] * 2


@pytest.mark.parametrize("given", ["GIF", "jpeg", "TIFF", "JPG", "x" * 3000, "PNG, JPEG"])
def test_any_other_is_refused_alike_on_both_ways_in(given: str, owner: Person, upload: Callable[..., Any]) -> None:
    form = UpscaleForm({**BODY, "result_format": given}, team=owner.team)
    [error] = form.errors.as_data()["result_format"]
    assert error.code == "enum"

    answer = owner.api("post", "generation-upscale", {**BODY, "result_format": given})
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert (problem["type"], problem["loc"]) == ("enum", ["body", "result_format"])
    assert "JPEG, PNG, WEBP" in problem["msg"]
    assert len(problem["msg"]) < 400

    page = owner.submit(image=upload(), result_format=given)
    assert page.status_code == 422
    assert "Results are saved as JPEG, PNG, WEBP" in page.content.decode()
    assert owner.balance == 100


@pytest.mark.parametrize("given", [7, ["PNG"], {"PNG": 1}, True])
def test_what_is_no_text_is_refused(given: Any, owner: Person) -> None:
    answer = owner.api("post", "generation-upscale", {**BODY, "result_format": given})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "result_format"]


@pytest.mark.engine
@pytest.mark.parametrize("asked", picture_formats.RESULT_FORMATS)
def test_the_result_comes_in_the_format_that_was_asked_for(
    asked: str, owner: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done(name="bag.png", content=pictures.cut_out((24, 24)), result_format=asked)
    assert upscale.result_format == asked
    with upscale.result_file.open() as file, Image.open(file) as result:
        assert (result.format, result.size) == (asked, (96, 96))
        corner = result.convert("RGBA").getpixel((0, 0))
    assert corner == (255, 255, 255, 255) if asked == "JPEG" else corner[3] == 0
    assert upscale.result_name == f"bag{ {'JPEG': '.jpg', 'PNG': '.png', 'WEBP': '.webp'}[asked] }"
    page = owner.client.get(upscale.get_absolute_url()).content.decode()
    assert f"<dt>Save as</dt><dd>{picture_formats.RESULT_FORMATS[asked]}</dd>" in page
    assert json.loads(owner.api("get", f"generation/{upscale.pk}").json()["payload"])["result_format"] == asked


def test_without_a_wish_nothing_is_said_of_it(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done(content=pictures.jpeg((16, 16)))
    assert upscale.result_format == "JPEG"
    assert "<dt>Save as</dt>" not in owner.client.get(upscale.get_absolute_url()).content.decode()
    assert "result_format" not in json.loads(owner.api("get", f"generation/{upscale.pk}").json()["payload"])


def test_a_second_try_asks_for_the_same_format(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = lifecycle.claim(order(result_format="WEBP").pk)
    assert upscale is not None
    lifecycle.fail(upscale, message="It broke.", code="internal")
    assert reorder.retry(upscale, user=owner.user).upscale.requested_format == "WEBP"


def test_the_format_is_part_of_what_a_repeat_must_share(owner: Person) -> None:
    key = {"Idempotency-Key": "one"}
    first = owner.api("post", "generation-upscale", BODY, **key).json()
    for same in ("", None):
        assert owner.api("post", "generation-upscale", {**BODY, "result_format": same}, **key).json() == first
    answer = owner.api("post", "generation-upscale", {**BODY, "result_format": "PNG"}, **key)
    assert answer.json()["detail"][0]["type"] == "idempotency_conflict"


def test_a_request_of_before_the_field_keeps_its_digest(owner: Person) -> None:
    owner.api("post", "generation-upscale", BODY, **{"Idempotency-Key": "old"})
    contract = {"generation_result_id": 0, "generation_settings": None, **BODY}
    assert Upscale.objects.get().request_digest == idempotency_keys.Idempotency.of("old", contract).digest


def test_the_page_offers_the_formats_and_keeps_the_choice(owner: Person, upload: Callable[..., Any]) -> None:
    page = owner.client.get(reverse("submit")).content.decode()
    for name in picture_formats.RESULT_FORMATS.values():
        assert f">{name}</label>" in page
    assert 'value="" id="result_format-same" checked' in page
    assert "what is transparent turns white" in page
    refused = owner.submit(result_format="PNG").content.decode()
    assert 'value="PNG" id="result_format-2" checked' in refused


@pytest.mark.engine
def test_a_picture_too_long_for_the_format_becomes_png(done: Callable[..., Upscale]) -> None:
    strip = pictures.encoded(Image.new("RGB", (4100, 2), "white"), "PNG")
    upscale = done(name="strip.png", content=strip, result_format="WEBP")
    assert (upscale.requested_format, upscale.result_format) == ("WEBP", "PNG")
    with upscale.result_file.open() as file:
        assert Image.open(io.BytesIO(file.read())).size == (16400, 8)

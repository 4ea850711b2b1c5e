"""Every rule of the contract, through the page's form and through the API: the same code on both ways."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person, move_end
from tests.support import pictures
from upscaler import upscaling_models
from upscaler.models import Upscale
from upscaler.ordering.forms import UpscaleForm

URL = "https://shop.example/shirt.jpg"
LONG_URL = "https://shop.example/" + "a" * 1980

# body, the location in the body, the code
REFUSED: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "no source": ({"model_name": "recraft"}, [], "source_missing"),
    "placeholders are no source": (
        {"model_name": "recraft", "image_url": "", "generation_result_id": 0, "generation_settings": ""},
        [],
        "source_missing",
    ),
    "empty text is no source": ({"model_name": "recraft", "generation_result_id": ""}, [], "source_missing"),
    "null is no source": (
        {"model_name": "recraft", "image_url": None, "generation_result_id": None},
        [],
        "source_missing",
    ),
    "two sources": (
        {"model_name": "recraft", "image_url": URL, "generation_result_id": 987654},
        [],
        "source_ambiguous",
    ),
    "an underscore in a number": (
        {"model_name": "recraft", "generation_result_id": "98_7654"},
        ["generation_result_id"],
        "int_parsing",
    ),
    "digits of another script": (
        {"model_name": "recraft", "generation_result_id": "٩٨٧"},
        ["generation_result_id"],
        "int_parsing",
    ),
    "unknown result": (
        {"model_name": "recraft", "generation_result_id": 987654},
        ["generation_result_id"],
        "not_found",
    ),
    "no model": ({"image_url": URL}, ["model_name"], "missing"),
    "empty model": ({"image_url": URL, "model_name": ""}, ["model_name"], "missing"),
    "unknown model": ({"image_url": URL, "model_name": "crystal"}, ["model_name"], "enum"),
    "recraft with settings": (
        {"image_url": URL, "model_name": "recraft", "generation_settings": {"upscale_factor": "2x"}},
        ["generation_settings", "upscale_factor"],
        "extra_forbidden",
    ),
    "unknown setting": (
        {"image_url": URL, "model_name": "topaz", "generation_settings": {"sharpness": "9"}},
        ["generation_settings", "sharpness"],
        "extra_forbidden",
    ),
    "unknown setting with signs of formats": (
        {"image_url": URL, "model_name": "topaz", "generation_settings": {"%_% %(setting)s": "%d"}},
        ["generation_settings", "%_% %(setting)s"],
        "extra_forbidden",
    ),
    "url without scheme": (
        {"image_url": "shop.example/shirt.jpg", "model_name": "recraft"},
        ["image_url"],
        "url_parsing",
    ),
    "ftp": ({"image_url": "ftp://shop.example/a.jpg", "model_name": "recraft"}, ["image_url"], "url_parsing"),
    "file": ({"image_url": "file:///etc/passwd", "model_name": "recraft"}, ["image_url"], "url_parsing"),
    "bad port": ({"image_url": "http://shop.example:99999/", "model_name": "recraft"}, ["image_url"], "url_parsing"),
    "loopback": ({"image_url": "http://127.0.0.1/a.jpg", "model_name": "recraft"}, ["image_url"], "url_private"),
    "localhost": ({"image_url": "http://localhost:8000/", "model_name": "recraft"}, ["image_url"], "url_private"),
    "metadata": ({"image_url": "http://169.254.169.254/", "model_name": "recraft"}, ["image_url"], "url_private"),
    "private v6": ({"image_url": "http://[fd00::1]/a.jpg", "model_name": "recraft"}, ["image_url"], "url_private"),
    "backslash": (
        {"image_url": "http://10.0.0.1\\@a.example", "model_name": "recraft"},
        ["image_url"],
        "url_parsing",
    ),
    "user name": ({"image_url": "http://me:pw@a.example/x", "model_name": "recraft"}, ["image_url"], "url_parsing"),
    "blank": ({"image_url": "http://a .example/ab.jpg", "model_name": "recraft"}, ["image_url"], "url_parsing"),
    "mapped v6": ({"image_url": "http://[::ffff:10.0.0.1]/", "model_name": "recraft"}, ["image_url"], "url_private"),
    "a long SKU": ({"image_url": URL, "model_name": "recraft", "sku": "s" * 101}, ["sku"], "string_too_long"),
    "a long name": ({"image_url": URL, "model_name": "recraft", "name": "n" * 256}, ["name"], "string_too_long"),
    "a null in a SKU": ({"image_url": URL, "model_name": "recraft", "sku": "a\0b"}, ["sku"], "value_error"),
    "2001 characters": ({"image_url": LONG_URL, "model_name": "recraft"}, ["image_url"], "url_too_long"),
}

BAD_SETTINGS: list[tuple[str, Any, str]] = [
    ("enhance_model", "Standard V3", "enum"),
    ("enhance_model", "standard v2", "enum"),
    ("enhance_model", ["Standard V2"], "enum"),
    ("upscale_factor", "3x", "enum"),
    ("upscale_factor", 4, "enum"),
    ("upscale_factor", "", "enum"),
    ("subject_detection", "Everything", "enum"),
    ("upscale_factor", "50% %s", "enum"),
    ("face_enhancement", "yes", "bool_parsing"),
    ("face_enhancement", 1, "bool_parsing"),
    ("face_enhancement_creativity", -0.1, "greater_than_equal"),
    ("face_enhancement_creativity", "1.1", "less_than_equal"),
    ("face_enhancement_creativity", 1e999, "finite_number"),
    ("face_enhancement_creativity", "nan", "finite_number"),
    ("face_enhancement_creativity", float("nan"), "finite_number"),
    ("face_enhancement_creativity", "much", "float_parsing"),
    ("face_enhancement_creativity", "0_1", "float_parsing"),
    ("face_enhancement_creativity", "0.2_5", "float_parsing"),
    ("face_enhancement_creativity", "٠.٥", "float_parsing"),
    ("face_enhancement_creativity", True, "float_parsing"),
    ("face_enhancement_creativity", None, "float_parsing"),
]
for key, value, code in BAD_SETTINGS:
    REFUSED[f"{key} {value!r}"] = (
        {"image_url": URL, "model_name": "topaz", "generation_settings": {key: value}},
        ["generation_settings", key],
        code,
    )

ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    *(
        ({"enhance_model": value}, {"enhance_model": value})
        for value in ("Standard V2", "Low Resolution V2", "High Fidelity V2")
    ),
    *(({"upscale_factor": value}, {"upscale_factor": value}) for value in ("2x", "4x", "6x")),
    *(({"subject_detection": value}, {"subject_detection": value}) for value in ("Foreground", "Background", "Auto")),
    ({"face_enhancement": True}, {"face_enhancement": True}),
    ({"face_enhancement": "true"}, {"face_enhancement": True}),
    ({"face_enhancement": "false"}, {"face_enhancement": False}),
    ({"face_enhancement_creativity": 0.25}, {"face_enhancement_creativity": 0.25}),
    ({"face_enhancement_creativity": "0.25"}, {"face_enhancement_creativity": 0.25}),
    ({"face_enhancement_creativity": 0}, {"face_enhancement_creativity": 0.0}),
    ({"face_enhancement_creativity": "1.0"}, {"face_enhancement_creativity": 1.0}),
]

DEFAULTS = {
    "enhance_model": "High Fidelity V2",
    "upscale_factor": "4x",
    "face_enhancement": False,
    "subject_detection": "Foreground",
    "face_enhancement_creativity": 0.5,
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_rule_is_refused_alike_on_both_ways_in(case: str, owner: Person) -> None:
    body, place, code = REFUSED[case]

    form = UpscaleForm(body, team=owner.team)
    assert not form.is_valid()
    codes = {error.code for errors in form.errors.as_data().values() for error in errors}
    ours = {
        "missing": "required",
        "int_parsing": "invalid",
        "string_too_long": "max_length",
        "value_error": "null_characters_not_allowed",
    }
    assert ours.get(code, code) in codes

    answer = owner.api("post", "generation-upscale", body)
    assert answer.status_code == 422, answer.content
    problems = answer.json()["detail"]
    assert (code, ["body", *place]) in [(problem["type"], problem["loc"]) for problem in problems]
    assert all(len(problem["msg"]) > 15 for problem in problems)
    assert owner.balance == 100
    assert not Upscale.objects.exists()


@pytest.mark.parametrize(("given", "stored"), ACCEPTED)
def test_topaz_settings_are_stored_in_full(given: dict[str, Any], stored: dict[str, Any], owner: Person) -> None:
    answer = owner.api(
        "post", "generation-upscale", {"image_url": URL, "model_name": "topaz", "generation_settings": given}
    )
    assert answer.status_code == 200, answer.content
    upscale = Upscale.objects.get(pk=answer.json()["generation_id"])
    assert upscale.settings == {**DEFAULTS, **stored}
    assert type(upscale.settings["face_enhancement_creativity"]) is float
    assert owner.balance == 97


@pytest.mark.parametrize("settings", [None, {}])
def test_recraft_takes_an_empty_map_of_settings(settings: Any, owner: Person) -> None:
    body = {"image_url": URL, "model_name": "recraft", "generation_settings": settings, "generation_result_id": 0}
    answer = owner.api("post", "generation-upscale", body)
    assert answer.status_code == 200, answer.content
    assert Upscale.objects.get().settings == {}
    assert owner.balance == 99


def test_the_page_ignores_topaz_controls_while_recraft_is_chosen(owner: Person, upload: Callable[..., Any]) -> None:
    answer = owner.submit(image=upload(), upscale_factor="2x", face_enhancement="true")
    assert answer.status_code == 302
    assert Upscale.objects.get().settings == {}


def test_the_page_s_topaz_controls_count(owner: Person, upload: Callable[..., Any]) -> None:
    answer = owner.submit(image=upload(), model_name="topaz", upscale_factor="2x", face_enhancement_creativity="0.75")
    assert answer.status_code == 302
    assert Upscale.objects.get().settings == {**DEFAULTS, "upscale_factor": "2x", "face_enhancement_creativity": 0.75}


def test_the_page_refuses_a_setting_that_a_browser_never_sends(owner: Person, upload: Callable[..., Any]) -> None:
    answer = owner.submit(image=upload(), model_name="topaz", upscale_factor="9x")
    assert answer.status_code == 422
    assert b"upscale_factor must be one of: 2x, 4x, 6x." in answer.content
    assert owner.balance == 100


def test_both_a_file_and_an_address_are_one_too_many(owner: Person, upload: Callable[..., Any]) -> None:
    answer = owner.submit(image=upload(), image_url=URL)
    assert answer.status_code == 422
    assert b"Give one picture, not 2" in answer.content
    assert owner.balance == 100


def test_two_sources_are_ambiguous(owner: Person, done: Callable[..., Upscale]) -> None:
    body = {"model_name": "recraft", "image_url": URL, "generation_result_id": done().result_id}
    problems = owner.api("post", "generation-upscale", body).json()["detail"]
    assert [problem["type"] for problem in problems] == ["source_ambiguous"]


def test_a_result_can_be_named_for_four_hours(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    body = {"model_name": "recraft", "generation_result_id": upscale.result_id}
    almost = timezone.now() - timedelta(hours=4) + timedelta(minutes=1)
    move_end(upscale, almost)
    assert owner.api("post", "generation-upscale", body).status_code == 200
    balance = owner.balance

    move_end(upscale, timezone.now() - timedelta(hours=4, seconds=1))
    ran_out = timezone.localtime(Upscale.objects.get(pk=upscale.pk).expires_at)
    answer = owner.api("post", "generation-upscale", body)
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["type"] == "expired"
    assert f"{ran_out:%H:%M}" in problem["msg"]
    assert owner.balance == balance


def test_another_team_s_result_is_unknown(outsider: Person, done: Callable[..., Upscale]) -> None:
    body = {"model_name": "recraft", "generation_result_id": done().result_id}
    answer = outsider.api("post", "generation-upscale", body)
    assert answer.json()["detail"][0]["type"] == "not_found"
    assert outsider.balance == 100


def test_a_result_too_large_to_make_is_refused_before_any_charge(owner: Person, upload: Callable[..., Any]) -> None:
    with override_settings(MAX_RESULT_PIXELS=48 * 40 * 4 * 4 - 1):
        answer = owner.submit(image=upload())
    assert answer.status_code == 422
    assert "48 × 40 pixels enlarged 4 times" in answer.content.decode()
    assert "Choose 2x with Topaz" in answer.content.decode()
    assert owner.balance == 100


@pytest.mark.parametrize("case", pictures.BAD_FILES)
def test_a_file_that_is_no_good_picture_is_refused_by_name_and_costs_nothing(
    case: str, owner: Person, upload: Callable[..., Any]
) -> None:
    name, content, code, words = pictures.BAD_FILES[case]
    form = UpscaleForm({"model_name": "recraft"}, {"image": upload(name, content)}, team=owner.team)
    assert [error.code for error in form.errors.as_data()["image"]] == [code]

    answer = owner.submit(image=upload(name, content))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert name in answer.content.decode()

    posted = owner.client.post(
        "/api/v1/uploads", {"file": upload(name, content)}, headers={"Authorization": f"Bearer {owner.token}"}
    )
    assert posted.status_code == (413 if code in ("too_large", "too_many_pixels") else 415)
    assert words in posted.json()["detail"]
    assert owner.balance == 100
    assert not Upscale.objects.exists()


def test_the_catalogue_has_the_contract_s_prices() -> None:
    credits = {name: model.credits for name, model in upscaling_models.MODELS.items()}
    assert credits == {"recraft": 1, "topaz": 3, "seedvr2": 1, "aura-sr": 1}

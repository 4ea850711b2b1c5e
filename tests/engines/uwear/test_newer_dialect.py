"""The vendor's newer interface: what is offered, what is sent, and what of the other interface is refused or kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.utils.html import strip_tags

from tests.conftest import Person
from tests.support import pictures
from tests.support.vendor import Vendor, follow, prove_nothing_went_wrong, step
from upscaler.engines import offer
from upscaler.engines.base import Order
from upscaler.engines.uwear import dialects
from upscaler.models import Batch, Upscale

pytestmark = pytest.mark.parametrize("vendor", ["current"], indirect=True)
OFFERED = "seedvr2 (1 credit) or aura-sr (1 credit)"
LACKING = f"This desk’s engine does not have the model “recraft”, and takes no other in its place. Choose {OFFERED}."


@pytest.fixture
def link(owner: Person, vendor: Vendor) -> str:
    """An uploaded picture, as programs name it."""
    file = SimpleUploadedFile("shirt.jpg", pictures.jpeg())
    answer = owner.client.post("/api/v1/uploads", {"file": file}, headers={"Authorization": f"Bearer {owner.token}"})
    return answer.json()["image_url"]


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ({"model_name": "seedvr2"}, {"model_slug": "seedvr2", "upscale_factor": 2, "target_resolution": "2160p"}),
        (
            {"model_name": "seedvr2", "upscale_factor": "4x", "target_resolution": "1080p"},
            {"model_slug": "seedvr2", "upscale_factor": 4, "target_resolution": "1080p"},
        ),
        ({"model_name": "aura-sr"}, {"model_slug": "aura-sr", "upscale_factor": 4}),
    ],
)
def test_an_order_from_the_page_is_sent_in_the_documented_fields(
    chosen: dict[str, str],
    sent: dict[str, Any],
    vendor: Vendor,
    owner: Person,
    order: Callable[..., Upscale],
    caplog: pytest.LogCaptureFixture,
) -> None:
    upscale = follow(order(**chosen))
    assert upscale.status == "Done", upscale.error_message
    [body] = vendor.bodies
    hint = body.pop("webhook_url")
    assert hint.startswith("https://upscaler.example.com/hints/")
    assert body.pop("image_url").startswith("https://upscaler.example.com/files/")
    fixed = {"use_case": "upscale", "num_images": 1, "webhook_events": ["generation.completed", "generation.failed"]}
    assert body == {**fixed, **sent}
    assert owner.balance == 99
    prove_nothing_went_wrong(upscale, owner, vendor, caplog)
    shown = strip_tags(owner.client.get(f"/upscales/{upscale.pk}/").content.decode())
    assert {"seedvr2": "SeedVR2", "aura-sr": "AuraSR"}[sent["model_slug"]] in shown


def test_without_a_public_address_no_hint_is_asked_for(vendor: Vendor, owner: Person) -> None:
    with override_settings(PUBLIC_URL=""):
        body = {"image_url": f"http://{vendor.host}/shop/a.png", "model_name": "aura-sr"}
        number = owner.api("post", "generation-upscale", body).json()["generation_id"]
        assert follow(Upscale.objects.get(pk=number)).status == "Done"
    assert not vendor.bodies[0].keys() & {"webhook_url", "webhook_events"}


def test_an_earlier_result_is_named_as_the_parent(vendor: Vendor, owner: Person, order: Callable[..., Upscale]) -> None:
    first = follow(order())
    vendor.picture = pictures.encoded(pictures.photograph("chelsea", (400, 340)), "PNG")
    body = {"generation_result_id": first.result_id, "model_name": "seedvr2"}
    second = owner.api("post", "generation-upscale", body).json()["generation_id"]
    assert follow(Upscale.objects.get(pk=second)).status == "Done"
    assert vendor.bodies[1]["generation_result_parent_id"] == first.result_id
    assert "image_url" not in vendor.bodies[1]


def test_the_page_offers_the_engine_s_own_models(vendor: Vendor, owner: Person) -> None:
    page = owner.client.get("/").content.decode()
    assert 'value="seedvr2" id="model-seedvr2"' in page
    assert 'value="aura-sr" id="model-aura-sr"' in page
    assert "720p" in page
    assert 'value="recraft"' not in page
    assert 'value="topaz"' not in page
    assert "SeedVR2 1 credit, AuraSR 1 credit for each picture" in strip_tags(page)


class TestAModelThatThisEngineLacks:
    """Refused by name with what is offered, by every way in, and never replaced."""

    def test_by_the_api(self, vendor: Vendor, owner: Person, link: str) -> None:
        answer = owner.api("post", "generation-upscale", {"image_url": link, "model_name": "recraft"})
        problem = {"type": "enum", "loc": ["body", "model_name"], "msg": LACKING}
        assert (answer.status_code, answer.json()["detail"]) == (422, [problem])

    def test_by_a_batch_and_a_quote(self, vendor: Vendor, owner: Person, link: str) -> None:
        for call in ("quotes", "batches"):
            answer = owner.api("post", call, {"model_name": "recraft", "items": [{"image_url": link}]})
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["msg"] == LACKING

    def test_by_the_page(self, vendor: Vendor, owner: Person) -> None:
        file = SimpleUploadedFile("shirt.jpg", pictures.jpeg())
        answer = owner.client.post("/", {"model_name": "recraft", "image": file})
        assert answer.status_code == 422
        assert LACKING in answer.content.decode()

    @pytest.fixture(autouse=True)
    def nothing_is_ordered(self, vendor: Vendor, owner: Person) -> Iterator[None]:
        yield
        assert not Upscale.objects.exists()
        assert owner.balance == 100


def test_a_batch_of_a_program_with_its_quote(vendor: Vendor, owner: Person, link: str) -> None:
    settings = {"upscale_factor": "4x"}
    body = {"model_name": "seedvr2", "generation_settings": settings, "items": [{"image_url": link}]}
    quote = owner.api("post", "quotes", body)
    assert quote.status_code == 200, quote.content
    assert owner.api("post", "batches", body).status_code == 200
    [upscale] = Upscale.objects.all()
    assert (upscale.settings["upscale_factor"], upscale.credits) == ("4x", 1)
    assert follow(upscale).status == "Done"


def test_rules_of_its_settings(vendor: Vendor, owner: Person, link: str) -> None:
    cases = {
        "upscale_factor": ("6x", "upscale_factor must be one of: 2x, 4x."),
        "target_resolution": ("4k", "target_resolution must be one of: 720p, 1080p, 1440p, 2160p."),
        "enhance_model": (
            "Standard V2",
            "There is no setting called “enhance_model”. Settings of seedvr2: upscale_factor, target_resolution.",
        ),
    }
    for key, (value, message) in cases.items():
        body = {"image_url": link, "model_name": "seedvr2", "generation_settings": {key: value}}
        [problem] = owner.api("post", "generation-upscale", body).json()["detail"]
        assert (problem["loc"], problem["msg"]) == (["body", "generation_settings", key], message)


@pytest.fixture
def old(vendor: Vendor, order: Callable[..., Upscale]) -> Upscale:
    """An order from the time of the older interface, still waiting."""
    with override_settings(UWEAR_DIALECT="legacy"):
        return order(model_name="topaz")


def test_what_was_ordered_before_the_change_is_refunded_and_not_replaced(
    old: Upscale, vendor: Vendor, owner: Person, caplog: pytest.LogCaptureFixture
) -> None:
    follow(old)
    assert (old.status, old.error_code) == ("Error", "uwear_model")
    assert old.error_message == (
        "Uwear does not offer Topaz on this desk any more, and no other model is taken in its place. Order it anew "
        "with seedvr2 or aura-sr."
    )
    assert vendor.bodies == []
    prove_nothing_went_wrong(old, owner, vendor, caplog)
    # It stays readable, and ordering it anew says why not.
    page = strip_tags(owner.client.get(f"/upscales/{old.pk}/").content.decode())
    assert "Topaz" in page
    assert "Standard V2" in page or "High Fidelity V2" in page
    assert owner.client.get("/history/?model=topaz").status_code == 200
    answer = owner.client.post(f"/upscales/{old.pk}/retry/", follow=True)
    assert LACKING.replace("recraft", "topaz") in answer.content.decode()
    assert Upscale.objects.count() == 1
    assert owner.balance == 100


def test_what_was_handed_over_before_the_change_is_followed_to_its_end(
    vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    vendor.dialect, vendor.status = "legacy", "Ongoing"
    with override_settings(UWEAR_DIALECT="legacy", UWEAR_API_URL=vendor.api_url):
        upscale = step(order(model_name="topaz"))
    vendor.dialect, vendor.status = "current", "Done"
    assert follow(upscale).status == "Done", upscale.error_message
    assert len(vendor.generations) == 1


def test_trying_a_batch_again_of_a_model_that_is_not_offered_says_so(
    vendor: Vendor, owner: Person, order_batch: Callable[..., Batch]
) -> None:
    with override_settings(UWEAR_DIALECT="legacy"):
        batch = order_batch("a.jpg")
    follow(Upscale.objects.get())
    answer = owner.client.post(f"/batches/{batch.pk}/retry/", follow=True)
    assert LACKING in answer.content.decode()
    assert owner.balance == 100


@pytest.mark.parametrize(
    "payload",
    [
        {"use_case": "upscale", "model_slug": "seedvr2", "num_images": 1, "upscale_factor": 2},
        {"model_slug": "seedvr2", "upscale_factor": "2", "target_resolution": "2160p"},
        {"model_name": "seedvr2", "generation_settings": {"upscale_factor": "2x"}},
        {"model_name": "seedvr2", "feature_setting": {"upscale_factor": "2x", "target_resolution": "2160p"}},
    ],
)
def test_the_same_order_is_known_in_other_words(payload: dict[str, Any], vendor: Vendor) -> None:
    settings = {"upscale_factor": "2x", "target_resolution": "2160p"}
    assert dialects.model_in(payload) == "seedvr2"
    assert dialects.settings_in(payload, "seedvr2") == settings
    assert dialects.settings_in({**payload, "upscale_factor": 4}, "seedvr2") != settings


def test_the_settings_of_another_desk_s_models_are_sent_and_known_again(vendor: Vendor) -> None:
    chosen = {
        "upscale_factor": "6x",
        "enhance_model": "Standard V2",
        "subject_detection": "Auto",
        "face_enhancement": True,
        "face_enhancement_creativity": 0.8,
    }
    order = Order(1, "topaz", chosen, Path(), Path(), reference={"image_url": "https://shop.example/a.jpg"})
    body = json.loads(json.dumps(dialects.Current().body(order)))
    assert body["upscale_factor"] == 6
    assert body["feature_setting"] == {key: value for key, value in chosen.items() if key != "upscale_factor"}
    assert dialects.settings_in(body, "topaz") == chosen
    recraft = dialects.Current().body(Order(1, "recraft", {}, Path(), Path(), reference={"generation_result_id": 5}))
    assert dialects.settings_in(recraft, "recraft") == {}


def test_the_models_of_another_desk_can_be_named(vendor: Vendor) -> None:
    with override_settings(UWEAR_MODELS=["topaz", "recraft"]):
        assert [model.name for model in offer.models()] == ["topaz", "recraft"]
        assert offer.usual().name == "topaz"

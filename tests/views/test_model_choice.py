"""Models and settings on the submit page: what is preselected, and what it says about them."""

from __future__ import annotations

import html
import re

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.conftest import Person
from tests.support import pictures
from tests.support.remote_engine import FableEngine
from upscaler.models import Upscale
from upscaler.views import model_choice


def checked(page: str, name: str) -> list[str]:
    """The values of the radio buttons of that name that are chosen."""
    radios = re.findall(rf'<input type="radio" name="{name}"[^>]*>', page)
    return [re.search(r'value="([^"]*)"', radio)[1] for radio in radios if " checked" in radio]  # type: ignore[index]


def test_topaz_begins_with_what_this_engine_makes_of_it(owner: Person) -> None:
    page = owner.client.get("/").content.decode()
    assert checked(page, "enhance_model") == ["Standard V2"]
    assert checked(page, "upscale_factor") == ["4x"]
    assert checked(page, "model_name") == ["recraft"]


def test_with_another_engine_it_begins_with_the_contract_s_default() -> None:
    assert model_choice.preselection(FableEngine())["enhance_model"] == "High Fidelity V2"


def test_the_api_keeps_the_contract_s_default(owner: Person) -> None:
    body = {"image_url": "https://shop.example/a.jpg", "model_name": "topaz"}
    number = owner.api("post", "generation-upscale", body).json()["generation_id"]
    assert Upscale.objects.get(pk=number).settings["enhance_model"] == "High Fidelity V2"


def test_a_form_without_settings_keeps_them_too(owner: Person) -> None:
    owner.submit(image=SimpleUploadedFile("coat.jpg", pictures.jpeg(), "image/jpeg"), model_name="topaz")
    assert Upscale.objects.get().settings["enhance_model"] == "High Fidelity V2"


def test_a_refused_form_keeps_what_was_chosen(owner: Person) -> None:
    page = owner.submit(model_name="topaz", enhance_model="Low Resolution V2").content.decode()
    assert checked(page, "enhance_model") == ["Low Resolution V2"]
    assert checked(page, "model_name") == ["topaz"]


def test_the_page_says_when_recraft_gives_the_same(owner: Person) -> None:
    page = html.unescape(owner.client.get("/").content.decode())
    assert "On this desk this gives the same picture as Recraft, for 1 credit." in page
    assert '"upscale_factor": "4x", "enhance_model": "High Fidelity V2", "face_enhancement": false' in page
    assert "At 4x, High Fidelity V2 makes the same picture here as Recraft, which costs less." in page

"""Sources are looked into as they are chosen, so that the time of their order can be told."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.conftest import Person
from tests.support import pictures
from tests.support.draft_page import DraftPage
from upscaler.engines import get_engine
from upscaler.models import DraftItem, Upscale

pytestmark = pytest.mark.django_db


def test_the_quality_of_a_jpeg_is_kept_with_its_order(owner: Person) -> None:
    worn = pictures.encoded(pictures.photograph(size=(48, 40)), "JPEG", quality=61)
    owner.submit(image=SimpleUploadedFile("worn.jpg", worn))
    owner.submit(image=SimpleUploadedFile("shirt.png", pictures.cut_out()))
    found = [upscale.source_facts["jpeg_quality"] for upscale in Upscale.objects.order_by("pk")]
    assert found == [61, None]


@pytest.mark.engine
def test_a_chosen_picture_is_looked_into_and_its_order_keeps_what_was_found(owner: Person, settings: Any) -> None:
    settings.LOOK_SECONDS = 300
    page = DraftPage(owner)
    try:
        page.add(SimpleUploadedFile("shirt.png", pictures.cut_out()))
        page.add(SimpleUploadedFile("notes.txt", b"no picture"))
    finally:
        get_engine("local").close()  # type: ignore[attr-defined]
    item = DraftItem.objects.get(problem="")
    assert item.source_facts["engine"].startswith("local")
    assert page.get()["quote"]["seconds"] > 0
    page.order()
    assert Upscale.objects.get().source_facts == item.source_facts

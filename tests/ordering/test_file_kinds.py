"""Files as people have them, through the page's and the API's door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Person
from tests.support import picture_cases
from upscaler.models import Upscale

TAKEN = {name: (picture_cases.FOLDER / name).read_bytes() for name in picture_cases.CASES}
TAKEN |= {"phone.heic": picture_cases.heic(), "deep.heic": picture_cases.heic(bits=10), "new.jxl": picture_cases.jxl()}
REFUSED = {
    "pages.tif": ((picture_cases.FOLDER / "control_two_pages.tif").read_bytes(), "holds 2 pictures"),
    "layers.psd": (b"8BPS\0\1" + bytes(400), "a Photoshop document. Save it as TIFF or PNG"),
    "look.pdf": (b"%PDF-1.7\n" + bytes(400), "a PDF, not a picture. Export the picture"),
    "camera.cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(400), "a camera&#x27;s raw file. Develop it"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_a_picture_is_taken(name: str, owner: Person, upload: Callable[..., Any]) -> None:
    answer = owner.submit(image=upload(name, TAKEN[name]))
    assert answer.status_code == 302
    upscale = Upscale.objects.get()
    assert (upscale.source_width, upscale.source_height) == picture_cases.SIZE
    posted = owner.client.post(
        "/api/v1/uploads", {"file": upload(name, TAKEN[name])}, headers={"Authorization": f"Bearer {owner.token}"}
    )
    assert posted.status_code == 201, posted.content


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_none_is_refused_by_its_kind_for_nothing(name: str, owner: Person, upload: Callable[..., Any]) -> None:
    content, words = REFUSED[name]
    answer = owner.submit(image=upload(name, content))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert name in answer.content.decode()
    assert owner.balance == 100


def test_the_field_offers_files_whose_media_type_a_system_may_not_know(owner: Person) -> None:
    page = owner.client.get("/").content.decode()
    assert ".heic" in page
    assert ".jxl" in page
    assert "HEIC" in page

"""What a file is called after its way through the page or the API: what its owner called it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client

from tests.conftest import Person
from tests.support import pictures
from upscaler.models import Upscale
from upscaler.storage import signed_links

BOUNDARY = "----picture"
NAMES = {
    "Screenshot at 1.23.45\u202fPM.png": "Screenshot at 1.23.45\u202fPM.png",
    "👩\u200d👧 Größe 38.jpg": "👩\u200d👧 Größe 38.jpg",
    "Tom &amp; Jerry & &#65;.jpg": "Tom &amp; Jerry & &#65;.jpg",
    "3%22 pipe.jpg": '3" pipe.jpg',
    "a%0D%0Ab.jpg": "ab.jpg",
    "100%25 Wolle.jpg": "100%25 Wolle.jpg",
    "a; b=c, d.JPG": "a; b=c, d.JPG",
    "SKU-12.5 red": "SKU-12.5 red",
    "summer/front.jpg": "front.jpg",
    "C:\\photos\\front.jpg": "front.jpg",
    "..": "picture",
    "\u202e": "picture",
    "連" * 255: "連" * 255,
    "x." + "連" * 253: "x." + "連" * 253,
    "k" * 200 + "連" * 200 + "_front.jpg": "k" * 167 + "…" + "連" * 77 + "_front.jpg",
}
LARGE = pictures.jpeg() + bytes(1_100_000)
"""More than is held in memory, so that it waits in a temporary file."""


def form(field: str, name: str, content: bytes, **values: str) -> dict[str, Any]:
    """A form's body as browsers write it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in values.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
    body = "".join(parts) + head + "Content-Type: image/jpeg\r\n\r\n"
    data = body.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return {"data": data, "content_type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.mark.parametrize("content", [pictures.jpeg(), LARGE], ids=["small", "large"])
@pytest.mark.parametrize("name", NAMES)
def test_the_page_keeps_a_file_s_name(name: str, content: bytes, owner: Person) -> None:
    answer = owner.client.post("/", **form("image", name, content, model_name="recraft"))
    assert answer.status_code == 302, answer.content
    assert Upscale.objects.get().source_name == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_api_keeps_a_file_s_name(name: str, owner: Person) -> None:
    credentials = {"Authorization": f"Bearer {owner.token}"}
    answer = Client().post("/api/v1/uploads", **form("file", name, pictures.jpeg()), headers=credentials)
    assert answer.status_code == 201, answer.content
    link = answer.json()["image_url"]
    known = signed_links.find_link(link)
    assert known is not None
    assert known.name == NAMES[name]
    assert len(link) < 2000
    order = owner.api("post", "generation-upscale", {"image_url": link, "model_name": "recraft"})
    assert order.status_code == 200, order.content
    assert Upscale.objects.get().source_name == NAMES[name]
    assert said(Client().get(link)["Content-Disposition"]).startswith(NAMES[name][:50])


def test_two_names_of_which_only_the_end_differs_stay_two(owner: Person, done: Callable[..., Upscale]) -> None:
    names = [done(name=name).result_name for name in ("SKU-12.5 red.jpg", "SKU-12.7 blue.jpg")]
    names += [done(name=name).result_name for name in ("SKU-12.5", "SKU-12.7")]
    assert names == ["SKU-12.5 red.jpg", "SKU-12.7 blue.jpg", "SKU-12.5.jpg", "SKU-12.7.jpg"]


def test_no_answer_of_a_submit_carries_names_in_its_headers(owner: Person, upload: Callable[..., Any]) -> None:
    files = [upload(f"{'連' * 200}-{number}.jpg") for number in range(20)]
    bad = upload("bad.jpg", b"no picture")
    answer = owner.submit(image=[*files, bad][1:])
    assert answer.status_code == 422
    size = sum(len(f"{name}: {value}\r\n".encode()) for name, value in answer.items()) + len(answer.cookies.output())
    assert size < 2000


def test_a_name_that_is_sent_back_with_an_offer_is_kept_whole(
    owner: Person, done: Callable[..., Upscale], upload: Callable[..., Any]
) -> None:
    name = "Größe\u202f38 & “rot”.jpg"
    made = done(content=pictures.jpeg())
    again = {"offered": [made.pk], "upscale": str(made.pk), f"name-{made.pk}": name + "\u202e\0"}
    owner.client.post("/again/", again)
    assert Upscale.objects.latest("pk").source_name == name


def said(header: str) -> str:
    """The name that a header gives."""
    _, starred, name = header.partition("filename*=UTF-8''")
    return unquote(name) if starred else header.partition('filename="')[2].removesuffix('"')

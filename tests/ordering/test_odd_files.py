"""Odd files by the form and the API: each is taken or refused with words that help, none is an error."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms

from tests.conftest import Person
from tests.fuzz.bombs import chunk
from tests.support import pictures
from upscaler.models import Upscale

SHIRT = pictures.photograph("coffee", (60, 40))
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
XMP += b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="8"/></rdf:RDF></x:xmpmeta>'


def several(format_name: str) -> bytes:
    frames = [SHIRT, SHIRT.rotate(90), SHIRT.rotate(180)]
    return pictures.encoded(frames[0], format_name, save_all=True, append_images=frames[1:], duration=50)


def turned_twice() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return pictures.encoded(SHIRT, "JPEG", exif=exif, xmp=XMP)


def inks_with_a_wrong_mark() -> bytes:
    content = bytearray(pictures.encoded(SHIRT.convert("CMYK"), "JPEG"))
    at = content.index(b"Adobe") + 11
    content[at] = 1
    return bytes(content)


def profile_bomb() -> bytes:
    """A profile that says that its table is of 4 GB, in a PNG in which 200 MB of it are packed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    struct.pack_into(">I", profile, 0, 0xFFFFFFFF)
    packed = zlib.compress(bytes(profile) + bytes(200_000_000))
    content = pictures.encoded(SHIRT, "PNG")
    return content[:33] + chunk(b"iCCP", b"bomb\0\0" + packed) + content[33:]


def png_without_size() -> bytes:
    content = pictures.encoded(SHIRT, "PNG")
    head = struct.pack(">II", 0, 40) + content[24:29]
    return content[:8] + chunk(b"IHDR", head) + content[33:]


def palette_of_16_bits() -> bytes:
    head = struct.pack(">IIBBBBB", 4, 4, 16, 3, 0, 0, 0)
    rows = zlib.compress(bytes(4 * 9))
    parts = chunk(b"IHDR", head) + chunk(b"PLTE", bytes(9)) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def heic_without_a_picture() -> bytes:
    """A head, and a table of items in which there is none."""
    meta = b"\0\0\0\0" + struct.pack(">I4s", 32, b"hdlr") + bytes(8) + b"pict" + bytes(12)
    return (
        struct.pack(">I4s4sI4s", 20, b"ftyp", b"heic", 0, b"mif1") + struct.pack(">I4s", 8 + len(meta), b"meta") + meta
    )


TAKEN: dict[str, Callable[[], bytes]] = {
    "turned by EXIF and otherwise by XMP": turned_twice,
    "inks with a wrong mark of Adobe's": inks_with_a_wrong_mark,
    "a bomb of a profile": profile_bomb,
    "one pixel": lambda: pictures.encoded(Image.new("RGB", (1, 1)), "PNG"),
    "a thread": lambda: pictures.encoded(Image.new("L", (1, 60_000)), "PNG"),
}
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a moving PNG": (lambda: several("PNG"), "holds 3 pictures"),
    "a moving WebP": (lambda: several("WEBP"), "holds 3 pictures"),
    "a moving AVIF": (lambda: several("AVIF"), "holds 3 pictures"),
    "a drawing": (lambda: pictures.SVG, "an SVG, a drawing made of lines"),
    "a PDF": (lambda: b"%PDF-1.7\n1 0 obj\n", "a PDF, not a picture"),
    "no size": (png_without_size, "not a picture that we can read"),
    "a palette of 16 bits": (palette_of_16_bits, "not a picture that we can read"),
    "a HEIC without a picture": (heic_without_a_picture, "not a picture that we can read"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_odd_but_sound_files_are_taken(name: str, owner: Person, upload: Callable[..., Any]) -> None:
    content = TAKEN[name]()
    assert owner.submit(image=upload("shirt.jpg", content)).status_code == 302
    upscale = Upscale.objects.get()
    with Image.open(io.BytesIO(content)) as image:
        size = image.size[::-1] if name.startswith("turned") else image.size
    assert (upscale.source_width, upscale.source_height) == size
    headers = {"Authorization": f"Bearer {owner.token}"}
    answer = owner.client.post("/api/v1/uploads", {"file": upload("shirt.jpg", content)}, headers=headers)
    assert answer.status_code == 201
    assert owner.client.get(f"/upscales/{upscale.pk}/").status_code == 200


@pytest.mark.parametrize("name", REFUSED)
def test_odd_files_are_refused_with_words(name: str, owner: Person, upload: Callable[..., Any]) -> None:
    make, words = REFUSED[name]
    content = make()
    page = owner.submit(image=upload("shirt.jpg", content))
    text = page.content.decode()
    assert page.status_code == 422
    assert "“shirt.jpg”" in text
    assert words in text
    headers = {"Authorization": f"Bearer {owner.token}"}
    answer = owner.client.post("/api/v1/uploads", {"file": upload("shirt.jpg", content)}, headers=headers)
    assert answer.status_code == 415
    assert words in str(answer.json())
    assert owner.balance == 100


@pytest.mark.parametrize(
    "name", ["\u202egpj.trihs.jpg", "ш" * 300 + ".jpg", "a" * 300 + ".jpg", "..\\..\\x.jpg", "\ufeff.jpg"]
)
def test_odd_names_are_taken_and_shown(name: str, owner: Person, upload: Callable[..., Any]) -> None:
    assert owner.submit(image=upload(name, pictures.jpeg())).status_code == 302
    upscale = Upscale.objects.get()
    for address in (f"/upscales/{upscale.pk}/", "/history/", f"/upscales/{upscale.pk}/source/"):
        assert owner.client.get(address).status_code == 200
    headers = {"Authorization": f"Bearer {owner.token}"}
    answer = owner.client.post("/api/v1/uploads", {"file": upload(name, pictures.jpeg())}, headers=headers)
    assert answer.status_code == 201

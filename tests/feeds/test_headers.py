"""A picture's size from its first bytes, held against Pillow, which reads all of the file."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageOps

from upscaler.feeds import headers
from upscaler.imaging.openers import open_picture


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def saved(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((321, 123), 50).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def in_steps(content: bytes, first: int) -> tuple[headers.Header, int]:
    """What is read when no more is given than is asked for, and how many bytes that took."""
    size = first
    while True:
        try:
            return headers.read(content[:size]), size
        except headers.NeedMore as more:
            assert size < len(content), "it asks for more than there is"
            assert more.size > size, "it asks for no more than it has"
            size = more.size


CASES = {
    "jpeg": saved("JPEG"),
    "progressive": saved("JPEG", progressive=True),
    "profile": saved("JPEG", icc_profile=bytes(200_000)),
    **{f"turned {number}": saved("JPEG", exif=turned(number)) for number in range(1, 9)},
    "png": saved("PNG"),
    "gif": saved("GIF"),
    "webp": saved("WEBP"),
    "lossless webp": saved("WEBP", lossless=True),
    "extended webp": saved("WEBP", icc_profile=bytes(500)),
    "avif": saved("AVIF"),
    "tiff": saved("TIFF"),
    "bmp": saved("BMP"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("first", [16, 8192])
def test_the_size_is_what_a_whole_reader_says(case: str, first: int) -> None:
    content = CASES[case]
    found, took = in_steps(content, first)
    with Image.open(io.BytesIO(content)) as image:
        assert (found.width, found.height) == ImageOps.exif_transpose(image).size
        assert found.format == image.format
    if case not in ("profile", "tiff"):
        assert took <= 8192, "a beginning is enough"


def test_a_phone_s_heic_with_what_of_it_is_shown(tmp_path: Any) -> None:
    import pillow_heif

    image = Image.effect_noise((321, 123), 50).convert("RGB")
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out)
    found, took = in_steps(out.getvalue(), 16)
    assert (found.format, found.width, found.height) == ("HEIF", *open_picture(io.BytesIO(out.getvalue())).size)
    assert took <= 8192


@pytest.mark.parametrize("content", [b"<html><body>Sign in</body></html>", b"GIF8" + bytes(40), bytes(200), b"x" * 64])
def test_what_is_no_picture(content: bytes) -> None:
    with pytest.raises(headers.NotAPicture):
        headers.read(content)


def test_hostile_beginnings_end_at_once() -> None:
    for content in (
        b"\xff\xd8\xff\xe0\x00\x00" + bytes(5000),  # a segment without length
        b"\xff\xd8\xff\xda" + bytes(5000),  # pixels before a size
        b"\x89PNG\r\n\x1a\n" + bytes(40),
        b"II*\0\x08\0\0\0" + bytes(40),
        b"RIFF\0\0\0\0WEBPXXXX" + bytes(40),
    ):
        with pytest.raises(headers.Unreadable):
            headers.read(content)
    for content in (b"\xff\xd8\xff" + b"\xff" * 5000, b"\0\0\0\x18ftypavif" + bytes(12) + b"\x7f\xff\xff\xffmeta"):
        with pytest.raises((headers.NeedMore, headers.Unreadable)):
            headers.read(content)

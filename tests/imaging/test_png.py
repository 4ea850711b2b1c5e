"""PNG: where camera data stands in the file makes no difference, and no pixel is decoded to find it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from upscaler.imaging import examining, pixels, previews, structure

SIZE = (60, 40)
TURNED = 6


def png(*chunks: tuple[bytes, bytes]) -> io.BytesIO:
    """A picture that is red at its left, with chunks behind its pixels."""
    picture = Image.new("RGB", SIZE, "blue")
    picture.paste("red", (0, 0, 20, SIZE[1]))
    file = io.BytesIO()
    picture.save(file, "PNG")
    content, end = file.getvalue()[:-12], file.getvalue()[-12:]
    for name, data in chunks:
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return io.BytesIO(content + end)


def camera_data() -> bytes:
    exif = Image.Exif()
    exif[pixels.ORIENTATION] = TURNED
    return exif.tobytes().removeprefix(b"Exif\0\0")


def raw_profile() -> bytes:
    content = b"Exif\0\0" + camera_data()
    return b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(content), content.hex().encode())


def test_camera_data_behind_the_pixels_is_found_without_decoding_them() -> None:
    with structure.opened(png((b"tEXt", b"Comment\0hello"), (b"eXIf", camera_data()))) as image:
        assert pixels.orientation(image) == TURNED
        assert image.tile, "nothing is decoded yet"
        assert image.getpixel((5, 5)) == (255, 0, 0), "it can be decoded afterwards"
    with structure.opened(png()) as image:
        assert pixels.orientation(image) == 1
        assert image.tile


def test_damaged_camera_data_behind_the_pixels_counts_for_nothing() -> None:
    content = bytearray(png((b"eXIf", camera_data())).getvalue())
    content[-13] ^= 1
    with structure.opened(io.BytesIO(bytes(content))) as image:
        assert pixels.orientation(image) == 1


def test_a_profile_in_a_text_behind_the_pixels_is_found() -> None:
    with structure.opened(png((b"tEXt", raw_profile()))) as image:
        assert pixels.orientation(image) == TURNED


def test_a_large_one_that_is_read_row_by_row_comes_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "LARGE_FROM", 1)
    path = tmp_path / "turned.png"
    path.write_bytes(png((b"eXIf", camera_data())).getvalue())
    with path.open("rb") as file:
        reduced = examining.reduce(file, "It", side=30, max_area=10**6, max_pixels=10**6, max_memory=10**9)
    assert (reduced.width, reduced.height) == SIZE[::-1]
    assert reduced.rgb[0, 0, 0] > 200 > 50 > reduced.rgb[-1, 0, 0], "what was at the left is at the top"

"""Sizes at the edge of a format, files that are no pictures, and places that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.support import pictures
from tests.support.picture_files import RoundTrip, camera_data, canvas_of, load, photograph
from upscaler.errors import PublicError
from upscaler.imaging import codec

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("asked", "size", "expected"),
    [
        ("JPEG", (65500, 9), "JPEG"), ("JPEG", (65501, 9), "PNG"), ("WEBP", (9, 16383), "WEBP"),
        ("WEBP", (9, 16384), "PNG"), ("MPO", (9, 9), "JPEG"), ("TIFF", (9, 9), "PNG"), ("GIF", (9, 9), "PNG"),
    ],
)  # fmt: skip
def test_a_format_is_taken_only_where_it_holds_the_size(asked: str, size: tuple[int, int], expected: str) -> None:
    assert codec.result_format(asked, *size) == expected


@pytest.mark.parametrize(("name", "size"), [("JPEG", (65500, 2)), ("WEBP", (16383, 2)), ("PNG", (70000, 1))])
def test_the_longest_picture_of_each_format_can_be_written(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(Image.new("RGB", size, "white"), "PNG"), name)
    assert (done.image.size, done.image.getpixel((0, 0))) == (size, (255, 255, 255))


def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    source = load(tmp_path, pictures.jpeg())
    for name in ("JPEG", "PNG", "WEBP"):
        with pytest.raises(OSError, match=r"could not be written|No such file"):
            codec.save(canvas_of(source), tmp_path / "none" / "x", name, source, generative=False)


@pytest.mark.parametrize(
    "case", [name for name in pictures.BAD_FILES if name not in ("animated gif", "51 MB", "60000 x 60000")]
)
def test_what_is_no_picture_is_one_plain_error(case: str, tmp_path: Path) -> None:
    with pytest.raises(PublicError, match="could not be read as a picture") as raised:
        load(tmp_path, pictures.BAD_FILES[case][1])
    assert (raised.value.code, raised.value.permanent) == (codec.UNREADABLE, True)


@pytest.mark.parametrize("size", [59_000, 64_000])
def test_as_much_camera_data_as_a_jpeg_holds(size: int, tmp_path: Path) -> None:
    exif = camera_data()
    exif.get_ifd(0x8769)[0x927C] = bytes(range(256)) * (size // 256)  # a maker's own notes
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", exif=exif.tobytes()))
    kept = done.image.getexif()
    assert kept.get(0x010F) == ("A camera" if size < 60_000 else None)
    assert done.source_types

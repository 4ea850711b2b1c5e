"""Opening pictures from strangers: every format, odd shapes, and files that were made to break a decoder."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import pictures
from upscaler import images

LIMITS = {"max_bytes": 1_000_000, "max_pixels": 4_000_000}


def examine(content: bytes) -> images.Picture:
    return images.examine(io.BytesIO(content), name="x", **LIMITS)


def written() -> dict[str, tuple[str, bytes]]:
    """A file of every format in every mode that Pillow can write it in."""
    files = {}
    for format_name in images.FORMATS:
        for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"):
            picture = pictures.photograph("coffee", (60, 40)).convert(mode)
            with contextlib.suppress(OSError, ValueError, KeyError):
                files[f"{format_name} {mode}"] = format_name, pictures.encoded(picture, format_name)
    return files


WRITTEN = written()


def test_the_list_of_formats_is_not_empty_by_mistake() -> None:
    assert len(WRITTEN) > 40
    assert {format_name for format_name, _ in WRITTEN.values()} == set(images.FORMATS)


@pytest.mark.parametrize("file", WRITTEN)
def test_every_format_and_mode_that_pillow_writes_is_read(file: str) -> None:
    format_name, content = WRITTEN[file]
    found = examine(content)
    assert (found.format, found.width, found.height) == (format_name, 60, 40)
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == (60, 40)


@pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (1500, 2)])
def test_odd_shapes(size: tuple[int, int]) -> None:
    found = examine(pictures.encoded(Image.new("RGB", size, "red"), "PNG"))
    assert (found.width, found.height) == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_picture(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = examine(pictures.encoded(pictures.photograph("coffee", (60, 40)), "JPEG", exif=exif))
    upright = (40, 60) if orientation >= 5 else (60, 40)
    assert (found.width, found.height) == upright
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == upright


def test_a_phone_s_double_jpeg_counts_as_one_picture() -> None:
    first, second = pictures.photograph("coffee", (60, 40)), pictures.photograph("coffee", (30, 20))
    content = pictures.encoded(first, "MPO", save_all=True, append_images=[second])
    assert examine(content).format == "JPEG"


def test_16_bit_grey_is_not_clipped_in_the_thumbnail() -> None:
    content = pictures.encoded(Image.new("I;16", (10, 10), 32768), "PNG")
    with Image.open(io.BytesIO(examine(content).thumbnail)) as thumbnail:
        assert abs(thumbnail.convert("L").getpixel((5, 5)) - 128) <= 2


def test_a_broken_profile_is_no_reason_to_refuse() -> None:
    content = pictures.encoded(pictures.photograph("coffee", (60, 40)), "JPEG", icc_profile=b"no profile at all")
    assert examine(content).width == 60


SEEDS = [
    pictures.encoded(pictures.photograph("coffee", (24, 16)).convert(mode), format_name)
    for format_name, mode in (
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("WEBP", "RGBA"),
        ("TIFF", "RGB"),
        ("BMP", "RGB"),
        ("GIF", "P"),
        ("AVIF", "RGB"),
    )
]


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.sampled_from(SEEDS),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    tail=st.binary(max_size=40),
)
def test_a_damaged_file_gives_a_picture_or_a_message(
    seed: bytes, cut: float | None, changes: list[tuple[float, int]], tail: bytes
) -> None:
    content = bytearray(seed)
    for place, value in changes:
        content[int(place * len(content))] = value
    content = content[: int(cut * len(content))] if cut is not None else content
    try:
        found = examine(bytes(content + tail))
    except images.PictureError as error:
        assert error.code in ("empty", "not_a_picture", "animated", "too_many_pixels", "damaged", "too_large")
        assert len(error.message) > 20
    else:
        assert found.width * found.height <= LIMITS["max_pixels"]

"""Opening pictures from strangers: every format, odd shapes, and files that were made to break a decoder."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import pictures, profiles
from upscaler import images, pixels
from upscaler.engines.local import picture

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


def test_a_tiff_that_lies_on_its_side_has_its_upright_size() -> None:
    found = examine(pictures.encoded(pictures.photograph("coffee", (60, 40)), "TIFF", tiffinfo={0x0112: 6}))
    assert (found.width, found.height) == (40, 60)
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == (40, 60)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_broken_camera_data_is_no_reason_to_refuse(format_name: str) -> None:
    exif = b"Exif\0\0" + bytes(range(200))
    found = examine(pictures.encoded(pictures.photograph("coffee", (60, 40)), format_name, exif=exif))
    assert (found.width, found.height) == (60, 40)


# Previews and thumbnails: what the engine sees, and what the result shows


def shown(content: bytes, tmp_path: Path) -> tuple[Image.Image, Image.Image, images.Picture]:
    """A file's preview before and after, as if it were source and result at once, and what was found in it."""
    path = tmp_path / "picture"
    path.write_bytes(content)
    before = images.preview(path)
    found, after = images.examine_result(path, **LIMITS)
    return Image.open(io.BytesIO(before.content)), Image.open(io.BytesIO(after.content)), found


def apart(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("file", WRITTEN)
def test_the_same_picture_looks_the_same_on_both_sides_of_the_slider(file: str, tmp_path: Path) -> None:
    before, after, found = shown(WRITTEN[file][1], tmp_path)
    assert before.mode == after.mode
    assert before.info.get("icc_profile") == after.info.get("icc_profile")
    assert apart(before, after) < 1
    with Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert thumbnail.size == after.size == (60, 40)


HELD = {
    "JPEG": ["RGB", "L", "CMYK"],
    "PNG": ["RGB", "RGBA", "L", "LA"],
    "WEBP": ["RGB", "RGBA", "L", "LA"],
    "TIFF": ["RGB", "RGBA", "L", "LA", "CMYK"],
}


@pytest.mark.parametrize(("format_name", "mode"), [(name, mode) for name, modes in HELD.items() for mode in modes])
def test_a_preview_has_the_colours_of_the_engine(format_name: str, mode: str, tmp_path: Path) -> None:
    profile = {"CMYK": profiles.CMYK, "L": profiles.grey(1.0), "LA": profiles.grey(1.0)}.get(mode, profiles.P3)
    profile = profiles.P3 if format_name == "WEBP" else profile
    content = pictures.encoded(pictures.photograph("coffee", (64, 48)).convert(mode), format_name, icc_profile=profile)
    before, after, _ = shown(content, tmp_path)
    loaded = picture.load(tmp_path / "picture")
    expected = Image.fromarray(loaded.pixels)
    if loaded.grey:
        expected = pixels.grey_in_srgb(expected.getchannel(0), profile).convert("RGB")
    elif mode != "CMYK":
        assert before.info["icc_profile"] == profiles.P3
    for preview in (before.convert("RGB"), after.convert("RGB")):
        assert apart(preview, expected) < 5
        means = [np.asarray(image, float).mean(axis=(0, 1)) for image in (preview, expected)]
        assert np.abs(means[0] - means[1]).max() < 0.5


@pytest.mark.parametrize("size", [(5000, 3000), (3000, 1), (1, 20000)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_a_large_result_s_preview_is_read_in_one_go(mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    source = Image.linear_gradient("L").resize(size).convert(mode)
    path = tmp_path / "large.png"
    source.save(path)
    found, after = images.examine_result(path, max_bytes=10**9, max_pixels=10**9)
    assert (found.width, found.height) == size
    with Image.open(io.BytesIO(after.content)) as preview, Image.open(io.BytesIO(found.thumbnail)) as thumbnail:
        assert max(preview.size) == images.PREVIEW_SIDE
        assert max(thumbnail.size) == images.THUMBNAIL_SIDE
        assert apart(preview.convert("L"), source.convert("L").resize(preview.size)) < 3


def test_a_result_that_breaks_off_is_damaged(tmp_path: Path) -> None:
    for format_name in ("JPEG", "PNG", "WEBP"):
        path = tmp_path / format_name
        content = pictures.encoded(pictures.photograph("coffee", (300, 200)), format_name)
        path.write_bytes(content[: len(content) * 2 // 3])
        with pytest.raises(images.PictureError) as raised:
            images.examine_result(path, **LIMITS)
        assert raised.value.code == ("not_a_picture" if format_name == "WEBP" else "damaged")


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
        ("TIFF", "CMYK"),
        ("TIFF", "1"),
        ("PNG", "I;16"),
        ("TIFF", "I;16"),
    )
] + [pictures.deep_png(pictures.deep(channels, (24, 16))) for channels in (2, 3, 4)]


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.sampled_from(SEEDS),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    tail=st.binary(max_size=40),
)
def test_a_damaged_file_gives_a_picture_or_a_message(
    tmp_path: Path, seed: bytes, cut: float | None, changes: list[tuple[float, int]], tail: bytes
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
        # What the desk takes, the engine must be able to read.
        (tmp_path / "source").write_bytes(content + tail)
        loaded = picture.load(tmp_path / "source")
        assert (loaded.width, loaded.height) == (found.width, found.height)
        assert images.preview(tmp_path / "source").content

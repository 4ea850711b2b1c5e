"""Pixels through `load` and `save`, per format and mode, on real photographs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from tests.support import pictures
from tests.support.picture_files import RoundTrip, deep_tiff, difference, load, photograph
from tests.support.pictures import deep, deep_png
from upscaler.imaging import codec

pytestmark = pytest.mark.engine


# Pixels, per format and mode

LOSSLESS = {
    # format and mode of the source: mode of the result
    "PNG 1": "L", "PNG L": "L", "PNG LA": "LA", "PNG P": "RGB", "PNG RGB": "RGB", "PNG RGBA": "RGBA",
    "TIFF 1": "L", "TIFF L": "L", "TIFF LA": "LA", "TIFF P": "RGB", "TIFF RGB": "RGB", "TIFF RGBA": "RGBA",
    "BMP 1": "L", "BMP L": "L", "BMP P": "RGB", "BMP RGB": "RGB",
    "GIF 1": "L", "GIF L": "L", "GIF P": "RGB", "AVIF RGB": "RGB", "AVIF RGBA": "RGBA",
}  # fmt: skip


@pytest.mark.parametrize("case", LOSSLESS)
def test_every_pixel_of_a_lossless_result_is_the_source_s(case: str, tmp_path: Path) -> None:
    source_format, mode = case.split()
    content = pictures.encoded(photograph(mode), source_format)
    done = RoundTrip(tmp_path, content)
    with Image.open(io.BytesIO(content)) as opened:
        expected = opened.convert(LOSSLESS[case])
    assert (done.format, done.image.mode) == ("PNG", LOSSLESS[case])
    assert np.array_equal(np.asarray(done.image), np.asarray(expected))


@pytest.mark.parametrize(
    ("source_format", "mode", "result_mode"),
    [
        ("JPEG", "RGB", "RGB"),
        ("JPEG", "L", "L"),
        ("MPO", "RGB", "RGB"),
        ("WEBP", "RGB", "RGB"),
        ("WEBP", "RGBA", "RGBA"),
    ],
)
def test_jpeg_and_webp_stay_what_they_are_and_lose_next_to_nothing(
    source_format: str, mode: str, result_mode: str, tmp_path: Path
) -> None:
    content = pictures.encoded(photograph(mode), source_format, quality=95)
    done = RoundTrip(tmp_path, content)
    assert (done.format, done.image.mode) == ({"MPO": "JPEG"}.get(source_format, source_format), result_mode)
    with Image.open(io.BytesIO(content)) as opened:
        assert difference(done.image, opened.convert(result_mode)) < 2.5


def test_a_jpeg_result_has_its_colours_in_full_resolution(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "JPEG", subsampling="4:2:0"))
    assert [layer[1:3] for layer in done.image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
    assert codec.load(done.path).jpeg_quality == 95


def test_a_jpeg_without_its_colour_transform_is_read_by_adobe_s_marker(tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), "JPEG", quality=95, keep_rgb=True)
    assert difference(RoundTrip(tmp_path, content).image, photograph()) < 3


def test_a_lossless_webp_comes_out_as_webp(tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph("RGBA"), "WEBP", lossless=True))
    assert done.format == "WEBP"
    assert difference(done.image, photograph("RGBA")) < 4


@pytest.mark.parametrize("name", ["one transparent colour", "steps of transparency"])
def test_a_palette_keeps_its_transparency(name: str, tmp_path: Path) -> None:
    palette = photograph().quantize(16)
    steps: Any = 3 if name == "one transparent colour" else bytes([0, 64, 128, 200, *[255] * 12])
    done = RoundTrip(tmp_path, pictures.encoded(palette, "PNG", transparency=steps))
    alphas = [0 if index == 3 else 255 for index in range(16)] if steps == 3 else list(steps)
    assert done.image.mode == "RGBA"
    assert np.array_equal(np.asarray(done.image)[..., 3], np.array(alphas)[np.asarray(palette)])


def test_lab_becomes_srgb(tmp_path: Path) -> None:
    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    content = pictures.encoded(ImageCms.applyTransform(photograph(), transform), "TIFF")
    done = RoundTrip(tmp_path, content)
    assert done.image.mode == "RGB"
    assert difference(done.image, photograph()) < 3


def test_a_tiff_in_ycbcr(tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), "TIFF", compression="jpeg", quality=95)
    assert difference(RoundTrip(tmp_path, content).image, photograph()) < 3


# 16 bits


# Of grey with alpha in 16 bits, Pillow reads PNG alone.
@pytest.mark.parametrize(
    ("source_format", "channels"),
    [("PNG", 1), ("PNG", 2), ("PNG", 3), ("PNG", 4), ("TIFF", 1), ("TIFF", 3), ("TIFF", 4)],
)
def test_sixteen_bits_are_read_and_written_to_the_last_one(source_format: str, channels: int, tmp_path: Path) -> None:
    values = deep(channels)
    content = deep_png(values) if source_format == "PNG" else deep_tiff(values)
    done = RoundTrip(tmp_path, content)
    assert done.source.pixels.dtype == np.uint16
    assert (done.source.pixels.min(), done.source.pixels.max()) == (0, 65535)
    assert done.source.grey == (channels < 3)
    seen = values[..., -1] > 0 if channels in (2, 4) else np.ones(values.shape[:2], bool)
    assert np.array_equal(done.deep[seen], values[seen])
    assert done.deep.dtype == np.uint16


@pytest.mark.parametrize("to", ["JPEG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_rounded_for_a_format_with_eight(to: str, channels: int, tmp_path: Path) -> None:
    flat = np.full((32, 32, channels), 200 * 257 - 100, np.uint16)
    result = np.asarray(RoundTrip(tmp_path, deep_png(flat), to).image.convert("RGB"), int)
    assert np.abs(result - 200).max() <= 1
    white = RoundTrip(tmp_path, deep_png(np.full((32, 32, channels), 65535, np.uint16)), to)
    assert (np.asarray(white.image) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_is_turned_like_any_other(orientation: int, tmp_path: Path) -> None:
    turned = load(tmp_path, deep_tiff(deep(3), extratags=[(274, 3, 1, orientation, True)]))
    shallow = (deep(3) >> 8).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    same = load(tmp_path, pictures.encoded(Image.fromarray(shallow), "PNG", exif=exif))
    assert np.array_equal(turned.pixels >> 8, same.pixels)


def test_a_deep_tiff_s_premultiplied_colours_are_undone(tmp_path: Path) -> None:
    values = np.full((8, 8, 4), 20000, np.uint16)
    values[..., 3] = 32768
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric="rgb", extrasamples=["assocalpha"])
    source = load(tmp_path, buffer.getvalue())
    assert source.alpha is not None
    assert (source.alpha == 32768).all()
    assert np.abs(source.pixels.astype(int) - 40000).max() <= 2


@pytest.mark.parametrize(("mode", "top"), [("I", 65535), ("I", 255), ("F", 1.0), ("F", 255.0)])
def test_numbers_with_32_bits_are_spread_over_their_range(mode: str, top: float, tmp_path: Path) -> None:
    ramp = np.linspace(0, top, 64, dtype=np.float32)[None].repeat(8, axis=0)
    content = pictures.encoded(Image.fromarray(ramp.astype(np.int32 if mode == "I" else np.float32)), "TIFF")
    source = load(tmp_path, content)
    assert source.pixels.dtype == np.uint16
    assert (source.pixels[0, 0, 0], source.pixels[0, -1, 0]) == (0, 65535)


# Transparency in a format without


@pytest.mark.parametrize("values", [8, 16])
def test_transparency_becomes_white_in_a_jpeg(values: int, tmp_path: Path) -> None:
    cut_out = np.asarray(Image.open(io.BytesIO(pictures.cut_out())))
    content = pictures.cut_out() if values == 8 else deep_png(cut_out.astype(np.uint16) * 257)
    done = RoundTrip(tmp_path, content, "JPEG")
    assert done.image.mode == "RGB"
    assert done.image.getpixel((0, 0)) == (255, 255, 255)
    assert difference(done.image.crop((18, 18, 30, 30)), Image.fromarray(cut_out[18:30, 18:30, :3])) < 6

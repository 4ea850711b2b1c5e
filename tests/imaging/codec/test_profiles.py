"""Colour profiles through `load` and `save`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.support import pictures, profiles
from tests.support.picture_files import SIZE, RoundTrip, deep_tiff, difference, photograph
from tests.support.pictures import deep

pytestmark = pytest.mark.engine


RGB_PROFILES = {"Display P3": profiles.P3, "Adobe RGB": profiles.adobe_rgb()}


def test_the_test_s_own_adobe_rgb_is_what_it_says() -> None:
    to_srgb = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profiles.adobe_rgb())), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    samples = Image.fromarray(np.array([[[255, 255, 255], [128, 128, 128], [144, 160, 176]]], np.uint8))
    white, grey, muted = np.asarray(ImageCms.applyTransform(samples, to_srgb), int)[0]
    assert (np.abs(white - 255) <= 1).all()
    assert (np.abs(grey - 127) <= 2).all()
    # By the two standards' formulae: gamma 2.19921875, the matrices, sRGB's curve.
    assert (np.abs(muted - [138.2, 161.5, 178.2]) <= 1).all()


@pytest.mark.parametrize("name", RGB_PROFILES)
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG", "WEBP"])
def test_a_profile_comes_out_byte_by_byte(name: str, source_format: str, to: str | None, tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), source_format, icc_profile=RGB_PROFILES[name])
    assert RoundTrip(tmp_path, content, to).image.info["icc_profile"] == RGB_PROFILES[name]


def test_a_deep_picture_keeps_its_profile(tmp_path: Path) -> None:
    content = deep_tiff(deep(3), iccprofile=RGB_PROFILES["Adobe RGB"])
    done = RoundTrip(tmp_path, content)
    assert done.image.info["icc_profile"] == RGB_PROFILES["Adobe RGB"]
    assert np.array_equal(done.deep, deep(3))


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF"])
def test_a_grey_profile_stays_with_grey(source_format: str, tmp_path: Path) -> None:
    content = pictures.encoded(photograph("L"), source_format, icc_profile=profiles.grey(1.8))
    done = RoundTrip(tmp_path, content)
    assert (done.image.mode, done.image.info["icc_profile"]) == ("L", profiles.grey(1.8))


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_webp_shows_a_grey_profile_s_shades_by_its_pixels(mode: str, tmp_path: Path) -> None:
    content = pictures.encoded(photograph(mode), "PNG", icc_profile=profiles.grey(1.0))
    done = RoundTrip(tmp_path, content, "WEBP")
    assert "icc_profile" not in done.image.info
    linear = np.asarray(photograph("L"), float) / 255
    srgb = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(np.asarray(done.image)[..., 1] - srgb).mean() < 3


@pytest.mark.parametrize("source_format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb_by_its_own_profile(source_format: str, tmp_path: Path) -> None:
    press = ImageCms.ImageCmsProfile(io.BytesIO(profiles.CMYK))
    to_press = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), press, "RGB", "CMYK", renderingIntent=1)
    content = pictures.encoded(
        ImageCms.applyTransform(photograph(), to_press), source_format, icc_profile=profiles.CMYK
    )
    done = RoundTrip(tmp_path, content)
    assert done.image.mode == "RGB"
    assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(done.image.info["icc_profile"]))
    by_formula = ImageCms.applyTransform(photograph(), to_press).convert("RGB")
    assert difference(done.image, photograph()) < 0.7 * difference(by_formula, photograph())


def test_cmyk_without_a_profile_keeps_white_and_black(tmp_path: Path) -> None:
    inks = Image.new("CMYK", (16, 8))
    inks.paste((0, 0, 0, 255), (8, 0, 16, 8))
    done = RoundTrip(tmp_path, pictures.encoded(inks, "TIFF"))
    assert (done.image.getpixel((0, 0)), done.image.getpixel((15, 0))) == ((255, 255, 255), (0, 0, 0))
    assert "icc_profile" not in done.image.info


BROKEN_PROFILES = {
    "no profile at all": b"no profile at all",
    "half a profile": profiles.adobe_rgb()[:300],
    "a profile for inks": profiles.CMYK,
    "a profile for grey": profiles.grey(2.2),
    "noise": np.random.default_rng(1).bytes(3000),
}


@pytest.mark.parametrize("case", BROKEN_PROFILES)
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_that_cannot_be_right_is_dropped(case: str, source_format: str, tmp_path: Path) -> None:
    content = pictures.encoded(photograph(), source_format, icc_profile=BROKEN_PROFILES[case])
    done = RoundTrip(tmp_path, content)
    assert "icc_profile" not in done.image.info
    assert done.image.size == SIZE


def test_a_profile_that_only_png_finds_fault_with_does_not_fail_the_job(tmp_path: Path) -> None:
    # It says that it is longer than it is, which Little CMS overlooks.
    damaged = b"\x01" + profiles.P3[1:]
    content = pictures.encoded(photograph(), "JPEG", icc_profile=damaged)
    assert RoundTrip(tmp_path, content, "JPEG").image.info["icc_profile"] == damaged
    assert "icc_profile" not in RoundTrip(tmp_path, content, "PNG").image.info

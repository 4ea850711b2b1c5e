"""Profiles that say what numbers declare, against Little CMS's own and the profiles of the tests."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.support import picture_cases, profiles
from upscaler.imaging import declared_colour
from upscaler.imaging.declared_colour import SRGB, SRGB_CURVE, Declared


def in_srgb(profile: bytes, image: Image.Image) -> np.ndarray:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, opened, srgb, outputMode="RGB"), int)


def test_srgb_by_numbers_is_srgb() -> None:
    made = declared_colour.profile(Declared(SRGB, SRGB_CURVE), grey=False)
    source = picture_cases.source()
    assert np.abs(in_srgb(made, source) - np.asarray(source)).max() <= 1


def test_display_p3_by_numbers_is_display_p3() -> None:
    declared = declared_colour.from_numbers(12, 13)
    assert declared is not None
    made = declared_colour.profile(declared, grey=False)
    source = picture_cases.source()
    # libvips's own has its primaries in fewer digits, which shows near black.
    assert np.abs(in_srgb(made, source) - in_srgb(profiles.P3, source)).max() <= 4
    converted = declared_colour.in_srgb(np.asarray(source), declared)
    assert np.abs(converted.astype(int) - in_srgb(made, source)).max() <= 2


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_a_grey_profile_has_the_same_shades(gamma: float) -> None:
    declared = declared_colour.from_gamma(1 / gamma, picture_cases.SRGB)
    assert declared is not None
    made = declared_colour.profile(declared, grey=True)
    grey = picture_cases.grey()
    assert np.abs(in_srgb(made, grey) - in_srgb(profiles.grey(gamma), grey)).max() <= 1


def test_grey_takes_the_curve_of_an_rgb_profile() -> None:
    made = declared_colour.grey_profile_of(profiles.adobe_rgb())
    assert made is not None
    shades = np.arange(256, dtype=np.uint8)[None]
    expected = in_srgb(profiles.adobe_rgb(), Image.fromarray(shades[..., None].repeat(3, axis=2)))
    assert np.abs(in_srgb(made, Image.fromarray(shades)) - expected).max() <= 1


@pytest.mark.parametrize("transfer", [declared_colour.PQ, declared_colour.HLG])
def test_hdr_keeps_its_order_and_its_greys(transfer: int) -> None:
    declared = declared_colour.from_numbers(9, transfer)
    assert declared is not None
    assert declared.is_hdr
    ramp = np.arange(0, 65536, 64, dtype=np.uint16)[None, :, None].repeat(3, axis=2)
    mapped = declared_colour.in_srgb(ramp, declared)[0].astype(int)
    assert (np.diff(mapped[:, 1]) >= 0).all()
    assert mapped[0].max() == 0
    assert mapped[-1].min() >= 65400
    assert np.abs(mapped - mapped[:, :1]).max() <= 20


@pytest.mark.parametrize("told", [(0,) * 8, (0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3), (9.0,) * 8, (0.3, 0.3)])
def test_primaries_of_nonsense_are_left_out(told: tuple[float, ...]) -> None:
    declared = declared_colour.from_gamma(0.5, told)
    assert declared is not None
    assert declared.primaries == SRGB

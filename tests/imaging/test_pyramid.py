"""Tiles of every kind of picture show what its preview shows: upright, in the same colours, in their places."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.imaging.test_intake import ODD, WRITTEN
from tests.support import picture_cases, picture_files, pictures, profiles
from upscaler.imaging import intake, pyramid

SRGB = ImageCms.createProfile("sRGB")
PHOTOGRAPH = pictures.photograph("coffee", (1300, 700))
KINDS = {
    **{name: content for name, (_, content) in WRITTEN.items()},
    **{name: content for name, (content, _) in ODD.items()},
    **picture_cases.declared(),
    "a phone's, on its side": pictures.encoded(PHOTOGRAPH, exif=picture_files.camera_data(6), quality=95),
    "wide gamut": pictures.encoded(PHOTOGRAPH, icc_profile=profiles.P3, quality=95),
    "a profile too long for tiles": pictures.encoded(
        PHOTOGRAPH, icc_profile=profiles.P3 + bytes(pyramid.MAX_TILE_PROFILE), quality=95
    ),
    "inks": pictures.encoded(PHOTOGRAPH.convert("CMYK"), icc_profile=profiles.CMYK, quality=95),
    "shades of grey": pictures.encoded(PHOTOGRAPH.convert("L"), icc_profile=profiles.grey(1.8), quality=95),
    "many levels, cut out": pictures.cut_out((1300, 700)),
}


def in_srgb(picture: Image.Image) -> np.ndarray:
    """(height, width, 4), as a screen shows it."""
    colours = picture.convert("RGB")
    profile = picture.info.get("icc_profile")
    if profile:
        colours = ImageCms.profileToProfile(colours, io.BytesIO(profile), SRGB)
    alpha = np.asarray(picture.convert("RGBA"), float)[..., 3:]
    return np.concatenate([np.asarray(colours, float) * alpha / 255, alpha], axis=2)


def joined(file: Path, told: dict[str, object], level: int) -> np.ndarray:
    with zipfile.ZipFile(file) as tiles:
        extension = str(told["extension"])
        places = [name for name in tiles.namelist() if name.startswith(f"p_files/{level}/")]
        grid: dict[int, dict[int, np.ndarray]] = {}
        for name in places:
            column, _, row = Path(name).name.removesuffix(extension).partition("_")
            assert name == pyramid.member(level, int(column), int(row), extension)
            with Image.open(io.BytesIO(tiles.read(name))) as tile:
                grid.setdefault(int(row), {})[int(column)] = in_srgb(tile)
    return np.vstack([np.hstack([row[column] for column in sorted(row)]) for _, row in sorted(grid.items())])


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_show_what_the_preview_shows(kind: str, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(KINDS[kind])
    (tmp_path / "tiles").touch()
    told = pyramid.in_child(tmp_path / "picture", tmp_path / "tiles", {})
    with Image.open(io.BytesIO(intake.preview(tmp_path / "picture").content)) as preview:
        expected = in_srgb(preview)
    full = 2 if max(expected.shape) > 1024 else 0
    got = joined(tmp_path / "tiles", told, full)
    assert got.shape == expected.shape == (told["height"], told["width"], 4)
    # Of colours nothing may be off, of grain a little.
    assert np.abs((got - expected).mean(axis=(0, 1))).max() < 1
    assert np.abs(got - expected).mean() < 5
    if full:
        smallest = joined(tmp_path / "tiles", told, 0)
        height, width = smallest.shape[:2]
        assert max(height, width) <= pyramid.TILE_SIDE
        again = Image.fromarray(expected[..., :3].astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
        assert np.abs(smallest[..., :3] - np.asarray(again, float)).mean() < 6

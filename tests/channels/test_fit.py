"""Fitting: colours that stay, nothing cut off, light averaged as light, and files that say nothing private."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import color

from tests.channels import grid, shots
from tests.support import pictures, profiles
from upscaler.channels import frame
from upscaler.channels.fit import Fitted, fit
from upscaler.channels.shrink import shrink
from upscaler.channels.table import CHANNELS, Channel

WHITE_SHOT = shots.shot((450, 650), ground=(255, 255, 255), noise=0.0)


def fitted(tmp_path: Path, content: bytes, channel: str | Channel, **options: Any) -> tuple[Fitted, Image.Image]:
    (tmp_path / "in").write_bytes(content)
    known = CHANNELS[channel] if isinstance(channel, str) else channel
    told = fit(tmp_path / "in", tmp_path / "out", known, **options)
    return told, Image.open(io.BytesIO((tmp_path / "out").read_bytes()))


def linear(levels: np.ndarray) -> np.ndarray:
    share = levels / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def levels(light: np.ndarray) -> np.ndarray:
    share = np.where(light <= 0.0031308, light * 12.92, 1.055 * light.clip(0, 1) ** (1 / 2.4) - 0.055)
    return share.clip(0, 1) * 255


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray(color.deltaE_ciede2000(color.rgb2lab(first / 255.0), color.rgb2lab(second / 255.0)))


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut", "rocket"])
def test_colours_stay_when_a_picture_shrinks(name: str) -> None:
    source = np.asarray(pictures.photograph(name))
    height, width = source.shape[0] * 2 // 5, source.shape[1] * 2 // 5
    made, _ = shrink(source, None, width, height)
    planes = [Image.fromarray(linear(source[..., band].astype(float)).astype(np.float32)) for band in range(3)]
    shrunk = [np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS)) for plane in planes]
    apart = differences(made, levels(np.stack(shrunk, axis=-1)))
    assert apart.mean() < 1.0
    flat = made.astype(float).max(axis=2) * 0 + _busyness(made) < 6
    assert apart[flat].max() < 3.0


def _busyness(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values.astype(int).max(axis=2), 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    return windows.max(axis=(2, 3)) - windows.min(axis=(2, 3))


def test_light_is_averaged_as_light() -> None:
    board = np.zeros((400, 400, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    made, _ = shrink(board, None, 100, 100)
    # Half of the light is level 188, not 128.
    assert np.abs(made[10:-10, 10:-10].astype(int) - 188).max() <= 1


def test_edges_do_not_ring_and_white_stays_white() -> None:
    source = np.full((600, 900, 3), 255, np.uint8)
    source[200:400, 300:600] = (30, 90, 160)
    made, _ = shrink(source, None, 333, 222)
    assert made.max(axis=(0, 1)).tolist() == [255, 255, 255]
    assert made.min(axis=(0, 1)).tolist() == [30, 90, 160]
    assert (made[:60] == 255).all()


def test_what_is_cut_out_keeps_its_colours_at_the_edge() -> None:
    mask = np.asarray(shots.garment((600, 600), 3))
    colours = np.full((600, 600, 3), (200, 40, 40), np.uint8)
    made, seen = shrink(colours, mask, 217, 217)
    assert seen is not None
    assert np.abs(made[seen > 8].astype(int) - (200, 40, 40)).max() <= 1


@pytest.mark.parametrize("profile", ["Display P3", "Adobe RGB"])
def test_wide_colours_do_not_shift_when_they_become_srgb(profile: str, tmp_path: Path) -> None:
    given = profiles.P3 if profile == "Display P3" else profiles.adobe_rgb()
    content = pictures.encoded(Image.fromarray(WHITE_SHOT.pixels), "PNG", icc_profile=given)
    _, made = fitted(
        tmp_path, content, dataclasses.replace(CHANNELS["amazon"], formats=("PNG",), min_width=0, min_height=0)
    )
    wanted = ImageCms.profileToProfile(
        Image.fromarray(WHITE_SHOT.pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(given)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    apart = differences(np.asarray(made), np.asarray(wanted))
    assert (apart.mean() < 1.0, apart.max() < 3.0) == (True, True)
    assert (np.asarray(made)[0, 0] == 255).all()
    told = ImageCms.ImageCmsProfile(io.BytesIO(made.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(told)


def test_a_shop_that_asks_for_no_colour_space_gets_the_profile_as_it_is(tmp_path: Path) -> None:
    content = pictures.encoded(Image.fromarray(WHITE_SHOT.pixels), "JPEG", icc_profile=profiles.P3)
    _, made = fitted(tmp_path, content, "google")
    assert made.info["icc_profile"] == profiles.P3


@pytest.mark.parametrize("channel", [one for one in CHANNELS.values() if one.ratio], ids=lambda one: one.id)
@pytest.mark.parametrize("size", [(1000, 1000), (3000, 500), (500, 3000), (1801, 2600), (4000, 5999), (7, 5)])
def test_frames_have_the_ratio_and_hold_the_whole_picture(channel: Channel, size: tuple[int, int]) -> None:
    planned = frame.plan(size, channel, None)
    width, height = planned.size
    assert channel.ratio is not None
    across, down = channel.ratio
    assert abs(width * down - height * across) < max(channel.ratio) or (width, height) == (across, down)
    assert planned.window == (0, 0, *size)
    assert planned.content[0] <= min(width, size[0])
    assert planned.content[1] <= min(height, size[1])
    # The picture keeps its own ratio, to a pixel.
    assert abs(planned.content[0] * size[1] / size[0] - planned.content[1]) <= max(1.0, size[1] / size[0])


def test_padding_has_the_pictures_own_colour_where_its_edge_is_one(tmp_path: Path) -> None:
    shot = shots.shot((900, 900), ground=(180, 190, 200), noise=0.0)
    _, made = fitted(tmp_path, pictures.encoded(Image.fromarray(shot.pixels), "PNG"), "johnlewis")
    assert np.abs(np.asarray(made)[0, 0].astype(int) - (180, 190, 200)).max() <= 2
    _, street = fitted(tmp_path, pictures.jpeg((900, 900)), "johnlewis")
    assert np.asarray(street)[0, 0].tolist() == [255, 255, 255]


def test_a_transparent_picture_stays_so_where_the_shop_takes_it(tmp_path: Path) -> None:
    cut = grid.content("cut out, small")
    told, made = fitted(tmp_path, cut, dataclasses.replace(CHANNELS["aboutyou"], min_width=0, min_height=0))
    assert (told.format, told.problems, made.mode) == ("PNG", (), "RGBA")
    assert np.asarray(made)[0, 0, 3] == 0
    _, flat = fitted(tmp_path, cut, "amazon")
    assert (flat.mode, np.asarray(flat)[0, 0].tolist()) == ("RGB", [255, 255, 255])
    _, grey = fitted(tmp_path, cut, "myntra")
    assert np.asarray(grey)[0, 0].tolist() == [240, 240, 240]


def test_cropping_is_done_only_when_asked_and_never_into_the_product(tmp_path: Path) -> None:
    shot = shots.shot((800, 600), ground=(250, 250, 250), share=0.5, noise=0.0, shape=1)
    content = pictures.encoded(Image.fromarray(shot.pixels), "PNG")
    channel = dataclasses.replace(CHANNELS["johnlewis"], formats=("PNG",), min_width=0, min_height=0)
    told, padded = fitted(tmp_path, content, channel)
    assert padded.size == (801, 1068)
    told, cropped = fitted(tmp_path, content, channel, crop=True)
    assert cropped.size == (450, 600)
    assert told.problems == ()
    wide = shots.shot((800, 350), ground=(250, 250, 250), share=0.9, noise=0.0, shape=1)
    _, kept = fitted(tmp_path, pictures.encoded(Image.fromarray(wide.pixels), "PNG"), channel, crop=True)
    # All of the product's width is there, so the rest of the ratio is padding.
    across = np.flatnonzero(wide.product.any(axis=0))
    assert kept.width >= across[-1] - across[0] + 1
    told, street = fitted(tmp_path, pictures.jpeg((450, 300)), channel, crop=True)
    assert street.size == (450, 600)
    assert "can't be told from what is around it, so nothing was cropped" in told.problems[-1]


def test_a_small_product_is_said_and_trimmed_when_asked(tmp_path: Path) -> None:
    content = grid.content("white, much margin")
    told, _ = fitted(tmp_path, content, "amazon")
    assert any("fills 40% of the frame" in problem for problem in told.problems)
    told, made = fitted(tmp_path, content, "amazon", trim=True)
    assert told.problems == ()
    assert made.width < 1200


def test_the_best_quality_that_has_room_is_found_and_the_floor_says_no(tmp_path: Path) -> None:
    street = pictures.jpeg((1600, 2000))
    channel = dataclasses.replace(CHANNELS["ebay"], formats=("JPEG",))
    whole, _ = fitted(tmp_path, street, channel)
    tight = dataclasses.replace(channel, max_bytes=int(whole.bytes * 0.7))
    told, made = fitted(tmp_path, street, tight)
    assert told.problems == ()
    assert whole.bytes * 0.6 < told.bytes <= whole.bytes * 0.7
    assert made.size == (1600, 2000)
    told, _ = fitted(tmp_path, street, dataclasses.replace(channel, min_width=1600, max_bytes=20_000))
    assert any("takes at most 20 KB" in problem for problem in told.problems)


def test_too_few_bytes_are_said(tmp_path: Path) -> None:
    told, _ = fitted(tmp_path, grid.content("light grey"), "myntra")
    assert told.problems == ()
    flat = pictures.encoded(Image.new("RGB", (1080, 1440), (230, 230, 230)), "PNG")
    told, _ = fitted(tmp_path, flat, "myntra")
    assert any("wants at least 512 KB" in problem for problem in told.problems)


@grid.needs_checkers
@pytest.mark.parametrize("keep", [False, True])
def test_places_and_serial_numbers_go_and_the_mark_of_ai_stays(tmp_path: Path, *, keep: bool) -> None:
    fitted(tmp_path, grid.content("with a place and serial numbers"), "google", keep_private=keep)
    told = subprocess.run(["exiftool", "-j", "-G1", "-a", tmp_path / "out"], capture_output=True, text=True, check=True)
    [tags] = json.loads(told.stdout)
    named = " ".join(tags)
    assert ("GPS" in named, "SerialNumber" in named, "OwnerName" in named) == (keep, keep, keep)
    assert tags["XMP-iptcExt:DigitalSourceType"].endswith("trainedAlgorithmicMedia") or "rained" in str(tags)
    assert tags["IFD0:Make"] == "Maker"
    assert "ExifIFD:ExposureTime" in tags


def test_sixteen_bits_and_grey_become_eight_bits_and_rgb(tmp_path: Path) -> None:
    _, deep = fitted(tmp_path, grid.content("16 bits"), "johnlewis")
    assert deep.mode == "RGB"
    _, grey = fitted(tmp_path, grid.content("grey with a profile"), "google")
    assert grey.mode == "RGB"
    source = Image.open(io.BytesIO(grid.content("grey with a profile")))
    wanted = ImageCms.profileToProfile(
        source, ImageCms.ImageCmsProfile(io.BytesIO(source.info["icc_profile"])), ImageCms.createProfile("sRGB"),
        outputMode="RGB",
    )  # fmt: skip
    apart = np.abs(np.asarray(grey, int) - np.asarray(wanted, int))
    assert apart.mean() < 1.5

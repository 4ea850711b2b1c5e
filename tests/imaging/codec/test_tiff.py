"""The TIFFs that people have: what is a page and what is none, channels and numbers of every kind."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile

from tests.imaging.codec.test_cases import examine
from tests.support import picture_cases, profiles
from tests.support.picture_files import load
from upscaler.errors import PublicError

RGB = np.asarray(picture_cases.source())
GREY = np.asarray(picture_cases.grey())
INKS = np.asarray(picture_cases.source().convert("CMYK"))
CLEAR = np.tile(np.linspace(1, 255, 150).astype(np.uint8), (100, 1))
CONTIG = {"planarconfig": "contig"}


def tiff(values: np.ndarray, order: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, byteorder=order, **options)
    return buffer.getvalue()


def in_bits(values: np.ndarray, bits: int) -> np.ndarray:
    return values if bits == 8 else values.astype(np.uint16) * 257


CHANNELS: dict[str, tuple[list[np.ndarray], dict[str, Any], np.ndarray, bool]] = {
    # name: channels, how they are written, what is shown, whether there is transparency
    "rgb, alpha": ([RGB, CLEAR], {"photometric": "rgb", "extrasamples": [2]}, RGB, True),
    "rgb, alpha, masks": ([RGB, CLEAR, GREY, GREY], {"photometric": "rgb", "extrasamples": [2, 0, 0]}, RGB, True),
    "rgb, mask, alpha": ([RGB, GREY, CLEAR], {"photometric": "rgb", "extrasamples": [0, 2]}, RGB, True),
    "rgb, mask": ([RGB, GREY], {"photometric": "rgb", "extrasamples": [0]}, RGB, False),
    "grey, alpha": ([GREY, CLEAR], {"photometric": "minisblack", "extrasamples": [2], **CONTIG}, GREY, True),
    "grey, alpha, mask": (
        [GREY, CLEAR, GREY],
        {"photometric": "minisblack", "extrasamples": [2, 0], **CONTIG},
        GREY,
        True,
    ),
    "grey, mask": ([GREY, CLEAR], {"photometric": "minisblack", "extrasamples": [0], **CONTIG}, GREY, False),
    "inks": ([INKS], {"photometric": "separated"}, RGB, False),
    "inks, alpha": ([INKS, CLEAR], {"photometric": "separated", "extrasamples": [2]}, RGB, True),
    "inks, mask": ([INKS, CLEAR], {"photometric": "separated", "extrasamples": [0]}, RGB, False),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", CHANNELS)
def test_channels_are_what_the_file_says_of_them(name: str, bits: int, order: str, tmp_path: Path) -> None:
    parts, options, expected, has_alpha = CHANNELS[name]
    content = tiff(np.dstack([in_bits(part, bits) for part in parts]), order, **options)
    loaded = load(tmp_path, content)
    full = 2**bits - 1
    colours = np.atleast_3d(in_bits(expected, bits)).astype(int)
    assert loaded.pixels.dtype.itemsize * 8 == bits
    assert np.abs(loaded.pixels - colours).max() <= full / 100
    assert (loaded.alpha is not None) == has_alpha
    if loaded.alpha is not None:
        assert (loaded.alpha == in_bits(CLEAR, bits)).all()
    assert bool(loaded.notes) == ("mask" in name)
    found = examine(content)
    assert (found.width, found.height) == picture_cases.SIZE


def test_colours_are_freed_of_the_transparency_that_they_were_multiplied_by(tmp_path: Path) -> None:
    clear = in_bits(CLEAR, 16)
    multiplied = (in_bits(RGB, 16).astype(np.uint64) * clear[..., None] // 65535).astype(np.uint16)
    options = {"photometric": "rgb", "extrasamples": [1, 0]}
    loaded = load(tmp_path, tiff(np.dstack([multiplied, clear, clear]), "<", **options))
    visible = clear > 20_000
    assert np.abs(loaded.pixels.astype(int) - in_bits(RGB, 16))[visible].max() <= 10


def test_inks_are_read_by_their_profile_in_all_their_bits(tmp_path: Path) -> None:
    options = {"photometric": "separated", "iccprofile": profiles.CMYK}
    shallow = load(tmp_path, tiff(INKS, "<", **options)).pixels
    deep = load(tmp_path, tiff(in_bits(INKS, 16), "<", **options)).pixels
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - shallow).mean() < 1


NUMBERS = {
    "floats": (RGB / 255).astype(np.float32),
    "short floats": (RGB / 255).astype(np.float16),
    "floats to 255": RGB.astype(np.float32),
    "grey floats": (GREY / 255).astype(np.float32),
    "long": in_bits(RGB, 16).astype(np.uint32) * 65537,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_other_kinds_are_read_in_16_bits(name: str, tmp_path: Path) -> None:
    values = NUMBERS[name]
    loaded = load(tmp_path, tiff(values, "<", photometric="rgb" if values.ndim == 3 else "minisblack"))
    assert loaded.pixels.dtype == np.uint16
    expected = np.atleast_3d(in_bits(RGB if values.ndim == 3 else GREY, 16)).astype(int)
    assert np.abs(loaded.pixels - expected).max() <= 70
    assert bool(loaded.notes) == (name == "floats to 255")


@pytest.mark.parametrize("space", ["lab", "labs"])
def test_lab_becomes_srgb(space: str, tmp_path: Path) -> None:
    picture = pyvips.Image.new_from_array(RGB).copy(interpretation="srgb").colourspace(space)
    loaded = load(tmp_path, picture.tiffsave_buffer())
    assert np.abs(loaded.pixels / 257 - RGB).mean() < 1


def twelve_bits(values: np.ndarray) -> bytes:
    """(height, width, channels) with 12 bits each, two of them in three bytes."""
    height, width, channels = values.shape
    pairs = (values >> 4).reshape(-1, 2).astype(np.uint32)
    whole = (pairs[:, 0] << 12) | pairs[:, 1]
    data = np.stack([whole >> 16, whole >> 8 & 255, whole & 255], axis=1).astype(np.uint8).tobytes()
    start = 8 + 2 + 12 * 9 + 4 + 6
    bits = start - 6 if channels == 3 else 12
    entries = [(256, width), (257, height), (258, bits), (259, 1), (262, 2 if channels == 3 else 1), (273, start)]
    entries += [(277, channels), (278, height), (279, len(data))]
    content = b"II*\0" + struct.pack("<IH", 8, len(entries))
    for tag, value in entries:
        is_long = tag in (273, 279) or (tag == 258 and channels == 3)
        kind, count = (3, 3) if tag == 258 and channels == 3 else (4 if is_long else 3, 1)
        content += struct.pack("<HHI", tag, kind, count) + struct.pack("<I", value)
    return content + bytes(4) + struct.pack("<3H", 12, 12, 12) + data


def test_twelve_bits_are_read_in_grey_and_named_in_colour(tmp_path: Path) -> None:
    loaded = load(tmp_path, twelve_bits(in_bits(GREY, 16)[..., None]))
    assert np.abs(loaded.pixels[..., 0].astype(int) - in_bits(GREY, 16)).max() <= 257
    colour = twelve_bits(in_bits(RGB, 16))
    with pytest.raises(PublicError, match="a TIFF with 12 bits a channel") as raised:
        load(tmp_path, colour)
    assert raised.value.code == "unsupported_kind"
    with pytest.raises(PublicError, match="a TIFF with 12 bits a channel"):
        examine(colour)


def test_numbers_with_a_sign_are_refused_by_name() -> None:
    with pytest.raises(PublicError, match="a TIFF with signed numbers of 16 bits a channel"):
        examine(tiff(RGB.astype(np.int16), "<", photometric="rgb"))


def pages(*parts: tuple[np.ndarray, dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for values, options in parts:
            writer.write(values, photometric="rgb", **options)
    return buffer.getvalue()


BIG = np.asarray(picture_cases.source().resize((600, 400)))
TILE = {"tile": (64, 64)}
ONE_PICTURE = {
    "a pyramid": pyvips.Image.new_from_array(BIG)
    .copy(interpretation="srgb")
    .tiffsave_buffer(pyramid=True, tile=True, tile_width=64, tile_height=64),
    "a pyramid in directories below": pyvips.Image.new_from_array(BIG)
    .copy(interpretation="srgb")
    .tiffsave_buffer(pyramid=True, tile=True, subifd=True, tile_width=64, tile_height=64),
    "a pyramid that says nothing": pages((BIG, TILE), (BIG[::2, ::2], TILE), (BIG[::4, ::4], TILE)),
    "its small copy first": pages((BIG[::8, ::8], {"subfiletype": 1}), (BIG, {})),
}


@pytest.mark.parametrize("name", ONE_PICTURE)
def test_smaller_copies_are_no_pages(name: str, tmp_path: Path) -> None:
    found = examine(ONE_PICTURE[name])
    loaded = load(tmp_path, ONE_PICTURE[name])
    assert (found.width, found.height) == (loaded.width, loaded.height) == (600, 400)
    assert np.abs(loaded.pixels.astype(int) - BIG).max() == 0


def test_a_half_as_large_page_that_is_no_tile_is_a_page() -> None:
    with pytest.raises(PublicError, match="holds 2 pictures"):
        examine(pages((BIG, {}), (BIG[::2, ::2], {})))

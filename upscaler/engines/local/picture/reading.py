"""Source files: upright pixels for the networks, in as many bits as the file has, and what else the file says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler import pixels as meaning
from upscaler.engines.base import EngineError
from upscaler.engines.local.picture import metadata
from upscaler.engines.local.picture.metadata import Metadata
from upscaler.engines.local.samples import Samples
from upscaler.vips import pyvips

Deep = npt.NDArray[np.uint16]

UNREADABLE = "unreadable"

LUMINANCE_TABLE_SUM = 3688
"""Sum of the example luminance table in ITU-T T.81, annex K, which libjpeg scales by quality."""
TURNS: dict[int, Callable[[Deep], Deep]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}
"""EXIF's orientations: what makes an array upright."""
BITS_PER_SAMPLE = 258
"""TIFF's number for it."""


@dataclass(frozen=True)
class Picture:
    """A source picture, upright, as RGB."""

    pixels: Samples
    """(height, width, 3), 8 or 16 bits; under full transparency the nearest visible colour."""
    alpha: Samples | None
    """(height, width), in as many bits as ``pixels``; None for a picture without transparency."""
    grey: bool
    """Whether the result is to be a picture in shades of grey."""
    format: str
    """Pillow's name of the source's format."""
    jpeg_quality: int | None
    profile: bytes | None
    """The ICC profile that ``pixels`` are in: a sound one for RGB, or for grey."""
    metadata: Metadata

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])


def load(path: Path) -> Picture:
    """The first picture in a file, in 16 bits where the file has more than 8 a channel.

    Pillow reads every format, but more than 8 bits only in grey; then libvips reads the pixels once more.

    Raises EngineError with the code ``unreadable`` for anything that is no sound picture.
    """
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            # Pillow warns of sizes, which are the caller's rule, and of damaged extras, which are left out.
            warnings.simplefilter("ignore")
            return _picture(file, path)
    except MemoryError:
        raise
    # Pillow's readers meet hostile files with whatever their parsing trips over.
    except Exception as error:
        raise EngineError(
            "This file could not be read as a picture. It may be damaged: please export it again as JPEG or PNG.",
            code=UNREADABLE,
            permanent=True,
        ) from error


def _picture(file: Image.Image, path: Path) -> Picture:
    source_format = file.format or "PNG"
    quality = _jpeg_quality(getattr(file, "quantization", None)) if source_format in ("JPEG", "MPO") else None
    is_deep = _has_sixteen_bits(file)
    if source_format == "PNG":
        # What it says beside its pixels may lie behind them.
        file.load()
    orientation = meaning.orientation(file)
    known = metadata.read(file, turned=orientation in meaning.TURNED)
    # Reads the pixels of all others; a TIFF's reader turns the picture itself, and forgets the orientation then.
    file.load()
    image = meaning.upright(file, 1 if source_format == "TIFF" else orientation)
    deep = _deep(path, source_format, orientation, image) if is_deep else None
    if deep is not None:
        grey = deep.shape[2] < 3
        profile = meaning.sound_profile(file, "L" if grey else "RGB")
        alpha = deep[..., -1] if deep.shape[2] in (2, 4) else None
        pixels: Samples = np.repeat(deep[..., :1], 3, axis=2) if grey else deep[..., :3]
    else:
        image, profile = meaning.plain(image)
        grey = image.mode in ("L", "LA")
        alpha = np.asarray(image.getchannel("A")) if image.mode in ("LA", "RGBA") else None
        pixels = np.asarray(image.convert("RGBA").convert("RGB") if alpha is not None else image.convert("RGB"))
    if alpha is not None:
        pixels = _bled(pixels, alpha > 0)
    return Picture(pixels, alpha, grey, source_format, quality, profile, known)


def _jpeg_quality(tables: dict[int, list[int]] | None) -> int | None:
    """The quality that libjpeg would call these quantization tables, from 1 to 100.

    Libjpeg scales its table by 5000 / quality percent below 50, by 200 - 2 * quality percent above.
    """
    if not tables:
        return None
    percent = 100 * sum(tables[min(tables)]) / LUMINANCE_TABLE_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))


def _has_sixteen_bits(file: Image.Image) -> bool:
    if file.format == "PNG":
        return any(str(tile.args).endswith("16B") for tile in file.tile)  # type: ignore[attr-defined]
    if file.format == "TIFF" and file.mode in ("L", "LA", "RGB", "RGBA", "RGBX", "I;16", "I;16B", "I;16L"):
        return set(file.tag_v2.get(BITS_PER_SAMPLE, ())) == {16}  # type: ignore[attr-defined]
    return file.mode in meaning.DEEP_GREY


def _deep(path: Path, source_format: str, orientation: int, seen: Image.Image) -> Deep | None:
    """Upright pixels in 16 bits, (height, width, 1 to 4); None for a file of which only Pillow can make something.

    ``seen`` is what Pillow made of it, upright.
    """
    if source_format not in ("PNG", "TIFF"):
        return None
    if seen.mode in ("I", "F"):
        return meaning.full_range(np.asarray(seen), seen.mode)[..., None]
    try:
        read = pyvips.Image.pngload if source_format == "PNG" else pyvips.Image.tiffload
        image = read(str(path), access="sequential", fail_on="truncated")
        if image.format != "ushort" or image.bands > 4:
            return None
        pixels = image.numpy().reshape(image.height, image.width, image.bands)
    except pyvips.Error:
        return None
    pixels = TURNS.get(orientation, np.asarray)(pixels)
    return pixels if pixels.shape[1::-1] == seen.size else None


def _bled(pixels: Samples, known: npt.NDArray[np.bool_]) -> Samples:
    """Colours of about the nearest known pixel where none is known.

    What lies under full transparency is arbitrary, often black, and a network would draw it into the visible edge. Each
    call halves the picture and takes the missing colours from there.
    """
    if known.all() or not known.any():
        return pixels
    height, width = known.shape
    sums = np.zeros(((height + 1) // 2, (width + 1) // 2, 3), np.uint32)
    counts = np.zeros(sums.shape[:2], np.uint32)
    for row, column in np.ndindex(2, 2):
        part = known[row::2, column::2]
        sums[: part.shape[0], : part.shape[1]] += pixels[row::2, column::2] * part[..., None]
        counts[: part.shape[0], : part.shape[1]] += part
    means = (sums // np.maximum(counts, 1)[..., None]).astype(pixels.dtype)
    smaller = _bled(means, counts > 0)
    near = smaller.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.where(known[..., None], pixels, near)

"""Source files: upright pixels for the networks, in as many bits as the file has, and what else the file says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.errors import PublicError
from upscaler.imaging import colour, pixels, sixteen_bit, structure
from upscaler.imaging.codec import metadata
from upscaler.imaging.codec.metadata import Metadata
from upscaler.imaging.openers import NOTES, SampledFile
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips

UNREADABLE = "unreadable"

LUMINANCE_TABLE_SUM = 3688
"""Sum of the example luminance table in ITU-T T.81, annex K, which libjpeg scales by quality."""


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
    notes: tuple[str, ...] = ()
    """What of the file was left out or changed, as sentences for people."""

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

    Raises PublicError with the code ``unreadable`` for anything that is no sound picture.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of sizes, which are the caller's rule, and of damaged extras, which are left out.
            warnings.simplefilter("ignore")
            read = _read(path)
        return _picture(read)
    except (MemoryError, PublicError):
        raise
    # Pillow's readers meet hostile files with whatever their parsing trips over.
    except Exception as error:
        raise PublicError(
            "This file could not be read as a picture. It may be damaged: please export it again as JPEG or PNG.",
            code=UNREADABLE,
        ) from error


@dataclass(frozen=True)
class _Read:
    """A file's pixels as they lie in it, without the objects they were read with: those hold a copy."""

    values: Samples
    """(height, width, 1 to 4)."""
    orientation: int
    format: str
    jpeg_quality: int | None
    profile: bytes | None
    metadata: Metadata
    notes: tuple[str, ...]


def _read(path: Path) -> _Read:
    with structure.opened(path) as file:
        source_format = file.format or "PNG"
        quality = jpeg_quality(file)
        is_deep = sixteen_bit.is_deep(file)
        is_sampled = isinstance(file, SampledFile) and file.is_sampled
        if source_format == "PNG" and not is_sampled:
            # What it says beside its pixels may lie behind them.
            file.load()
        orientation = pixels.orientation(file)
        known = metadata.read(file, orientation=orientation)
        values = _deep(path, file, orientation) if is_deep else None
        if values is None and source_format == "TIFF":
            # Its reader turns the picture itself.
            orientation = 1
        if isinstance(file, SampledFile) and is_sampled:
            values = file.samples()
        if values is not None:
            profile = colour.sound_profile(file, "L" if values.shape[2] < 3 else "RGB")
        else:
            # Reads the pixels of all others.
            file.load()
            if file.mode in pixels.DEEP_GREY:
                values, profile = pixels.deep_grey(file)[..., None], colour.sound_profile(file, "L")
            else:
                image, profile = colour.plain(file)
                values = pixels.array(image)
        notes = (*file.info.get(NOTES, ()), *known.notes)
        return _Read(values, orientation, source_format, quality, profile, known, notes)


def _picture(read: _Read) -> Picture:
    values = pixels.upright_view(read.values, read.orientation)
    channels = values.shape[2]
    alpha = np.ascontiguousarray(values[..., -1]) if channels in (2, 4) else None
    colours: Samples = np.repeat(values[..., :1], 3, axis=2) if channels < 3 else values[..., :3]
    if read.orientation != 1:
        colours = np.ascontiguousarray(colours)
    if alpha is not None:
        colours = _alpha_bleed(colours, alpha > 0)
    return Picture(
        colours, alpha, channels < 3, read.format, read.jpeg_quality, read.profile, read.metadata, read.notes
    )


def jpeg_quality(file: Image.Image) -> int | None:
    """The quality that libjpeg would call an opened file's quantization tables, from 1 to 100; None for no JPEG.

    Libjpeg scales its table by 5000 / quality percent below 50, by 200 - 2 * quality percent above.
    """
    tables: dict[int, list[int]] | None = getattr(file, "quantization", None)
    if file.format not in ("JPEG", "MPO") or not tables:
        return None
    percent = 100 * sum(tables[min(tables)]) / LUMINANCE_TABLE_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))


def _deep(path: Path, seen: Image.Image, orientation: int) -> Samples | None:
    """Pixels in 16 bits, (height, width, 1 to 4); None for a file of which only Pillow can make something."""
    try:
        source = pyvips.Source.new_from_file(str(path))
        rows = sixteen_bit.rows(source, seen, orientation)
        values: Samples | None = None if rows is None else rows.numpy().reshape(rows.height, rows.width, rows.bands)
    except pyvips.Error:
        return None
    return values


def _alpha_bleed(colours: Samples, known: npt.NDArray[np.bool_]) -> Samples:
    """Colours of about the nearest known pixel where none is known.

    What lies under full transparency is arbitrary, often black, and a network would draw it into the visible edge. Each
    call halves the picture and takes the missing colours from there.
    """
    if known.all() or not known.any():
        return colours
    height, width = known.shape
    sums = np.zeros(((height + 1) // 2, (width + 1) // 2, 3), np.uint32)
    counts = np.zeros(sums.shape[:2], np.uint32)
    for row, column in np.ndindex(2, 2):
        part = known[row::2, column::2]
        sums[: part.shape[0], : part.shape[1]] += colours[row::2, column::2] * part[..., None]
        counts[: part.shape[0], : part.shape[1]] += part
    means = (sums // np.maximum(counts, 1)[..., None]).astype(colours.dtype)
    smaller = _alpha_bleed(means, counts > 0)
    near = smaller.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.where(known[..., None], colours, near)

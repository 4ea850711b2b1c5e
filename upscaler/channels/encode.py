"""Files for shops: within their bytes, in the best quality that has room, and without what is nobody's business."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.imaging.codec import xmp
from upscaler.imaging.codec.metadata import EXIF_MARK, Metadata
from upscaler.imaging.codec.writing import INCH, JPEG_MAX_SIDE, JPEG_XMP_MAX_LENGTH, USUAL_DPI, WEBP_MAX_SIDE, save_png
from upscaler.imaging.measuring import SERIAL_TAGS
from upscaler.imaging.pixels import ORIENTATION
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips
from upscaler.picture_formats import FORMATS

WRITTEN = ("JPEG", "PNG", "TIFF", "WEBP")
"""What the desk writes. A GIF has 256 colours and would spoil a photograph."""
USUAL_QUALITY, BEST_QUALITY, LEAST_QUALITY = 95, 100, 78
"""Of JPEG and WebP: what is tried first; what is tried where a shop wants more bytes; and the floor below which blocks
show on fabric, so that the answer is no."""
JPEG_START = b"\xff\xd8"
WIDTH_TAG, HEIGHT_TAG = 0xA002, 0xA003
"""EXIF's numbers for the picture's own size."""


@dataclass(frozen=True)
class Encoded:
    """A file's content."""

    content: bytes
    quality: int | None
    """Of JPEG and WebP."""
    is_too_large: bool
    """Whether it has more bytes than the channel takes, even at the lowest quality."""


def choose(channel: Channel, *, is_transparent: bool, asked: str | None = None) -> str:
    """Pillow's name of the format to write. Raises PublicError with code ``channel_format`` for one that can't be."""
    known = [name for name in channel.formats if name in WRITTEN]
    if asked is not None:
        if asked not in known:
            titles = ", ".join(f"{FORMATS[name].title} ({FORMATS[name].extension})" for name in known)
            raise PublicError(
                f"For {channel.title} files are written as {titles}, not as {FORMATS[asked].title}.",
                code="channel_format",
            )
        return asked
    if is_transparent and channel.transparency:
        for name in ("PNG", "WEBP"):
            if name in known:
                return name
    return known[0]


def encode(
    canvas: Samples,
    format_: str,
    channel: Channel,
    metadata: Metadata,
    profile: bytes | None,
    path: Path,
    *,
    keep_private: bool,
) -> Encoded:
    """The file's bytes. ``canvas``: (height, width, 3 or 4) of 8 bits. ``path``: where libvips may write a PNG.

    Raises PublicError with code ``channel_format`` where the format can't hold so many pixels.
    """
    height, width = canvas.shape[:2]
    if max(height, width) > {"JPEG": JPEG_MAX_SIDE, "WEBP": WEBP_MAX_SIDE}.get(format_, 10**6):
        raise PublicError(
            f"A {FORMATS[format_].title} can't hold {width:,} × {height:,} pixels. Choose PNG, or a smaller picture.",
            code="channel_format",
        )
    image = pyvips.Image.new_from_memory(canvas, width, height, canvas.shape[2], "uchar")
    across, down = (channel.dpi, channel.dpi) if channel.dpi else metadata.dpi or (USUAL_DPI, USUAL_DPI)
    image = image.copy(interpretation="srgb", xres=across / INCH, yres=down / INCH)
    longest = JPEG_XMP_MAX_LENGTH if format_ == "JPEG" else xmp.MAX_LENGTH
    packet = xmp.of_fitted(metadata.xmp, width, height, keep_private=keep_private, longest=longest)
    exif = _exif(metadata.exif, width, height, keep_private=keep_private)
    keep = _attach(image, profile, exif, metadata.iptc, None if format_ == "PNG" else packet)
    most, least = channel.most_bytes(format_), channel.min_bytes
    if format_ == "JPEG":
        head = _jfif(round(across), round(down))
        return _searched(
            lambda q: head + image.jpegsave_buffer(Q=q, subsample_mode="off", keep=keep)[len(JPEG_START) :], most, least
        )
    if format_ == "WEBP":
        return _searched(lambda q: image.webpsave_buffer(Q=q, alpha_q=100, effort=3, keep=keep), most, least)
    if format_ == "TIFF":
        content: bytes = image.tiffsave_buffer(compression="lzw", predictor="horizontal", keep=keep)
        return Encoded(content, None, most is not None and len(content) > most)
    for compression in (6, 9):
        if packet:
            save_png(image, path, packet, keep, compression=compression)
        else:
            image.pngsave(str(path), compression=compression, filter="up", keep=keep)
        if most is None or path.stat().st_size <= most:
            break
    content = path.read_bytes()
    return Encoded(content, None, most is not None and len(content) > most)


def _jfif(across: int, down: int) -> bytes:
    """A JPEG's start with its resolution (ITU-T T.871, 10.1), which libvips writes into EXIF data alone."""
    return JPEG_START + struct.pack(">HH5sHBHHBB", 0xFFE0, 16, b"JFIF\0", 0x0102, 1, across, down, 0, 0)


def _searched(made: Callable[[int], bytes], most: int | None, least: int | None) -> Encoded:
    """The usual quality where that has room, else the best that has, down to the floor."""
    content = made(USUAL_QUALITY)
    if most is not None and len(content) > most:
        low, high, found = LEAST_QUALITY, USUAL_QUALITY - 1, None
        while low <= high:
            middle = (low + high) // 2
            tried = made(middle)
            if len(tried) <= most:
                found, low = Encoded(tried, middle, is_too_large=False), middle + 1
            else:
                content, high = tried, middle - 1
        return found or Encoded(content, LEAST_QUALITY, is_too_large=True)
    quality = USUAL_QUALITY
    while least is not None and len(content) < least and quality < BEST_QUALITY:
        tried = made(quality + 1)
        if most is not None and len(tried) > most:
            break
        quality, content = quality + 1, tried
    return Encoded(content, quality, is_too_large=False)


def _attach(image: Any, profile: bytes | None, exif: bytes | None, iptc: bytes | None, packet: bytes | None) -> str:
    """Put it all into the image, and say what of it libvips is to keep."""
    blob = pyvips.GValue.blob_type
    kept = []
    for name, field, content in (
        ("icc", "icc-profile-data", profile),
        ("exif", "exif-data", exif),
        ("iptc", "iptc-data", iptc),
        ("xmp", "xmp-data", packet),
    ):
        if content:
            image.set_type(blob, field, content)
            kept.append(name)
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    return ":".join(kept) or "none"


def _exif(blob: bytes | None, width: int, height: int, *, keep_private: bool) -> bytes | None:
    """Camera data for the file, less places, owners and serial numbers."""
    if not blob:
        return None
    with contextlib.suppress(Exception):
        exif = Image.Exif()
        exif.load(EXIF_MARK + blob.removeprefix(EXIF_MARK))
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        if not keep_private:
            exif.get_ifd(ExifTags.IFD.GPSInfo).clear()
            exif.pop(ExifTags.IFD.GPSInfo, None)
            for tag in SERIAL_TAGS:
                exif.pop(tag, None)
                inner.pop(tag, None)
        exif[ORIENTATION] = 1
        if WIDTH_TAG in inner:
            inner[WIDTH_TAG], inner[HEIGHT_TAG] = width, height
        return EXIF_MARK + exif.tobytes().removeprefix(EXIF_MARK)
    return None

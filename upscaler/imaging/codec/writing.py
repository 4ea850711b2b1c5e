"""Result files: pixels straight from a canvas, in memory that does not grow with the picture, and all that goes along.

libvips encodes row by row; only WebP needs the whole picture at once.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from upscaler.imaging import colour
from upscaler.imaging.codec import clipping_paths, xmp
from upscaler.imaging.codec.metadata import Metadata
from upscaler.imaging.codec.reading import Picture
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips
from upscaler.picture_formats import FORMATS

JPEG_MAX_SIDE, WEBP_MAX_SIDE = 65500, 16383
"""The longest sides that the formats can hold."""
WEBP_MAX_PIXELS = 64_000_000
"""libwebp writes no picture in parts and takes 8 bytes for each of its pixels: more would not fit beside the engine."""
RESOURCES_MAX_LENGTH = 65_000
"""Bytes; a JPEG holds IPTC and paths in one segment of 64 KiB."""
JPEG_XMP_MAX_LENGTH = 60_000
"""Bytes; a JPEG holds XMP in one segment of 64 KiB."""
PNG_HEAD = 33
"""Bytes of a PNG's signature and header, behind which everything else may follow."""
INCH = 25.4
"""Millimetres, by which libvips counts resolution."""
USUAL_DPI = 72.0
"""EXIF's default; libvips always writes a resolution."""


def result_format(asked: str, width: int, height: int) -> str:
    """Pillow's name of the format in which a result of that size is written.

    ``asked``: a source's format, or the one that was chosen. JPEG, PNG and WebP stay what they are, unless the result
    is larger than the format can hold; everything else becomes PNG.
    """
    longest = max(width, height)
    if asked in ("JPEG", "MPO") and longest <= JPEG_MAX_SIDE:
        return "JPEG"
    if asked == "WEBP" and longest <= WEBP_MAX_SIDE and width * height <= WEBP_MAX_PIXELS:
        return "WEBP"
    return "PNG"


def notes(source: Picture, result_format: str) -> list[str]:
    """What of ``source`` is not in a result of that format, or not as it was, as sentences for people."""
    said = list(source.notes)
    if source.metadata.paths and not _keeps_paths(source.metadata, result_format):
        title = FORMATS[result_format].title
        said.append(
            clipping_paths.TOO_LONG if result_format == "JPEG" else clipping_paths.LEFT_OUT.format(format=title)
        )
    return said


def _keeps_paths(metadata: Metadata, result_format: str) -> bool:
    return result_format == "JPEG" and len(metadata.paths) + len(metadata.iptc or b"") <= RESOURCES_MAX_LENGTH


def _resources(metadata: Metadata, result_format: str) -> bytes | None:
    """IPTC, and the paths where the format has a place for them."""
    if not metadata.paths or not _keeps_paths(metadata, result_format):
        return metadata.iptc
    return (metadata.iptc or clipping_paths.MARK) + metadata.paths


def recode(source: Picture, path: Path, result_format: str, *, generative: bool | None) -> None:
    """Write a picture as it is in another format, with everything that it carries. Raises OSError."""
    channels = source.pixels[..., :1] if source.grey else source.pixels
    if source.alpha is not None:
        channels = np.dstack([channels, source.alpha])
    save(np.ascontiguousarray(channels), path, result_format, source, generative=generative)


def save(canvas: Samples, path: Path, result_format: str, source: Picture, *, generative: bool | None) -> None:
    """Write ``canvas`` with everything that ``source`` carries beside its pixels.

    ``canvas``: (height, width, channels), C-contiguous, 8 or 16 bits: one channel for grey, two for grey with alpha,
    three for RGB, four for RGBA. A PNG of a 16-bit canvas has 16 bits; the other formats have 8. JPEG has no
    transparency: what shows through is white. ``generative``: whether a network that invents detail took part, for the
    mark that shops demand; None where nothing was done to the picture: a mark of its own stays, and none is added.

    Raises OSError.
    """
    metadata, longest = source.metadata, JPEG_XMP_MAX_LENGTH if result_format == "JPEG" else xmp.MAX_LENGTH
    height, width = canvas.shape[:2]
    packet: bytes | None
    if generative is None:
        packet = xmp.of_fitted(metadata.xmp, width, height, keep_private=True, longest=longest)
    else:
        packet = xmp.of_result(metadata.xmp, width, height, generative=generative, longest=longest)
    # libvips makes EXIF data up where there is none; but only in a PNG it has another place for the resolution.
    keep = "icc:xmp:iptc:exif" if metadata.exif or (result_format != "PNG" and metadata.dpi) else "icc:xmp:iptc"
    try:
        image, profile = _fitted(_image(canvas, metadata), result_format, source.profile)
        _attach(image, metadata, profile, result_format)
        if result_format == "PNG":
            save_png(image, path, packet, keep)
            return
        if packet is not None:
            image.set_type(pyvips.GValue.blob_type, "xmp-data", packet)
        if result_format == "JPEG":
            image.jpegsave(str(path), Q=95, subsample_mode="off", keep=keep)
        else:
            image.webpsave(str(path), Q=95, alpha_q=100, effort=3, keep=keep)
    except pyvips.Error as error:
        raise OSError(f"The result could not be written: {error}") from error


def save_png(image: Any, path: Path, packet: bytes | None, keep: str, *, compression: int = 3) -> None:
    """Write a libvips image as PNG, with the XMP ``packet`` and what ``keep`` names. Raises pyvips.Error and OSError.

    libvips would store XMP in a way that no other program looks for, so its place is left free before the rest.
    """
    if packet is None:
        image.pngsave(str(path), compression=compression, filter="up", keep=keep)
        return
    content = b"iTXtXML:com.adobe.xmp" + bytes(5) + packet
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    with path.open("wb+", buffering=0) as file:
        file.seek(len(chunk))
        target = pyvips.Target.new_to_descriptor(file.fileno())
        # Of enlarged photographs, this filter made the smallest files next to trying all of them on every row.
        image.pngsave_target(target, compression=compression, filter="up", keep=keep)
        file.seek(len(chunk))
        head = file.read(PNG_HEAD)
        file.seek(0)
        file.write(head + chunk)


def _image(canvas: Samples, metadata: Metadata) -> Any:
    """The canvas as libvips sees it, without a copy."""
    height, width, channels = canvas.shape
    deep = canvas.dtype.itemsize == 2
    interpretation = ("grey16" if deep else "b-w") if channels < 3 else ("rgb16" if deep else "srgb")
    image = pyvips.Image.new_from_memory(canvas, width, height, channels, "ushort" if deep else "uchar")
    across, down = metadata.dpi or (USUAL_DPI, USUAL_DPI)
    return image.copy(interpretation=interpretation, xres=across / INCH, yres=down / INCH)


def _fitted(image: Any, result_format: str, profile: bytes | None) -> tuple[Any, bytes | None]:
    """The picture as the format can hold it, and the profile that it is in then."""
    if result_format == "PNG":
        return image, profile if profile and _png_takes(profile, image) else None
    deep = image.format == "ushort"
    if result_format == "JPEG" and image.hasalpha():
        white = 65535 if deep else 255
        image = image.flatten(background=[white] * (image.bands - 1), max_alpha=white)
    if deep:
        # 65535 levels to 255: a shift would take half a level from everything.
        image = image.linear(1 / 257, 0.5, uchar=True).copy(interpretation="srgb" if image.bands > 2 else "b-w")
    if result_format == "WEBP" and image.bands < 3 and profile:
        # WebP knows no grey, so nothing could apply a grey profile to it.
        image, profile = image.maplut(_curve(profile, image.bands)), None
    return image, profile


def _png_takes(profile: bytes, image: Any) -> bool:
    """Libpng refuses profiles that Little CMS still reads, and with them the whole picture: tried on one pixel."""
    pixel = image.crop(0, 0, 1, 1)
    pixel.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        pixel.pngsave_buffer(keep="icc")
    except pyvips.Error:
        return False
    return True


def _curve(profile: bytes, bands: int) -> Any:
    curve = pyvips.Image.new_from_array([colour.grey_curve(profile)]).cast("uchar")
    same = pyvips.Image.identity()
    return curve.bandjoin(same) if bands == 2 else curve


def _attach(image: Any, metadata: Metadata, profile: bytes | None, result_format: str) -> None:
    blob = pyvips.GValue.blob_type
    if metadata.exif:
        image.set_type(blob, "exif-data", metadata.exif)
    if resources := _resources(metadata, result_format):
        image.set_type(blob, "iptc-data", resources)
    if profile:
        image.set_type(blob, "icc-profile-data", profile)
    # libvips writes this into the EXIF data, and the size and the resolution too.
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)

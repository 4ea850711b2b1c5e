"""What a picture file says beside its pixels: read from any format, and handed to the writer in one shape.

All of it is an extra: where a part is damaged, the picture is enlarged without that part.
"""

from __future__ import annotations

import contextlib
import math
import struct
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from upscaler.imaging.codec import clipping_paths
from upscaler.imaging.pixels import ORIENTATION, TURNED

EXIF_MAX_LENGTH = 60_000
"""Bytes; a JPEG holds EXIF in one segment of 64 KiB."""
IPTC_MAX_LENGTH = 60_000
"""Bytes, for the same reason."""
EXIF_MARK = b"Exif\0\0"
SHORT = 3
"""EXIF's number for 16 bits."""
PHOTOSHOP_MARK, IPTC_RESOURCE, DIGEST_RESOURCE = b"Photoshop 3.0\0", 0x0404, 0x0425
TIFF_IPTC, TIFF_PHOTOSHOP = 33723, 34377

LAYOUT_TAGS = frozenset(
    {*range(254, 260), *range(262, 267), 273, *range(277, 282), 284, *range(288, 294), 301, 317}
    | {*range(320, 348), *range(512, 522), *range(529, 533)}
    | {700, TIFF_IPTC, TIFF_PHOTOSHOP, 34675, 37724, 42112, 42113, 50838, 50839}
)
"""Tags of a TIFF file that say where and how its pixels lie, or hold what is carried on another way."""


EXTENDED_XMP = (
    "The file holds more XMP data than fits into one part of a JPEG (extended XMP); what is beyond is left out."
)


@dataclass(frozen=True)
class Metadata:
    """What is carried over from a source, apart from its colour profile."""

    exif: bytes | None = None
    """From its "Exif" mark on, without a thumbnail, for an upright picture."""
    xmp: bytes | None = None
    """The packet as it was."""
    iptc: bytes | None = None
    """IPTC-IIM inside a Photoshop segment, as a JPEG holds it."""
    dpi: tuple[float, float] | None = None
    """Dots per inch, across and down, of the upright picture."""
    paths: bytes = b""
    """Photoshop's paths, as the resources that a JPEG holds behind those of ``iptc``, for the upright picture."""
    notes: tuple[str, ...] = ()
    """What of the source is left out, as sentences for people."""


def read(image: Image.Image, *, orientation: int) -> Metadata:
    """Everything that is known of an opened picture. ``orientation``: how it lies in its file, 1 to 8."""
    # Of a JPEG without a JFIF resolution, Pillow tells EXIF's for one direction only.
    told = None if image.format in ("JPEG", "MPO") and not image.info.get("jfif_unit") else image.info.get("dpi")
    dpi = _dpi(told) or _dpi_in_exif(image)
    if dpi and orientation in TURNED:
        dpi = dpi[1], dpi[0]
    packet = _xmp(image)
    return Metadata(_exif(image), packet, _iptc(image), dpi, _paths(image, orientation), _notes(packet))


def _exif(image: Image.Image) -> bytes | None:
    with contextlib.suppress(Exception):
        blob = _exif_of_tiff(image) if image.format == "TIFF" else image.info.get("exif")
        if blob and len(image.getexif()):
            tiff = _of_upright(blob.removeprefix(EXIF_MARK))
            return EXIF_MARK + tiff if len(tiff) <= EXIF_MAX_LENGTH else None
    return None


def _exif_of_tiff(image: Image.Image) -> bytes | None:
    """In a TIFF file, camera data lies among the tags of its own layout."""
    kept = Image.Exif()
    source = image.getexif()
    for tag, value in source.items():
        if tag not in LAYOUT_TAGS and tag not in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            kept[tag] = _as_bytes(value)
    for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        inner = source.get_ifd(tag)
        if inner:
            kept.get_ifd(tag).update({key: _as_bytes(value) for key, value in inner.items()})
    return kept.tobytes() if len(kept) else None


def _as_bytes(value: Any) -> Any:
    """Text as it lay in the file: Pillow reads it as Latin-1, and would write all but ASCII as question marks."""
    return value.encode("latin-1", "replace") if isinstance(value, str) and not value.isascii() else value


def _of_upright(tiff: bytes) -> bytes:
    """EXIF data without its second directory, which is about a small copy of the old picture, and upright.

    Each orientation is overwritten here, because libvips resets neither a second one nor one of an odd type.

    Raises struct.error, and KeyError for data that does not start like EXIF.
    """
    order = {b"II": "<", b"MM": ">"}[tiff[:2]]
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, first)
    end = first + 2 + 12 * count
    data = bytearray(tiff[:end] + bytes(4) + tiff[end + 4 :])
    for entry in range(first + 2, end, 12):
        if struct.unpack_from(f"{order}H", data, entry) == (ORIENTATION,):
            struct.pack_into(f"{order}HHIHH", data, entry, ORIENTATION, SHORT, 1, 1, 0)
    return bytes(data)


def _xmp(image: Image.Image) -> bytes | None:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    return packet if isinstance(packet, bytes) else None


def _notes(packet: bytes | None) -> tuple[str, ...]:
    return (EXTENDED_XMP,) if packet and b"HasExtendedXMP" in packet else ()


def _paths(image: Image.Image, orientation: int) -> bytes:
    with contextlib.suppress(Exception):
        if image.format == "TIFF":
            return clipping_paths.read([image.tag_v2.get(TIFF_PHOTOSHOP, b"")], orientation)  # type: ignore[attr-defined]
        return clipping_paths.read(
            [data for kind, data in getattr(image, "applist", ()) if kind == "APP13"], orientation
        )
    return b""


def _iptc(image: Image.Image) -> bytes | None:
    resources: dict[int, Any] = image.info.get("photoshop") or {}
    if image.format == "TIFF":
        with contextlib.suppress(Exception):
            # Some writers hand IPTC over as 32-bit words.
            value = image.tag_v2.get(TIFF_IPTC)  # type: ignore[attr-defined]
            if isinstance(value, tuple) and value:
                value = struct.pack(f"{image.tag_v2._endian}{len(value)}I", *value)  # type: ignore[attr-defined]
            resources = {IPTC_RESOURCE: value}
    parts = [
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)
        for number in (IPTC_RESOURCE, DIGEST_RESOURCE)
        if isinstance(data := resources.get(number), bytes) and data
    ]
    segment = PHOTOSHOP_MARK + b"".join(parts)
    return segment if parts and len(segment) <= IPTC_MAX_LENGTH else None


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        across, down = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    if not all(math.isfinite(number) and 0 < number < 65536 for number in (across, down)):
        return None
    return across, down


def _dpi_in_exif(image: Image.Image) -> tuple[float, float] | None:
    with contextlib.suppress(Exception):
        exif = image.getexif()
        inches = 2.54 if exif.get(ExifTags.Base.ResolutionUnit) == 3 else 1.0
        tags = (ExifTags.Base.XResolution, ExifTags.Base.YResolution)
        return _dpi([float(exif[tag]) * inches for tag in tags])
    return None

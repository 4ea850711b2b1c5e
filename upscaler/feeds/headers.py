"""A picture's format and size from the first bytes of its file.

Nothing is decoded, and only what the formats' standards put at the beginning is looked at: JPEG's frame header (ITU
T.81, B.2.2), PNG's IHDR, GIF's screen, WebP's first chunk (RFC 9649), the ``meta`` box of HEIF and AVIF (ISO/IEC
23008-12), TIFF's first directory, BMP's header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from upscaler.imaging.openers import boxes
from upscaler.imaging.structure import formats

MOST = 2_000_000
"""Bytes at the beginning of a file in which its size must stand. Profiles and previews come before it in some."""
MAX_SIDE = 1_000_000
TURNED = (5, 6, 7, 8)
"""EXIF orientations by which width and height change places."""
_JPEG_FRAMES = frozenset((*range(0xC0, 0xD0),)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))


@dataclass(frozen=True)
class Header:
    """What the beginning of a picture says."""

    format: str
    """As in `picture_formats`."""
    width: int
    """Pixels, as displayed."""
    height: int


class NotAPicture(Exception):
    """The bytes are no picture of a known format."""


class Unreadable(Exception):
    """They begin like a picture, and don't say its size where they should."""


class NeedMore(Exception):
    """The size stands further on."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size
        """Bytes from the file's beginning on that are needed at least."""


def read(beginning: bytes) -> Header:
    """What the file is that begins with these bytes. Raises NeedMore, NotAPicture or Unreadable."""
    if len(beginning) < 16:
        raise NeedMore(16)
    kind = formats.format_of(beginning[: formats.HEAD_LENGTH])
    reader = _READERS.get(kind or "")
    if kind is None:
        raise NotAPicture
    if reader is None:
        raise Unreadable
    try:
        width, height = reader(beginning)
    except (struct.error, IndexError):
        raise NeedMore(2 * len(beginning)) from None
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise Unreadable
    return Header(kind, width, height)


def _jpeg(data: bytes) -> tuple[int, int]:
    at, orientation = 2, 1
    while True:
        while data[at] != 0xFF or data[at + 1] in (0x00, 0xFF):
            at += 1
        marker = data[at + 1]
        at += 2
        if marker in _JPEG_ALONE:
            continue
        if marker in (0xD9, 0xDA):
            raise Unreadable
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2:
            raise Unreadable
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return (height, width) if orientation in TURNED else (width, height)
        if marker == 0xE1 and data[at + 2 : at + 8] == b"Exif\0\0":
            if len(data) < at + length:
                raise NeedMore(at + length + 1024)
            orientation = _orientation(data[at + 8 : at + length])
        at += length
        if at + 2 > len(data):
            # Straight to behind the segment: a profile or a preview may be long.
            raise NeedMore(at + 1024)


def _orientation(exif: bytes) -> int:
    try:
        order = "<" if exif[:2] == b"II" else ">"
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * min(count, 200), 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1


def _png(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise Unreadable
    return struct.unpack_from(">II", data, 16)


def _gif(data: bytes) -> tuple[int, int]:
    return struct.unpack_from("<HH", data, 6)


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        data[29]
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise Unreadable


def _boxes(data: bytes) -> tuple[int, int]:
    at = 0
    for _ in range(100):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if kind == b"meta":
            if len(data) < at + size:
                raise NeedMore(at + size)
            break
        if size < 8:
            raise Unreadable
        at += size
        if at + 16 > len(data):
            raise NeedMore(at + 4096)
    else:
        raise Unreadable
    try:
        properties = dict(boxes.properties_of_primary(data[: at + size]))
    except (struct.error, IndexError):
        raise Unreadable from None
    if b"ispe" not in properties:
        raise Unreadable
    width, height = struct.unpack_from(">II", properties[b"ispe"], 4)
    if b"clap" in properties:
        # What of the coded pixels is shown.
        across, of_width, down, of_height = struct.unpack_from(">IIII", properties[b"clap"])
        width, height = across // max(1, of_width), down // max(1, of_height)
    # Quarters of a turn.
    is_turned = bool(properties.get(b"irot", b"\0")[:1] and properties.get(b"irot", b"\0")[0] & 1)
    return (height, width) if is_turned else (width, height)


def _tiff(data: bytes) -> tuple[int, int]:
    order = "<" if data[:2] == b"II" else ">"
    if 43 in data[2:4]:
        raise Unreadable  # BigTIFF: no shop takes one.
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    if len(data) < at + 2:
        raise NeedMore(at + 4096)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    if len(data) < at + 2 + 12 * count:
        raise NeedMore(at + 2 + 12 * count)
    found: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        (value,) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, entry + 8)
        found.setdefault(tag, value)
    width, height = found.get(256, 0), found.get(257, 0)
    return (height, width) if found.get(274, 1) in TURNED else (width, height)


def _bmp(data: bytes) -> tuple[int, int]:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        return struct.unpack_from("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    # A negative height means that the rows run downwards.
    return width, abs(height)


_READERS = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WEBP": _webp,
    "AVIF": _boxes,
    "HEIF": _boxes,
    "TIFF": _tiff,
    "BMP": _bmp,
}

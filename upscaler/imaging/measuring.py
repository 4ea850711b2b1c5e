"""A picture file in numbers: what a shop's rules are judged by.

Django-free; strangers' files come here in the sandbox.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

from upscaler.imaging import codec, surroundings
from upscaler.imaging.codec.metadata import EXIF_MARK
from upscaler.imaging.codec.reading import Picture
from upscaler.imaging.surroundings import Colour

SERIAL_TAGS = (
    0xA430,  # CameraOwnerName
    0xA431,  # BodySerialNumber
    0xA435,  # LensSerialNumber
    0xA420,  # ImageUniqueID
    0xC62F,  # CameraSerialNumber
    0x927C,  # MakerNote, in which makers keep serial numbers
)
"""EXIF's tags that tell one camera, or its owner, from others."""
PRIVATE_XMP = re.compile(rb"(?:GPS(?:Latitude|Longitude|Altitude)|SerialNumber|CameraOwnerName|aux:OwnerName)")
SOURCE_TYPE = re.compile(rb"cv\.iptc\.org/newscodes/digitalsourcetype/(\w+)")
SAME_COLOUR = 2
"""Levels by which a profile's colours may lie beside sRGB's and be sRGB all the same."""


@dataclass(frozen=True)
class Measured:
    """A picture file, measured. All of it can be written as JSON."""

    format: str
    """Pillow's name."""
    width: int
    """In pixels, upright."""
    height: int
    bytes: int
    is_grey: bool
    is_transparent: bool
    """Whether anything can be seen through."""
    bits: int
    """Of a channel: 8 or 16."""
    profile: str
    """What its colour profile calls itself; empty for none."""
    is_srgb: bool
    """Whether its numbers mean sRGB's colours: by its profile, or as it has none."""
    dpi: float | None
    edge: Colour
    """The colour of its edges."""
    is_edge_one_colour: bool
    white_share: float
    """How much of its edge is pure white, 0 to 1."""
    box: tuple[int, int, int, int] | None
    """left, top, right and bottom of the product; None where it can't be told from what is around it."""
    has_place: bool
    """Whether the file says where it was taken."""
    has_serial: bool
    """Whether it names one camera or its owner."""
    source_type: str
    """IPTC's DigitalSourceType, the mark of pictures that AI made; empty for none."""

    @property
    def fill(self) -> float | None:
        """The product's share of the frame, along the side of which it takes more, 0 to 1."""
        if self.box is None:
            return None
        left, top, right, bottom = self.box
        return max((right - left) / self.width, (bottom - top) / self.height)

    @property
    def size_without_margin(self) -> tuple[int, int]:
        """Width and height of the product alone, or of the picture where nothing is around it."""
        if self.box is None:
            return self.width, self.height
        left, top, right, bottom = self.box
        return right - left, bottom - top


def measure(path: Path) -> Measured:
    """Read and measure a file. Raises PublicError with code ``unreadable``."""
    return of_picture(codec.load(path), path.stat().st_size)


def of_picture(picture: Picture, file_size: int) -> Measured:
    """The same for a picture that was read already; ``file_size`` in bytes."""
    around = surroundings.look(picture.pixels, picture.alpha)
    known = picture.metadata
    exif = _exif(known.exif)
    packet = known.xmp or b""
    source_type = SOURCE_TYPE.search(packet.replace(b"\0", b""))
    private = PRIVATE_XMP.findall(packet.replace(b"\0", b""))
    return Measured(
        format="JPEG" if picture.format == "MPO" else picture.format,
        width=picture.width,
        height=picture.height,
        bytes=file_size,
        is_grey=picture.grey,
        is_transparent=is_transparent(picture),
        bits=picture.pixels.dtype.itemsize * 8,
        profile=_named(picture.profile),
        is_srgb=is_srgb(picture),
        dpi=round(known.dpi[0], 2) if known.dpi else None,
        edge=around.colour,
        is_edge_one_colour=around.is_one_colour,
        white_share=around.white_share,
        box=around.box,
        has_place=bool(exif and exif.get_ifd(ExifTags.IFD.GPSInfo)) or any(b"GPS" in one for one in private),
        has_serial=has_serial(exif) or any(b"GPS" not in one for one in private),
        source_type=source_type.group(1).decode() if source_type else "",
    )


def is_transparent(picture: Picture) -> bool:
    """Whether anything of it can be seen through."""
    return picture.alpha is not None and bool(picture.alpha.min() < np.iinfo(picture.alpha.dtype).max)


def is_srgb(picture: Picture) -> bool:
    """Whether its numbers mean sRGB's colours, as they do where it has no profile."""
    if picture.profile is None:
        return True
    if picture.grey:
        return False
    levels = np.linspace(0, 255, 6).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    with contextlib.suppress(ImageCms.PyCMSError, OSError):
        seen = ImageCms.profileToProfile(
            Image.fromarray(grid),
            ImageCms.ImageCmsProfile(BytesIO(picture.profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        return bool(np.abs(np.asarray(seen, np.int16) - grid.astype(np.int16)).max() <= SAME_COLOUR)
    return False


def has_serial(exif: Image.Exif | None) -> bool:
    """Whether camera data name one camera or its owner."""
    if exif is None:
        return False
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    return any(tag in exif or tag in inner for tag in SERIAL_TAGS)


def _exif(blob: bytes | None) -> Image.Exif | None:
    if not blob:
        return None
    with contextlib.suppress(Exception):
        exif = Image.Exif()
        exif.load(EXIF_MARK + blob.removeprefix(EXIF_MARK))
        return exif
    return None


def _named(profile: bytes | None) -> str:
    if not profile:
        return ""
    with contextlib.suppress(Exception):
        description: Any = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
        return str(description).strip()[:100] or "unnamed"
    return "unnamed"

"""What a file is. It is decided here alone, by its first bytes, and whoever opens it opens exactly that format."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import ImageFile

from upscaler.imaging.openers import open_picture
from upscaler.picture_formats import FORMATS

HEAD_LENGTH = 64
"""Bytes at the start of a file that tell its format."""
SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"\xff\x0a", "JXL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
)
AVIF_BRANDS = (b"avif", b"avis")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"mif2", b"msf1")


def format_of(head: bytes) -> str | None:
    """Pillow's name of the format whose file begins with ``head``; None for one that the desk does not read."""
    found = _by_signature(head)
    return found if found in FORMATS else None


def format_of_file(file: IO[bytes]) -> str | None:
    """`format_of` an open file, which is left at its start."""
    file.seek(0)
    head = file.read(HEAD_LENGTH)
    file.seek(0)
    return format_of(head)


def opened(file: IO[bytes] | Path) -> ImageFile.ImageFile:
    """A picture file as Pillow opens it, as the format that it is and no other; nothing is decoded yet.

    Raises ValueError for one of no format that the desk reads, PublicError for a kind that is known and can't be read,
    and whatever Pillow raises.
    """
    if isinstance(file, Path):
        with file.open("rb") as head:
            kind = format_of_file(head)
    else:
        kind = format_of_file(file)
    if kind is None:
        raise ValueError("not a picture")
    return open_picture(file, formats=[kind])


def _by_signature(head: bytes) -> str | None:
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] != b"ftyp":
        return None
    length = max(16, min(len(head), int.from_bytes(head[:4], "big")))
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, length - 3, 4))]
    # An AVIF may call itself a HEIF in general first; a HEIC never names AVIF.
    if any(brand in AVIF_BRANDS for brand in brands):
        return "AVIF"
    if any(brand in HEIF_BRANDS for brand in brands):
        return "HEIF"
    return None

"""What Pillow is taught of picture files: formats that it does not know, and oddities at which it would give up.

Every reader opens files with `open_picture`, and takes all the bits of a `SampledFile` from its `samples`.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageFile

from upscaler.imaging.openers import heif, jpeg_xl
from upscaler.imaging.openers.avif import AvifFile
from upscaler.imaging.openers.base import NOTES, UNSUPPORTED, SampledFile
from upscaler.imaging.openers.gif import GifFile
from upscaler.imaging.openers.png import PngFile
from upscaler.imaging.openers.tiff import TiffFile
from upscaler.imaging.openers.webp import WebpFile
from upscaler.picture_formats import FORMATS

__all__ = ["NOTES", "UNSUPPORTED", "SampledFile", "open_picture"]

Image.init()
TAUGHT: dict[str, tuple[Any, Any]] = {
    **{
        str(opened.format): (opened, Image.OPEN[str(opened.format)][1])
        for opened in (PngFile, TiffFile, AvifFile, GifFile, WebpFile)
    },
    "HEIF": (heif.HeifFile, heif.accept),
    "JXL": (jpeg_xl.JxlFile, jpeg_xl.accept),
}
"""By Pillow's name of the format: what opens a file, and what knows its first bytes."""


def open_picture(file: IO[bytes] | Path, formats: list[str] | None = None) -> ImageFile.ImageFile:
    """A picture of which only the header is read, in one of ``formats`` or, by default, all of `FORMATS`.

    Raises PublicError for a kind that is known and can't be read, else whatever Pillow raises.
    """
    # Each time, because any library may register a reader of its own for all of the process.
    for name, (opened, accept) in TAUGHT.items():
        Image.register_open(name, opened, accept)
    return Image.open(file, formats=formats or list(FORMATS))

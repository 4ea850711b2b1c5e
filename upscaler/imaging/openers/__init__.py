"""What Pillow is taught of picture files: formats that it does not know, and oddities at which it would give up.

Whoever imports this package opens them with ``Image.open(file, formats=list(FORMATS))``, and reads a `SampledFile` in
all its bits with `SampledFile.samples`.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from upscaler.imaging.openers import heif, jpeg_xl
from upscaler.imaging.openers.avif import AvifFile
from upscaler.imaging.openers.base import NOTES, UNSUPPORTED, SampledFile
from upscaler.imaging.openers.gif import GifFile
from upscaler.imaging.openers.png import PngFile
from upscaler.imaging.openers.tiff import TiffFile

__all__ = ["NOTES", "UNSUPPORTED", "SampledFile"]


def _teach(opened: Any, accept: Any = None) -> None:
    """Takes the place of Pillow's own reader of the format, if it has one."""
    Image.preinit()
    Image.init()
    known = Image.OPEN.get(opened.format)
    Image.register_open(opened.format, opened, accept or (known[1] if known else None))


_teach(PngFile)
_teach(TiffFile)
_teach(AvifFile)
_teach(GifFile)
_teach(heif.HeifFile, heif.accept)
_teach(jpeg_xl.JxlFile, jpeg_xl.accept)

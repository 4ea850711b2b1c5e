"""Pixels with 16 bits a channel: Pillow reads them in grey alone, and not each kind; libvips reads them all.

Django-free, because the engine's child process uses it too.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from upscaler.imaging.openers import SampledFile
from upscaler.imaging.pixels import BITS_PER_SAMPLE, TURNED
from upscaler.imaging.vips import pyvips

TIFF_MODES = ("L", "LA", "RGB", "RGBA", "RGBX", "I;16", "I;16B", "I;16L")
"""Pillow's modes of what is taken from a TIFF in 16 bits."""


def is_deep(file: Image.Image) -> bool:
    """Whether a PNG or TIFF that was opened, but not loaded, has 16 bits in every channel."""
    if isinstance(file, SampledFile) and file.is_sampled:
        return False
    if file.format == "PNG":
        return any(str(tile.args).endswith("16B") for tile in file.tile)  # type: ignore[attr-defined]
    if file.format == "TIFF" and file.mode in TIFF_MODES:
        return set(file.tag_v2.get(BITS_PER_SAMPLE, ())) == {16}  # type: ignore[attr-defined]
    return False


def rows(source: Any, seen: Image.Image, orientation: int) -> Any | None:
    """The pixels of a deep file as libvips reads them, row by row, with 1 to 4 channels; not yet upright.

    ``source``: a pyvips.Source of the file, to be kept until the rows are read. ``seen``: the file as Pillow opened it,
    whose channels are the ones to take: a TIFF may have more, which libvips would hand over as transparency. None for a
    file of which the two make different pictures. Reading the rows may raise pyvips.Error.
    """
    try:
        if seen.format == "PNG":
            image = pyvips.Image.pngload_source(source, access="sequential", fail_on="truncated")
        else:
            page = seen.tell()
            image = pyvips.Image.tiffload_source(source, page=page, access="sequential", fail_on="truncated")
    except pyvips.Error:
        return None
    channels = image.bands
    if seen.format == "TIFF":
        channels = (1 if seen.mode.startswith(("L", "I")) else 3) + seen.has_transparency_data
    # Pillow tells the size of a TIFF as it will be once it is upright.
    size = seen.size[::-1] if seen.format == "TIFF" and orientation in TURNED else seen.size
    if image.format != "ushort" or not channels <= image.bands <= 4 or (image.width, image.height) != size:
        return None
    return image.extract_band(0, n=channels) if image.bands > channels else image

"""The pixels of an opened picture file, whichever way up and in however many bits; `colour` says which colours.

Django-free, because the engine's child process uses it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes for grey with more than 8 bits."""
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""TIFF's numbers for how many bits a sample has; for what samples mean, 0 with white at zero; and for their kind, 1
without a sign."""
ORIENTATION = ExifTags.Base.Orientation.value
"""EXIF's number for how the camera was held."""
ACROSS, DOWN, SWAP = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE
UPRIGHT = {
    2: (ACROSS,),
    3: (ACROSS, DOWN),
    4: (DOWN,),
    5: (SWAP,),
    6: (SWAP, ACROSS),
    7: (SWAP, ACROSS, DOWN),
    8: (SWAP, DOWN),
}
"""What has to be done to a picture, one after the other, by its orientation."""
TURNED = tuple(orientation for orientation, steps in UPRIGHT.items() if SWAP in steps)
"""The orientations in which width and height change places."""

STRIP_PIXELS = 2**20
"""How many pixels of a large picture are converted at a time."""


def orientation(image: Image.Image) -> int:
    """How the picture lies in its file, 1 to 8; 1 where that is not known or can't be read.

    What XMP says of it counts as little as it does in browsers.
    """
    if getattr(image, "is_upright", False):
        return 1
    try:
        exif = image.getexif()
        tags: Any = getattr(image, "tag_v2", None)
        if tags is not None:
            value = tags.get(ORIENTATION, 1)
        elif "exif" in image.info:
            # Pillow's own object has XMP's orientation where EXIF has none.
            told = Image.Exif()
            told.load(image.info["exif"])
            value = told.get(ORIENTATION, 1)
        else:
            value = exif.get(ORIENTATION, 1) if "Raw profile type exif" in image.info else 1
    # Pillow's reader meets damaged camera data with whatever its parsing trips over.
    except Exception:
        return 1
    return value if value in UPRIGHT else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture turned as its ``orientation`` asks."""
    for step in UPRIGHT.get(orientation, ()):
        image = image.transpose(step)
    return image


def upright_view(values: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """`upright` for pixels, (height, width, channels), without a copy."""
    for step in UPRIGHT.get(orientation, ()):
        values = values.swapaxes(0, 1) if step is SWAP else values[:, ::-1] if step is ACROSS else values[::-1]
    return values


def strips(image: Image.Image, multiple: int = 1) -> Iterator[tuple[slice, Image.Image]]:
    """The picture in parts of some rows, a ``multiple`` in all but the last, each with where those rows are."""
    rows = max(1, STRIP_PIXELS // (image.width * multiple)) * multiple
    for top in range(0, image.height, rows):
        below = min(image.height, top + rows)
        yield slice(top, below), image.crop((0, top, image.width, below))


def array(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(height, width, channels) of a picture with 8 bits a channel: numpy would hold two copies in between."""
    values = np.empty((image.height, image.width, len(image.getbands())), np.uint8)
    for rows, strip in strips(image):
        values[rows] = np.asarray(strip).reshape(values[rows].shape)
    return values


def deep_grey(image: Image.Image) -> npt.NDArray[np.uint16]:
    """(height, width) of a picture in one of ``DEEP_GREY``, black at 0 and white at 65535.

    32-bit numbers say nothing of their range: floats up to 1 are taken for 0 to 1, others, and integers, for 0 to 255
    where none is higher, else for 0 to 65535; integers that need the last bit, for 0 to 2**32 - 1.
    """
    values = np.empty((image.height, image.width), np.uint16)
    for rows, levels in deep_grey_strips(image):
        values[rows] = levels
    return values


def deep_grey_strips(image: Image.Image) -> Iterator[tuple[slice, npt.NDArray[np.uint16]]]:
    """`deep_grey` in strips, each with its rows: a picture of 64 megapixels would be 512 MB of float64."""
    # Only TIFF has such pictures with 0 for white, or without a sign; Pillow reads both as if they were not.
    tags: Any = getattr(image, "tag_v2", {})
    is_negative, is_unsigned = tags.get(PHOTOMETRIC) == 0, set(tags.get(SAMPLE_FORMAT, (1,))) == {1} and bool(tags)
    if image.mode.startswith("I;16"):
        for rows, strip in strips(image):
            levels = np.asarray(strip).astype(np.uint16)
            if tags.get(BITS_PER_SAMPLE) == (12,):
                levels = (levels.clip(0, 4095).astype(np.uint32) * 65535 // 4095).astype(np.uint16)
            yield rows, ~levels if is_negative else levels
        return

    def numbers(strip: Image.Image) -> npt.NDArray[np.float64]:
        kept = np.asarray(strip)
        kept = kept.view(np.uint32) if is_unsigned and image.mode == "I" else kept
        return np.nan_to_num(kept.astype(np.float64))

    highest = max(numbers(strip).max() for _, strip in strips(image))
    ranges = (1.0, 255.0) if image.mode == "F" else (255.0,)
    full = next((limit for limit in ranges if highest <= limit), 65535.0)
    if image.mode == "I" and highest >= 2**31:
        full = 2**32 - 1
    for rows, strip in strips(image):
        levels = (numbers(strip).clip(0, full) * (65535 / full) + 0.5).astype(np.uint16)
        yield rows, ~levels if is_negative else levels

"""A part of a picture as a small JPEG, put together from its tiles: few are read, however large the picture."""

from __future__ import annotations

import io

from PIL import Image

from upscaler.imaging import pyramid
from upscaler.storage.tiles import Pyramid

PAPER = (255, 255, 255)
"""What shows through a transparent picture."""


def crop(made: Pyramid, part: tuple[float, float, float, float], *, longest: int) -> bytes:
    """The ``part`` of a picture, of at most some ``longest`` pixels a side: pixel by pixel where it is no larger.

    ``part``: left, top, right and bottom as shares of width and height, 0 to 1. Raises OSError for broken tiles.
    """
    level, scale = made.levels - 1, 1.0
    while level and max((part[2] - part[0]) * made.width, (part[3] - part[1]) * made.height) * scale > longest:
        level, scale = level - 1, scale / 2
    left, right = (round(at * made.width * scale) for at in (part[0], part[2]))
    top, bottom = (round(at * made.height * scale) for at in (part[1], part[3]))
    joined = Image.new("RGB", (max(1, right - left), max(1, bottom - top)), PAPER)
    profile = None
    side = pyramid.TILE_SIDE
    for row in range(top // side, (max(bottom, top + 1) - 1) // side + 1):
        for column in range(left // side, (max(right, left + 1) - 1) // side + 1):
            if content := made.tile(level, column, row):
                with Image.open(io.BytesIO(content), formats=("JPEG", "WEBP")) as tile:
                    profile = profile or tile.info.get("icc_profile")
                    at = column * side - left, row * side - top
                    mask = tile.convert("RGBA") if tile.mode == "RGBA" else None
                    joined.paste(tile.convert("RGB"), at, mask)
    target = io.BytesIO()
    joined.save(target, "JPEG", quality=90, subsampling=0, icc_profile=profile)
    return target.getvalue()

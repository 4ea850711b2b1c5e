"""Photoshop's paths: product photographs are cut out along one of them in print, so that it must not get lost.

Points are shares of width and height (Adobe's "Photoshop File Formats", path resource format), so that they hold for a
picture of any size; only turning it changes them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from PIL import Image

from upscaler.imaging.pixels import ACROSS, SWAP, UPRIGHT

MARK = b"Photoshop 3.0\0"
PATHS = range(2000, 2999)
"""The numbers of paths."""
CLIPPING_PATH = 2999
"""The number of what names the one to cut out along."""
RECORD = 26
KNOTS = (1, 2, 4, 5)
"""The records that hold three points; others hold none."""
ONE = 2**24
"""How a whole width or height is written."""
LEFT_OUT = "The picture's clipping path is left out, because a {format} can't hold one: choose JPEG to keep it."
TOO_LONG = "The picture's clipping path is left out, because it is too long to be carried over."


def read(segments: Iterable[bytes], orientation: int) -> bytes:
    """The paths among Photoshop's resources, for the picture turned upright; empty where there are none.

    ``segments``: the resources, each with or without ``MARK``. Raises struct.error for damaged ones.
    """
    data = b"".join(segment.removeprefix(MARK) for segment in segments)
    kept, at = b"", 0
    while data[at : at + 4] == b"8BIM":
        (number,) = struct.unpack_from(">H", data, at + 4)
        name_end = at + 6 + (data[at + 6] + 2) // 2 * 2
        (length,) = struct.unpack_from(">I", data, name_end)
        content = data[name_end + 4 : name_end + 4 + length]
        if number in PATHS:
            content = _turned(content, orientation)
        if number in PATHS or number == CLIPPING_PATH:
            kept += data[at : name_end + 4] + content + bytes(length % 2)
        at = name_end + 4 + length + length % 2
    return kept


def _turned(content: bytes, orientation: int) -> bytes:
    steps = UPRIGHT.get(orientation, ())
    if not steps:
        return content
    turned = bytearray(content)
    for start in range(0, len(content) - RECORD + 1, RECORD):
        if struct.unpack_from(">H", content, start)[0] not in KNOTS:
            continue
        for place in range(start + 2, start + RECORD, 8):
            down, across = struct.unpack_from(">ii", content, place)
            for step in steps:
                down, across = _moved(step, down, across)
            struct.pack_into(">ii", turned, place, down, across)
    return bytes(turned)


def _moved(step: Image.Transpose, down: int, across: int) -> tuple[int, int]:
    if step is SWAP:
        return across, down
    return (down, ONE - across) if step is ACROSS else (ONE - down, across)

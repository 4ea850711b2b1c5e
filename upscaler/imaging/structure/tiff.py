"""TIFF: its chain of directories, each looked at once. Small copies and masks beside a picture are no pages."""

from __future__ import annotations

import struct
from typing import Any

from upscaler.imaging.structure.limits import MAX_PICTURES, TooMuch

MAX_DIRECTORIES = 1000
"""In all. Most beside the pages are small copies of them."""
MAX_TAGS = 4096
"""Of one directory. A camera's has some hundred."""
MAX_VALUES = 2_000_000
"""Numbers of one tag. The longest say where each strip or tile of the pixels is."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a number, by its type."""
BYTES = (1, 2, 6, 7)
NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
REDUCED, MASK = 1, 4
"""Bits of NewSubfileType."""
OLD_REDUCED = 2
"""Value of SubfileType."""


class _Layout:
    """Where things lie, in the two sizes and byte orders that there are."""

    def __init__(self, head: bytes) -> None:
        order = "<" if head[:2] == b"II" else ">"
        self.is_big = 43 in head[2:4]
        self.first = struct.Struct(order + ("8xQ" if self.is_big else "4xI"))
        self.count = struct.Struct(order + ("Q" if self.is_big else "H"))
        self.entry = struct.Struct(order + ("HHQ" if self.is_big else "HHI"))
        self.value = struct.Struct(order + ("Q" if self.is_big else "I"))
        self.short = struct.Struct(order + "H")
        self.entry_length = 20 if self.is_big else 12


def scan(data: Any) -> int:
    """See `scan.SCANS`. A chain that leads back into itself or out of the file ends there."""
    layout = _Layout(data[:16])
    (at,) = layout.first.unpack_from(data)
    seen: set[int] = set()
    pages = held = 0
    while at and at not in seen and at + layout.count.size <= len(data):
        seen.add(at)
        if len(seen) > MAX_DIRECTORIES:
            raise TooMuch(f"is a TIFF of more than {MAX_DIRECTORIES:,} directories")
        (tags,) = layout.count.unpack_from(data, at)
        if tags > MAX_TAGS:
            raise TooMuch(f"is a TIFF with more than {MAX_TAGS:,} tags")
        is_page = True
        at += layout.count.size
        for place in range(at, at + tags * layout.entry_length, layout.entry_length):
            if place + layout.entry_length > len(data):
                return max(1, pages + is_page)
            tag, kind, count = layout.entry.unpack_from(data, place)
            held += _held(data, layout, place, kind, count)
            # Decoders keep a copy of each; sound ones share no bytes, so together they fit into the file.
            if held > len(data):
                raise TooMuch("is a TIFF whose tags hold more than the file does")
            if tag in (NEW_SUBFILE_TYPE, SUBFILE_TYPE) and count == 1:
                is_page = is_page and not _is_beside(tag, _value(data, layout, place, kind))
        pages += is_page
        if pages > MAX_PICTURES:
            break
        at += tags * layout.entry_length
        at = layout.value.unpack_from(data, at)[0] if at + layout.value.size <= len(data) else 0
    return max(1, pages)


def _held(data: Any, layout: _Layout, place: int, kind: int, count: int) -> int:
    """How many bytes of a tag lie elsewhere in the file."""
    length = SIZES.get(kind, 0) * count
    if kind not in BYTES and count > MAX_VALUES:
        raise TooMuch(f"is a TIFF with more than {MAX_VALUES:,} numbers in one tag")
    if length <= layout.value.size:
        return 0
    (start,) = layout.value.unpack_from(data, place + layout.entry_length - layout.value.size)
    return max(0, min(length, len(data) - start))


def _value(data: Any, layout: _Layout, place: int, kind: int) -> int:
    value = place + layout.entry_length - layout.value.size
    number: int = (layout.short if kind == 3 else layout.value).unpack_from(data, value)[0]
    return number


def _is_beside(tag: int, value: int) -> bool:
    return bool(value & (REDUCED | MASK)) if tag == NEW_SUBFILE_TYPE else value == OLD_REDUCED

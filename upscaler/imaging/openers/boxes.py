"""The boxes of ISO's base media file format, in which AVIF, HEIC and JPEG XL lie: only what is asked of them here."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_BOXES = 10_000
PARENTS = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""What lies in a box before the boxes that it holds, by its type."""


def brands(head: bytes) -> tuple[bytes, list[bytes]]:
    """The main brand of a file and all that it says it is compatible with, from its first bytes; empty for others."""
    if head[4:8] != b"ftyp":
        return b"", []
    end = min(len(head), struct.unpack_from(">I", head)[0])
    return head[8:12], [head[place : place + 4] for place in range(16, end - 3, 4)]


def children(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places, each with its type and where its content begins and ends."""
    end = len(data) if end is None else end
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1 and content + 8 <= end:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        following = end if size == 0 else start + size
        if following <= start or following > end or content > following:
            return
        yield kind, content, following
        start = following


def properties_of_primary(data: bytes) -> list[tuple[bytes, bytes]]:
    """What a HEIF or AVIF file says of its main picture: types and contents of its properties, in order.

    Raises struct.error and IndexError for a damaged file.
    """
    meta = next(((a, b) for kind, a, b in children(data) if kind == b"meta"), None)
    if meta is None:
        return []
    inner = {kind: (a, b) for kind, a, b in children(data, meta[0] + 4, meta[1])}
    if b"pitm" not in inner or b"iprp" not in inner:
        return []
    place = inner[b"pitm"][0]
    (primary,) = struct.unpack_from(">I" if data[place] else ">H", data, place + 4)
    known: list[tuple[bytes, bytes]] = []
    wanted: list[int] = []
    for kind, a, b in children(data, *inner[b"iprp"]):
        if kind == b"ipco":
            known = [(name, data[c:d]) for name, c, d in children(data, a, b)]
        elif kind == b"ipma":
            wanted += _associated(data, a, primary)
    return [known[index - 1] for index in wanted if 0 < index <= len(known)]


def _associated(data: bytes, place: int, wanted: int) -> list[int]:
    version, is_wide = data[place], data[place + 3] & 1
    (count,) = struct.unpack_from(">I", data, place + 4)
    place += 8
    for _ in range(min(count, MAX_BOXES)):
        item_code = ">I" if version else ">H"
        (item,) = struct.unpack_from(item_code, data, place)
        place += struct.calcsize(item_code)
        links = data[place]
        place += 1
        size = 2 if is_wide else 1
        if item == wanted:
            mask = 0x7FFF if is_wide else 0x7F
            return [int.from_bytes(data[place + size * i : place + size * (i + 1)], "big") & mask for i in range(links)]
        place += size * links
    return []

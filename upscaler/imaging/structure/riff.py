"""WebP: the chunks of its RIFF container, whose own length is where it ends."""

from __future__ import annotations

import struct
from typing import Any

from upscaler.imaging.structure.limits import MAX_PARTS, MAX_PICTURES, TooMuch

CHUNK = struct.Struct("<4sI")


def scan(data: Any) -> int:
    """See `scan.SCANS`."""
    (length,) = struct.unpack_from("<I", data, 4)
    end = min(len(data), length + 8)
    at = 12
    frames = 0
    for _ in range(MAX_PARTS):
        if at + 8 > end:
            return max(1, frames)
        kind, length = CHUNK.unpack_from(data, at)
        frames += kind == b"ANMF"
        if frames > MAX_PICTURES:
            return frames
        at += 8 + length + length % 2
    raise TooMuch(f"is a WebP of more than {MAX_PARTS:,} chunks")


def canvas(head: bytes) -> tuple[int, int]:
    """Width and height that a WebP says in its first bytes, which has 30 at least; zeros for one that says none.

    Pillow makes room for all pixels when it opens one.
    """
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return 0, 0

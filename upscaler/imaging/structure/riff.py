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

"""PNG: chunks up to the last one; what is behind it is not the picture."""

from __future__ import annotations

import struct
from typing import Any

from upscaler.imaging.structure.limits import MAX_PARTS, TooMuch

SMALLEST = 1024
"""Bytes of pixels in a chunk, on average, of a large file: most programs write 8 KB and more."""
CHUNK = struct.Struct(">I4s")


def scan(data: Any) -> None:
    """See `scan.SCANS`. An animated PNG says itself how many frames it has."""
    at, end = 8, len(data)
    most = MAX_PARTS + end // SMALLEST
    for _ in range(most):
        if at + 8 > end:
            return
        length, kind = CHUNK.unpack_from(data, at)
        if kind == b"IEND":
            return
        at += 12 + length
    raise TooMuch(f"is a PNG of more than {most:,} chunks")

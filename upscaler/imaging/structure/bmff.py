"""The boxes of AVIF, HEIC and JPEG XL. How many pictures are in one, its decoder knows from its head."""

from __future__ import annotations

import struct
from typing import Any

from upscaler.imaging.structure.limits import TooMuch

MAX_BOXES = 20_000
"""In all. A phone's HEIC of 48 tiles has some three hundred."""
MAX_DEPTH = 8
PARENTS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": -1, b"iref": 4, b"grpl": 0, b"moov": 0, b"trak": 0} | {
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
    b"dinf": 0,
    b"edts": 0,
}
"""What lies in a box before the boxes that it holds, by its type; -1 where its version says so."""


def scan(data: Any) -> None:
    """See `scan.SCANS`. A box that leads out of the file ends the scan."""
    if bytes(data[:2]) == b"\xff\x0a":
        # A JPEG XL without boxes.
        return
    found = 0
    waiting = [(0, len(data), 0)]
    while waiting:
        at, end, depth = waiting.pop()
        while at + 8 <= end:
            found += 1
            if found > MAX_BOXES:
                raise TooMuch(f"is built of more than {MAX_BOXES:,} boxes")
            size, kind = struct.unpack_from(">I4s", data, at)
            content = at + 8
            if size == 1 and content + 8 <= end:
                (size,) = struct.unpack_from(">Q", data, content)
                content += 8
            following = end if size == 0 else at + size
            if following < content or following > end:
                break
            if kind in PARENTS:
                if depth >= MAX_DEPTH:
                    raise TooMuch(f"has boxes more than {MAX_DEPTH} deep in one another")
                before = PARENTS[kind]
                if before < 0:
                    before = 8 if content < end and data[content] else 6
                waiting.append((content + before, following, depth + 1))
            at = following

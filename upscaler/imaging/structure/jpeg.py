"""JPEG: segments up to the end of the first picture. What is behind it (MPO, gain maps, videos) is not the picture."""

from __future__ import annotations

import re
from typing import Any

from upscaler.imaging.structure.limits import TooMuch

MAX_SCANS = 100
"""Passes of a progressive JPEG over its picture: cameras and shops write some ten. Each is decoded in full, so a small
file with thousands of them would keep a process busy for minutes."""
MAX_SEGMENTS = 3000
"""Of 64 KB each, they are more than an upload may have."""
MAX_FILL = 4096
"""Bytes of filling or rubbish before markers, next to never seen."""
MARKER_IN_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""What ends the data of a pass; in it, such bytes are always escaped."""
START_OF_SCAN, END_OF_PICTURE = 0xDA, 0xD9
ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers that no length follows."""


def scan(data: Any) -> int:
    """See `scan.SCANS`. A file that breaks off is left to the decoder, which says so."""
    at, end = 2, len(data)
    segments = scans = filled = 0
    while at + 1 < end:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0, 0xFF):
            # Decoders look for the next marker byte by byte.
            filled += 1
            if filled > MAX_FILL:
                raise TooMuch(f"is a JPEG with more than {MAX_FILL:,} bytes between its segments")
            at += 1
            continue
        segments += 1
        if segments > MAX_SEGMENTS:
            raise TooMuch(f"is a JPEG of more than {MAX_SEGMENTS:,} segments")
        if marker == END_OF_PICTURE:
            return 1
        at += 2
        if marker in ALONE:
            continue
        if at + 2 > end:
            return 1
        at += int.from_bytes(data[at : at + 2], "big")
        if marker == START_OF_SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise TooMuch(f"is a JPEG of more than {MAX_SCANS} passes")
            following = MARKER_IN_DATA.search(data, at)
            if following is None:
                return 1
            at = following.start()
    return 1

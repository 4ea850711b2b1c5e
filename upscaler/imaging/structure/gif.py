"""GIF: blocks up to the last frame that counts."""

from __future__ import annotations

from typing import Any

from upscaler.imaging.structure.limits import MAX_PARTS, MAX_PICTURES, TooMuch

SMALLEST = 64
"""Bytes in a block of pixels, on average, of a large file: programs write 255, except in the last of a frame."""
MAX_REMARKS = 1_000_000
"""Bytes of comments and the like before the first frame: decoders put them together piece by piece."""
EXTENSION, FRAME, END = 0x21, 0x2C, 0x3B


def scan(data: Any) -> int:
    """See `scan.SCANS`."""
    left = MAX_PARTS + len(data) // SMALLEST
    most, end = left, len(data)

    def behind_blocks(at: int) -> int:
        nonlocal left
        while at < end and data[at]:
            at += 1 + data[at]
            left -= 1
            if left < 0:
                raise TooMuch(f"is a GIF of more than {most:,} blocks")
        return at + 1

    at = 13 + _colours(data[10])
    frames = remarks = 0
    while at < end:
        left -= 1
        if left < 0:
            raise TooMuch(f"is a GIF of more than {most:,} blocks")
        if data[at] == EXTENSION:
            following = behind_blocks(at + 2)
            remarks += following - at
            if frames == 0 and remarks > MAX_REMARKS:
                raise TooMuch(f"is a GIF with more than {MAX_REMARKS / 1e6:.0f} MB of comments")
            at = following
        elif data[at] == FRAME:
            if at + 10 > end:
                break
            frames += 1
            if frames > MAX_PICTURES:
                break
            at = behind_blocks(at + 11 + _colours(data[at + 9]))
        elif data[at] == END:
            break
        else:
            # Decoders look for the next block in whatever lies between, byte by byte.
            at += 1
    return max(1, frames)


def _colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

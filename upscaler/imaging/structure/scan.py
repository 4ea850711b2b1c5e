"""The scan of a whole file before it is decoded: what it holds, and whether it is built as pictures are."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from upscaler.errors import PublicError
from upscaler.imaging.guard import damaged
from upscaler.imaging.structure import bmff, gif, jpeg, png, riff, tiff
from upscaler.imaging.structure.limits import MAX_PICTURES, TooMuch

SCANS: dict[str, Callable[[Any], int | None]] = {
    "JPEG": jpeg.scan,
    "PNG": png.scan,
    "GIF": gif.scan,
    "WEBP": riff.scan,
    "TIFF": tiff.scan,
    "AVIF": bmff.scan,
    "HEIF": bmff.scan,
    "JXL": bmff.scan,
}
"""By format. Each takes the file's bytes, and returns how many pictures are in it, or None where its decoder knows at
once; it raises TooMuch, or IndexError or struct.error where the file breaks off in what it scans."""


def count_pictures(data: Any, kind: str, named: str) -> int | None:
    """How many pictures a file holds, at most ``MAX_PICTURES + 1``; None where its decoder is to say it.

    ``data``: the file's bytes, or a map of them. ``kind``: its format. ``named``: what messages call it.

    Raises PublicError, code ``damaged``, for a file that is built of more parts than any program writes.
    """
    scan = SCANS.get(kind)
    if scan is None:
        return 1 if kind == "BMP" else None
    try:
        return scan(data)
    except TooMuch as too_much:
        raise PublicError(
            f"{named} {too_much}, which takes too long to read. Export it again from the program it came from, and "
            "upload the new file.",
            code="damaged",
        ) from None
    except (IndexError, struct.error):
        raise damaged(named) from None


__all__ = ["MAX_PICTURES", "count_pictures"]

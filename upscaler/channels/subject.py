"""Asks where the subject of a picture is, for cropping.

The picture is read where strangers' files are, which hands out a small copy in plain bytes; the network looks at that
in a process of its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from typing import IO, Any

from upscaler.channels.cropping import UNKNOWN, Found
from upscaler.engines.base import EngineError
from upscaler.engines.local import subject_finder
from upscaler.imaging import decoding, intake


def find(
    file: IO[bytes], *, size: tuple[int, int], named: str, patience: decoding.Patience | None = None
) -> dict[str, Any] | None:
    """`Found` as JSON, for `fit.in_child`; None where the plain surroundings tell enough. Raises PublicError."""
    with tempfile.TemporaryFile() as small:
        told = intake.convert("channels.cropping", file, small, {}, named=named, size=size, patience=patience)
        file.seek(0)
        if told["is_plain"]:
            return None
        small.seek(0)
        pixels = small.read()
    try:
        found = subject_finder.find(pixels, told["width"], told["height"])
    except EngineError as error:
        return asdict(Found(problem=f"Nothing was cropped. {error.message}"))
    return asdict(Found(found.certain, found.possible) if found else Found(problem=UNKNOWN))

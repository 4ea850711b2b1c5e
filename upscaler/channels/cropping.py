"""How far a picture may be cropped whose surroundings do not tell where the product ends: the subject's mask says it.

What is needed of it where strangers' pictures are read, so it imports little; `subject` asks the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from upscaler.engines.local import downscaled
from upscaler.imaging import codec, surroundings
from upscaler.imaging.surroundings import Box

Shares = tuple[float, float, float, float]
"""left, top, right and bottom as shares of width and height."""
MARGIN = 0.02
"""Of the longer side: what is left around the subject, whose edge the network knows to a few pixels of 320."""
UNKNOWN = "Where the product ends can't be told from what is around it, so nothing was cropped."
MAY_BE_CUT = (
    "The cropping may have cut off a part of the product, because where that ends is not clear. Compare the file with "
    "the result; without cropping it is padded."
)


@dataclass(frozen=True)
class Found:
    """Where the subject is, or why that is not known."""

    certain: Shares | None = None
    possible: Shares | None = None
    problem: str = ""

    def box(self, width: int, height: int) -> Box | None:
        """What may not be cut into, in pixels of a picture of that size."""
        if self.certain is None:
            return None
        room = MARGIN * max(width, height)
        left, top, right, bottom = _scaled(self.certain, width, height)
        return (
            max(0, int(left - room)), max(0, int(top - room)),
            min(width, int(right + room) + 1), min(height, int(bottom + room) + 1),
        )  # fmt: skip

    def is_cut_by(self, window: Box, width: int, height: int) -> bool:
        """Whether something that might be the product lies outside of ``window``."""
        if self.possible is None:
            return False
        left, top, right, bottom = _scaled(self.possible, width, height)
        # A pixel of the small copy is several of the picture.
        slack = max(width, height) / downscaled.MAX_SIDE
        return (
            left < window[0] - slack
            or top < window[1] - slack
            or right > window[2] + slack
            or bottom > window[3] + slack
        )


def in_child(source: Path, target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """In the process that reads strangers' pictures: whether the surroundings are plain, and a small copy if not."""
    picture = codec.load(source)
    if surroundings.look(picture.pixels, picture.alpha).box is not None:
        return {"is_plain": True}
    small = downscaled.downscale(picture.pixels, downscaled.step(picture.height, picture.width))
    if small.shape[2] == 1:
        small = small.repeat(3, axis=2)
    target.write_bytes(np.ascontiguousarray(small).tobytes())
    return {"is_plain": False, "width": small.shape[1], "height": small.shape[0]}


def _scaled(shares: Shares, width: int, height: int) -> tuple[float, float, float, float]:
    return shares[0] * width, shares[1] * height, shares[2] * width, shares[3] * height

"""A small copy of the source for those who only need to find something in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from upscaler.imaging.samples import SIXTEEN_BIT_STEPS, Samples

Bytes = npt.NDArray[np.uint8]

MAX_SIDE = 1024
"""The longest side of the copy: enough to find a face or an outline in, and small beside any source."""


def step(height: int, width: int) -> int:
    """The side of the square of source pixels that one pixel of the copy stands for."""
    return max(1, -(-max(height, width) // MAX_SIDE))


def downscale(pixels: Samples, step: int) -> Bytes:
    """The means of squares of ``step`` pixels a side, as 8 bits; at the far edges, of what is left of them.

    ``pixels``: 8 or 16 bits a channel, (height, width) or (height, width, channels).
    """
    full = 1 if pixels.dtype == np.uint8 else SIXTEEN_BIT_STEPS
    if step == 1:
        return (pixels // full).astype(np.uint8)
    height, width = pixels.shape[:2]
    starts = np.arange(0, width, step)
    counts = np.diff(starts, append=width).reshape(-1, *[1] * (pixels.ndim - 2))
    small = np.empty((-(-height // step), len(starts), *pixels.shape[2:]), np.uint8)
    for row in range(len(small)):
        # Row by row: sums of the whole picture would be larger than the picture.
        rows = pixels[row * step : (row + 1) * step]
        small[row] = np.add.reduceat(rows.sum(axis=0, dtype=np.uint64), starts) // (counts * len(rows) * full)
    return small

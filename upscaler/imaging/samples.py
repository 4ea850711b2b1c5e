"""Pixels as they are kept, in 8 or 16 bits a channel, and as they are worked on: float32 from 0 to 255 either way."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[Any]
"""Kept pixels: uint8 or uint16, all of whose 8 or 16 bits are in use."""
Floats = npt.NDArray[np.float32]

SIXTEEN_BIT_STEPS = 257
"""How many of a 16-bit channel's steps make one of an 8-bit channel's: 65535 / 255."""


def to_floats(kept: Samples) -> Floats:
    """Kept pixels as numbers to work with, of the same shape."""
    values = kept.astype(np.float32)
    if kept.dtype == np.uint16:
        values /= SIXTEEN_BIT_STEPS
    return values


def to_samples(values: Floats, kind: np.dtype[Any]) -> Samples:
    """Numbers rounded to be kept as ``kind``, uint8 or uint16; what is beyond 0 or 255 is cut."""
    inside = values.clip(0, 255)
    if kind == np.uint16:
        inside *= SIXTEEN_BIT_STEPS
    inside += 0.5
    kept: Samples = inside.astype(kind)
    return kept

"""Resampling as small matrices: one for the rows, one for the columns, for any rectangle of a picture.

A picture is worked on in rectangles, so that memory stays bounded. With matrices a rectangle comes out exactly as if
the whole picture had been resampled at once, edges included, and the work is left to BLAS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt

from upscaler.imaging.samples import Floats

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """A weighting function and how far it reaches to either side."""

    weight: Callable[[Doubles], Doubles]
    reach: float
    name: str = ""
    """As people call a way of shrinking."""


def gaussian(sigma: float) -> Kernel:
    """A Gaussian, cut off at three sigma."""
    return Kernel(lambda x: np.exp(-0.5 * (x / sigma) ** 2), 3 * sigma)


def _cubic(x: Doubles) -> Doubles:
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


BOX = Kernel(lambda x: np.where(np.abs(x) < 0.5, 1.0, 0.0), 0.5, "averaging")
TRIANGLE = Kernel(lambda x: np.maximum(0.0, 1 - np.abs(x)), 1.0)
CUBIC = Kernel(lambda x: _cubic(np.abs(x)), 2.0, "bicubic")
LANCZOS = Kernel(lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0), 3.0, "Lanczos")
BLUR = gaussian(3.0)


def reflected(index: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    """Indices beyond an axis of ``length`` mirrored back into it, however far out; the edge itself is not repeated."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    folded = np.abs(index) % period
    mirrored: npt.NDArray[np.int64] = np.minimum(folded, period - folded)
    return mirrored


def smoothstep(at: npt.NDArray[np.floating]) -> Floats:
    """From 0 at 0 to 1 at 1, and level beyond: without a corner at either end, which the eye would find."""
    at = at.clip(0, 1)
    return (at * at * (3 - 2 * at)).astype(np.float32, copy=False)


@lru_cache(maxsize=32)
def taps(kernel: Kernel, start: int, stop: int, length_in: int, length_out: int) -> tuple[int, Floats]:
    """How the output pixels from ``start`` to ``stop`` of an axis are mixed from input pixels.

    Returns the first input pixel needed and a matrix, (stop - start, input pixels needed), whose rows sum to 1. Where
    the axis shrinks, the kernel is stretched, so that nothing is skipped.
    """
    ratio = length_in / length_out
    stretch = max(1.0, ratio)
    centres = (np.arange(start, stop) + 0.5) * ratio - 0.5
    reach = int(np.ceil(kernel.reach * stretch))
    index = np.floor(centres).astype(np.int64)[:, None] + np.arange(-reach, reach + 2)
    weights = kernel.weight((index - centres[:, None]) / stretch)
    used = weights.any(axis=0)
    index, weights = reflected(index[:, used], length_in), weights[:, used]
    first = int(index.min())
    matrix = np.zeros((stop - start, int(index.max()) + 1 - first))
    np.add.at(matrix, (np.arange(stop - start)[:, None], index - first), weights)
    return first, (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)


def apply(rows: Floats, planes: Floats, columns: Floats) -> Floats:
    """``planes``, (channels, height, width), resampled by one matrix for its rows and one for its columns."""
    mixed = rows @ planes @ columns.T
    return cast(Floats, mixed)

"""Where a picture lacks detail: what ``subject_detection`` Auto goes by.

A picture is split into octaves. Where it is sharp, its finest octave holds about as much as the next two; where it is
blurred or was enlarged before, the shapes are still there in those, and the finest says little about them. Where even
the coarser octaves are empty, as in a studio's background, there is nothing to rebuild.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from upscaler.engines.local.resample import apply, gaussian, reflected, smoothstep, taps
from upscaler.imaging.samples import Floats, Samples, to_floats

CELL = 16
"""Side of the squares whose detail is told apart, in source pixels."""
STRIP = 16 * CELL
"""Source rows that are looked at in one go."""
BORDER = CELL
"""Source rows and columns around a strip that the filters reach into; a multiple of 4, the coarsest octave's pixel."""
SPREAD = gaussian(1.0)
"""How far a cell looks around, in cells: detail is scattered, and no border of the map is to be seen."""

SHARP, BLURRED = 0.45, 0.28
"""Fine detail divided by coarse, from which a cell gets none of the restoring, and up to which it gets all."""
MIDDLE, NEXT, LAST = np.float32(6 / 16), np.float32(4 / 16), np.float32(1 / 16)
"""The binomial filter of five, which takes away what half as many pixels could not hold."""

EMPTY, SHAPED = 0.5, 1.5
"""Coarse detail in levels of 255, up to which and from which a cell has shapes to rebuild."""


JPEG_WORN_BELOW, JPEG_LOST_AT = 70, 10
"""JPEG qualities below which fine detail counts as worn, and at which it counts as gone, wherever there are shapes.

A JPEG's blocks and ringing pass for fine detail, so the octaves can't tell. Measured on ten photographs, of the finest
octave's energy survive on average: quality 85 0.91, 70 0.78, 40 0.64, 20 0.48, 10 0.28.
"""


def missing(pixels: Samples, jpeg_quality: int | None, watch: Callable[[], None] = lambda: None) -> Floats:
    """How much detail is missing, from 0 to 1, in each cell of ``pixels``: RGB of 8 or 16 bits, (height, width, 3).

    ``jpeg_quality``: from 1 to 100, None for what is no JPEG. ``watch`` is called before each strip; what it raises
    ends the search. Gives (height, width) divided by ``CELL``, rounded up.
    """
    fine, coarse = octaves(pixels, watch)
    fine, coarse = _spread(fine), _spread(coarse)
    shaped = smoothstep((coarse - EMPTY) / (SHAPED - EMPTY))
    told = fine / np.maximum(coarse, np.float32(EMPTY))
    blurred = smoothstep((SHARP - told) / (SHARP - BLURRED))
    worn = (JPEG_WORN_BELOW - (jpeg_quality or 100)) / (JPEG_WORN_BELOW - JPEG_LOST_AT)
    lacking: Floats = shaped * np.maximum(blurred, np.float32(min(max(worn, 0.0), 1.0)))
    return lacking


def octaves(pixels: Samples, watch: Callable[[], None] = lambda: None) -> tuple[Floats, Floats]:
    """The mean detail of each cell in levels of 255: that of the finest octave, and the larger of the next two's."""
    height = pixels.shape[0]
    strips = []
    for top in range(0, height, STRIP):
        watch()
        strips.append(_strip(pixels, top, min(top + STRIP, height)))
    fine, coarse = (np.concatenate(parts) for parts in zip(*strips, strict=True))
    return fine, coarse


def _strip(pixels: Samples, top: int, bottom: int) -> tuple[Floats, Floats]:
    height, width = pixels.shape[:2]
    down, across = -(-(bottom - top) // CELL) * CELL, -(-width // CELL) * CELL
    rows = reflected(np.arange(top - BORDER, top + down + BORDER), height)
    columns = reflected(np.arange(-BORDER, across + BORDER), width)
    octave = to_floats(pixels[rows][:, columns]).mean(axis=2)
    means = []
    for side in (1, 2, 4):
        smooth = _smoothed(octave)
        inside = slice(BORDER // side, -(BORDER // side))
        cells = np.abs(octave - smooth)[inside, inside]
        size = CELL // side
        means.append(cells.reshape(down // CELL, size, across // CELL, size).mean(axis=(1, 3)))
        octave = smooth[::2, ::2]
    return means[0], np.maximum(means[1], means[2])


def _smoothed(octave: Floats) -> Floats:
    smooth = octave
    for axis in (0, 1):
        padded = np.pad(smooth, [(2, 2) if axis == along else (0, 0) for along in (0, 1)], mode="edge")
        a, b, c, d, e = (padded.take(range(at, at + octave.shape[axis]), axis) for at in range(5))
        smooth = MIDDLE * c + NEXT * (b + d) + LAST * (a + e)
    return smooth


def _spread(cells: Floats) -> Floats:
    height, width = cells.shape
    _, down = taps(SPREAD, 0, height, height, height)
    _, across = taps(SPREAD, 0, width, width, width)
    return apply(down, cells, across)

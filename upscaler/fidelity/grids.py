"""Pictures seen in cells of a few pixels: what is smaller than a cell's surroundings is nobody's business here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from upscaler.imaging.samples import Floats

CELL = 4
"""Side of a cell, in pixels of the pictures that are compared."""
Mask = npt.NDArray[np.bool_]


def cells(values: Floats) -> Floats:
    """The mean of each cell of ``values``, (height, width, ...); what is missing at the edges goes on as they do."""
    height, width = values.shape[:2]
    rest = [(0, -height % CELL), (0, -width % CELL)] + [(0, 0)] * (values.ndim - 2)
    if any(after for _, after in rest):
        values = np.pad(values, rest, mode="edge")
    # Rows first: numpy sums neighbouring values slowly where there are but four of them.
    down: Floats = values.reshape(-1, CELL, *values.shape[1:]).sum(axis=1)
    across = down[:, 0::CELL] + down[:, 1::CELL] + down[:, 2::CELL] + down[:, 3::CELL]
    return across / np.float32(CELL * CELL)


def around(values: Floats, times: int = 1) -> Floats:
    """Each value with its neighbours, in weights of 1, 2, 1 both ways, as often as ``times``; edges go on."""
    for _ in range(times):
        for axis in (0, 1):
            values = _blurred(values, axis)
    return values


def _blurred(values: Floats, axis: int) -> Floats:
    """``around`` one way, with one copy of ``values`` in memory and no more."""
    blurred: Floats = values * np.float32(2)
    before, into = np.moveaxis(values, axis, 0), np.moveaxis(blurred, axis, 0)
    into[1:] += before[:-1]
    into[0] += before[0]
    into[:-1] += before[1:]
    into[-1] += before[-1]
    blurred *= np.float32(0.25)
    return blurred


def boxed(values: Floats) -> Floats:
    """The mean of each value and its eight neighbours, (height, width); edges go on."""
    padded = np.pad(values, 1, mode="edge")
    down = padded[:-2] + padded[1:-1] + padded[2:]
    return (down[:, :-2] + down[:, 1:-1] + down[:, 2:]) / np.float32(9)

"""The last pass over an enlarged picture: exact size, true colours, transparency.

**Colour lock**: networks drift by a few levels (white becomes 253). The enlarged picture is shrunk back and compared
with the source; the difference, blurred so that no detail is undone, is added back enlarged.

**Flat stays flat**: where a source pixel and all around it are of one colour, as in a white background, the result has
that very colour. A cut-out that is pasted on white would otherwise show its edge as a shade of one level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from upscaler.engines.local.resample import BLUR, BOX, LANCZOS, TRIANGLE, apply, taps

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE = 128
"""Side of the squares that are worked on at a time, in source pixels."""
FLAT_REACH = 2
"""How far around a source pixel everything has to be of its colour; nearer to an edge, the networks draw the edge."""


@dataclass(frozen=True)
class _Axis:
    """What one side of a square needs: matrices and where their input starts."""

    inside: slice
    """The square's own part of the enlarged pixels that were read."""
    source: slice
    work: slice
    exact: Floats | None
    """From the working picture to the exact size, where they differ."""
    shrink: Floats
    """From the exact size back to the source's."""
    correct: Floats
    """From differences at source size to the correction: blurred, then enlarged."""

    @classmethod
    def plan(cls, start: int, stop: int, length: int, work_factor: int, factor: int) -> _Axis:
        near, enlarge = taps(TRIANGLE, start * factor, stop * factor, length, length * factor)
        first, blur = taps(BLUR, near, near + enlarge.shape[1], length, length)
        last = first + blur.shape[1]
        _, shrink = taps(BOX, first, last, length * factor, length)
        work, exact = slice(first * factor, last * factor), None
        if work_factor != factor:
            used, exact = taps(LANCZOS, work.start, work.stop, length * work_factor, length * factor)
            work = slice(used, used + exact.shape[1])
        return cls(
            inside=slice((start - first) * factor, (stop - first) * factor),
            source=slice(first, last),
            work=work,
            exact=exact,
            shrink=shrink,
            correct=enlarge @ blur,
        )


def squares(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The squares of a source picture of that size, row by row."""
    for top in range(0, height, SIDE):
        for left in range(0, width, SIDE):
            yield slice(top, min(top + SIDE, height)), slice(left, min(left + SIDE, width))


def locked(source: Bytes, work: Bytes, rows: slice, columns: slice, factor: int) -> Floats:
    """One square of the finished picture: exactly ``factor`` times the source, in the source's colours.

    ``source``: RGB, (height, width, 3). ``work``: the same picture enlarged by any whole number. ``rows`` and
    ``columns`` are the square in source pixels. Gives (factor * rows, factor * columns, 3), from 0 to 255, unrounded.
    """
    height, width = source.shape[:2]
    work_factor = work.shape[0] // height
    down = _Axis.plan(rows.start, rows.stop, height, work_factor, factor)
    across = _Axis.plan(columns.start, columns.stop, width, work_factor, factor)
    enlarged = _planes(work[down.work, across.work])
    if down.exact is not None and across.exact is not None:
        enlarged = apply(down.exact, enlarged, across.exact)
    difference = _planes(source[down.source, across.source]) - apply(down.shrink, enlarged, across.shrink)
    corrected = enlarged[:, down.inside, across.inside] + apply(down.correct, difference, across.correct)
    finished = np.clip(corrected, 0, 255).transpose(1, 2, 0)
    lowest, highest = _extremes(source, rows, columns, FLAT_REACH)
    flat = _repeated((lowest == highest).all(axis=2, keepdims=True), factor)
    return np.where(flat, _repeated(lowest, factor), finished)


def enlarged_alpha(alpha: Bytes, rows: slice, columns: slice, factor: int) -> Floats:
    """One square of an alpha channel, (height, width), enlarged: (factor * rows, factor * columns), from 0 to 255.

    Lanczos, but never beyond what the neighbouring source pixels hold: its ringing would leave a faint ghost of the
    outline in what is fully transparent, and holes in what is opaque.
    """
    height, width = alpha.shape
    top, down = taps(LANCZOS, rows.start * factor, rows.stop * factor, height, height * factor)
    left, across = taps(LANCZOS, columns.start * factor, columns.stop * factor, width, width * factor)
    near = alpha[top : top + down.shape[1], left : left + across.shape[1]].astype(np.float32)
    smooth = down @ near @ across.T
    lowest, highest = _extremes(alpha, rows, columns, 1)
    bounded: Floats = np.clip(smooth, _repeated(lowest, factor), _repeated(highest, factor))
    return bounded


def _planes(pixels: Bytes) -> Floats:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)


def _extremes(values: Bytes, rows: slice, columns: slice, reach: int) -> tuple[Bytes, Bytes]:
    """For each pixel of a rectangle the lowest and the highest value up to ``reach`` pixels around it."""
    height, width = values.shape[:2]
    down = np.arange(rows.start - reach, rows.stop + reach).clip(0, height - 1)
    across = np.arange(columns.start - reach, columns.stop + reach).clip(0, width - 1)
    lowest = highest = values[np.ix_(down, across)]
    for axis, length in ((0, rows.stop - rows.start), (1, columns.stop - columns.start)):
        shifts = [np.arange(shift, shift + length) for shift in range(2 * reach + 1)]
        lowest = np.minimum.reduce([lowest.take(shift, axis) for shift in shifts])
        highest = np.maximum.reduce([highest.take(shift, axis) for shift in shifts])
    return lowest, highest


def _repeated(values: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    return values.repeat(times, axis=0).repeat(times, axis=1)

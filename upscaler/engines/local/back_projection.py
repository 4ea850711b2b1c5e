"""The last pass over an enlarged picture: exact size, the source's own detail and colours.

**Back-projection**: the enlarged picture, shrunk again, has to be the source. Where it is not, the difference is
enlarged and added, a few times. There are several ways to shrink a picture; the one that fits best already is taken for
the one that the source was made with. With it, the result also comes nearer to the lost original (0.1 to 0.2 dB); with
another, it would go away from it.

**Colour lock**: where detail is to be changed (the restoring expert, or a worn JPEG that was cleaned), only the blurred
difference is added: networks drift by a few levels, white becomes 253.

**Flat stays flat**: where a source pixel and all around it are of one colour, as in a white background, the result has
that very colour. A cut-out that is pasted on white would otherwise show its edge as a shade of one level.

**White stays white**, up to the edge: a source pixel can only be pure white if all of what it shows is. The same goes
for pure black.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from upscaler.engines.local.resample import BLUR, BOX, CUBIC, LANCZOS, Kernel, apply, taps
from upscaler.imaging.samples import Floats, Samples, to_floats

SIDE = 160
"""Side of the squares that are worked on at a time, in source pixels."""
ROUNDS = 3
"""How often the difference is taken and added."""
MARGIN = 5 * ROUNDS
"""What is read around a square: each round reaches 3 pixels for shrinking, 2 for enlarging; the blur reaches 9."""
FLAT_REACH = 2
"""How far around a source pixel everything has to be of its colour; nearer to an edge, the networks draw the edge."""
REBUILT_FROM = np.float32(0.2)
"""The share of the restoring expert from which its detail stands: to match a blurred source would blur it again."""
NEARLY = 8
"""Levels of 255 that the networks stray from white or black beside an edge; where it is more, it is the edge itself."""
SHRINKS = (BOX, CUBIC, LANCZOS)
"""The ways of shrinking that programs offer."""

Area = tuple[slice, slice]
"""Rows and columns."""


class Keep(Enum):
    """In what the result, shrunk again, has to be the source."""

    DETAIL = auto()
    """In every pixel."""
    BRIGHTNESS = auto()
    """In every pixel's brightness, and in colours as they are a few pixels around it."""
    COLOUR = auto()
    """In colours, brightness included, as they are a few pixels around."""


@dataclass(frozen=True)
class _Axis:
    """What one side of a square needs: matrices and where their input starts."""

    inside: slice
    """The square's own part of the enlarged pixels."""
    source: slice
    work: slice
    exact: Floats | None
    """From the working picture to the exact size, where they differ."""

    @classmethod
    def plan(cls, part: slice, length: int, work_factor: int, factor: int) -> _Axis:
        first, last = max(part.start - MARGIN, 0), min(part.stop + MARGIN, length)
        work, exact = slice(first * factor, last * factor), None
        if work_factor != factor:
            used, exact = taps(LANCZOS, work.start, work.stop, length * work_factor, length * factor)
            work = slice(used, used + exact.shape[1])
        return cls(
            inside=slice((part.start - first) * factor, (part.stop - first) * factor),
            source=slice(first, last),
            work=work,
            exact=exact,
        )


def squares(height: int, width: int) -> Iterator[Area]:
    """The squares of a source picture of that size, row by row."""
    for top in range(0, height, SIDE):
        for left in range(0, width, SIDE):
            yield slice(top, min(top + SIDE, height)), slice(left, min(left + SIDE, width))


class BackProjection:
    """The finished pixels of one picture, square by square, by the rules above."""

    def __init__(self, source: Samples, work: Samples, factor: int, keep: Keep, shrink: Kernel = BOX) -> None:
        """``source``: RGB, (height, width, 3). ``work``: the same picture enlarged by any whole number.

        ``shrink``: how the result would be shrunk to become the source.
        """
        self._source = source
        self._work = work
        self._factor = factor
        self._work_factor = work.shape[0] // source.shape[0]
        self._keep = keep
        self._shrink = shrink

    def square(self, area: Area, changed: float | Floats = 0.0) -> Floats:
        """One square of the result, exactly ``factor`` times the source.

        ``changed``: from 0 to 1, how much of the restoring expert is in it, as a number or for each source pixel of
        ``reach(area)``, (rows, columns, 1). Gives (factor * rows, factor * columns, 3), from 0 to 255, unrounded.
        """
        down, across = self._axes(area)
        around = self._source[down.source, across.source]
        if (around == around[0, 0]).all():
            height, width = ((part.stop - part.start) * self._factor for part in area)
            return np.full((height, width, 3), to_floats(around[0, 0]))
        source, enlarged = _planes(around), self._enlarged(down, across)
        shares = np.asarray(changed, np.float32)
        kept: Floats = np.atleast_3d(1 - (shares / REBUILT_FROM).clip(0, 1)).transpose(2, 0, 1)
        if self._keep is Keep.COLOUR:
            kept = np.zeros_like(kept)
        difference = self._difference(source, enlarged)
        colour = _resampled(difference, BLUR, 1, 1)
        enlarged = self._corrected(enlarged, colour + kept * self._detail(difference - colour))
        if np.any(kept):
            for _ in range(ROUNDS - 1):
                difference = self._difference(source, enlarged)
                enlarged = self._corrected(enlarged, kept * self._detail(difference))
        finished = enlarged[:, down.inside, across.inside].transpose(1, 2, 0)
        lowest, highest = extremes(self._source, area, FLAT_REACH)
        flat = (lowest == highest).all(axis=2, keepdims=True)
        if flat.any():
            finished = np.where(repeated(flat, self._factor), repeated(to_floats(lowest), self._factor), finished)
        pixels = to_floats(self._source[area])
        for pure in (0, 255):
            is_pure = (pixels == pure).all(axis=2, keepdims=True)
            if is_pure.any():
                nearly = (np.abs(finished - pure) <= NEARLY).all(axis=2, keepdims=True)
                finished = np.where(nearly & repeated(is_pure, self._factor), np.float32(pure), finished)
        return finished

    def reach(self, area: Area) -> Area:
        """The rows and columns of the source that ``square`` looks at."""
        down, across = self._axes(area)
        return down.source, across.source

    def _axes(self, area: Area) -> tuple[_Axis, _Axis]:
        down, across = (
            _Axis.plan(part, length, self._work_factor, self._factor)
            for part, length in zip(area, self._source.shape[:2], strict=True)
        )
        return down, across

    def _enlarged(self, down: _Axis, across: _Axis) -> Floats:
        """A square and its margin, enlarged to the exact size, as planes (3, height, width)."""
        enlarged = _planes(self._work[down.work, across.work])
        if down.exact is not None and across.exact is not None:
            enlarged = apply(down.exact, enlarged, across.exact).clip(0, 255)
        return enlarged

    def _difference(self, source: Floats, enlarged: Floats) -> Floats:
        return source - shrunk(enlarged, self._shrink, self._factor)

    def _detail(self, difference: Floats) -> Floats:
        if self._keep is Keep.BRIGHTNESS:
            return difference.mean(axis=0, keepdims=True)
        return difference

    def _corrected(self, enlarged: Floats, difference: Floats) -> Floats:
        corrected = enlarged + _resampled(difference, CUBIC, 1, self._factor)
        return corrected.clip(0, 255)


def _planes(pixels: Samples) -> Floats:
    return np.ascontiguousarray(to_floats(pixels).transpose(2, 0, 1))


def shrunk(planes: Floats, kernel: Kernel, factor: int) -> Floats:
    """``planes``, (channels, height, width), made ``factor`` times smaller by one of ``SHRINKS``."""
    return _resampled(planes, kernel, factor, 1)


def _resampled(planes: Floats, kernel: Kernel, divisor: int, factor: int) -> Floats:
    """Planes, each side of them divided by ``divisor`` and multiplied by ``factor``; mirrored at their edges."""
    _, height, width = planes.shape
    rows = _whole(kernel, height, height // divisor * factor)
    columns = _whole(kernel, width, width // divisor * factor)
    return apply(rows, planes, columns)


@lru_cache(maxsize=64)
def _whole(kernel: Kernel, length_in: int, length_out: int) -> Floats:
    return taps(kernel, 0, length_out, length_in, length_out)[1]


def extremes(values: Samples, area: Area, reach: int) -> tuple[Samples, Samples]:
    """For each pixel of a rectangle the lowest and the highest value up to ``reach`` pixels around it."""
    rows, columns = area
    height, width = values.shape[:2]
    down = np.arange(rows.start - reach, rows.stop + reach).clip(0, height - 1)
    across = np.arange(columns.start - reach, columns.stop + reach).clip(0, width - 1)
    lowest = highest = values[np.ix_(down, across)]
    for axis, length in ((0, rows.stop - rows.start), (1, columns.stop - columns.start)):
        shifts = [np.arange(shift, shift + length) for shift in range(2 * reach + 1)]
        lowest = np.minimum.reduce([lowest.take(shift, axis) for shift in shifts])
        highest = np.maximum.reduce([highest.take(shift, axis) for shift in shifts])
    return lowest, highest


def repeated(values: npt.NDArray[Any], times: int) -> npt.NDArray[Any]:
    """Every value of (height, width, ...) as a square of ``times`` values a side."""
    return values.repeat(times, axis=0).repeat(times, axis=1)

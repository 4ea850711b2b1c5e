"""How much of the restoring network goes where."""

from __future__ import annotations

from typing import cast

import numpy as np

from upscaler.engines.local.resample import TRIANGLE, taps
from upscaler.imaging.samples import Floats


class Strength:
    """A share from 0 (faithful alone) to 1 (restoring alone), for the whole picture or for each part of it."""

    def __init__(self, share: float | Floats, step: int = 1) -> None:
        """``share``: a number, or a map, each value of which stands for a square of ``step`` source pixels a side.

        The last row and column of the map may reach beyond the source.
        """
        self._share = share
        self._step = step

    def anywhere(self, rows: slice, columns: slice) -> bool:
        """Whether the restoring network is needed at all in a rectangle of the source.

        Looks one value further on each side, since ``within`` fades from one to the next.
        """
        if isinstance(self._share, float):
            return self._share > 0
        down, across = (
            slice(max(part.start // self._step - 1, 0), (part.stop - 1) // self._step + 2) for part in (rows, columns)
        )
        return bool(self._share[down, across].any())

    def stretched(self, full: float, most: float = 1.0) -> Strength:
        """Shares of ``full`` and more become ``most``, smaller ones are stretched in proportion."""
        share = np.minimum(np.asarray(self._share, np.float32) / np.float32(full), np.float32(1)) * np.float32(most)
        return Strength(float(share) if isinstance(self._share, float) else share, self._step)

    @property
    def is_zero(self) -> bool:
        """Whether the restoring network is needed nowhere."""
        return not np.any(self._share)

    def within(self, rows: slice, columns: slice, factor: int) -> float | Floats:
        """The shares for a rectangle of the source, enlarged by ``factor``: (height, width, 1), or one number."""
        if isinstance(self._share, float):
            return self._share
        height, width = self._share.shape
        grow = factor * self._step
        top, down = taps(TRIANGLE, rows.start * factor, rows.stop * factor, height, height * grow)
        left, across = taps(TRIANGLE, columns.start * factor, columns.stop * factor, width, width * grow)
        near = self._share[top : top + down.shape[1], left : left + across.shape[1]]
        shares = down @ near @ across.T
        return cast(Floats, shares[..., None])

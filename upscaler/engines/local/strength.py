"""How much of the restoring network goes where."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt

from upscaler.engines.local.resample import TRIANGLE, taps

Floats = npt.NDArray[np.float32]


class Strength:
    """A share from 0 (faithful alone) to 1 (restoring alone), for the whole picture or for each source pixel."""

    def __init__(self, share: float | Floats) -> None:
        """``share``: a number, or a map of the source's (height, width)."""
        self._share = share

    def anywhere(self, rows: slice, columns: slice) -> bool:
        """Whether the restoring network is needed at all in a rectangle of the source.

        Looks one pixel further on each side, since ``within`` fades from one source pixel to the next.
        """
        if isinstance(self._share, float):
            return self._share > 0
        around = slice(max(rows.start - 1, 0), rows.stop + 1), slice(max(columns.start - 1, 0), columns.stop + 1)
        return bool(self._share[around].any())

    def within(self, rows: slice, columns: slice, factor: int) -> float | Floats:
        """The shares for a rectangle of the source, enlarged by ``factor``: (height, width, 1), or one number."""
        if isinstance(self._share, float):
            return self._share
        height, width = self._share.shape
        top, down = taps(TRIANGLE, rows.start * factor, rows.stop * factor, height, height * factor)
        left, across = taps(TRIANGLE, columns.start * factor, columns.stop * factor, width, width * factor)
        near = self._share[top : top + down.shape[1], left : left + across.shape[1]]
        shares = down @ near @ across.T
        return cast(Floats, shares[..., None])

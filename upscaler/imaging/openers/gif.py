"""GIF: around a frame that is smaller than its screen there is nothing, as in browsers; Pillow fills it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import GifImagePlugin

from upscaler.imaging.openers.base import SampledFile
from upscaler.imaging.samples import Samples


class GifFile(SampledFile, GifImagePlugin.GifImageFile):
    """A GIF, transparent where its first frame does not reach."""

    is_sampled = False

    def _open(self) -> None:
        super()._open()
        self._frame_box: tuple[int, ...] = tuple(self.dispose_extent or (0, 0, *self._size))
        self.is_sampled = self._frame_box != (0, 0, *self._size) and not self.is_animated

    def samples(self) -> Samples:
        """RGBA."""
        fp: Any = self._fp
        fp.seek(0)
        image = GifImagePlugin.GifImageFile(fp).convert("RGBA")
        values = np.array(image)
        left, top, right, below = self._frame_box
        inside = np.zeros(values.shape[:2], bool)
        inside[top:below, left:right] = True
        values[~inside] = 0
        return values

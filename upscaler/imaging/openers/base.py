"""What all files have in common of which something else than Pillow reads the pixels."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from upscaler.errors import PublicError
from upscaler.imaging.samples import Samples

NOTES = "notes"
"""In an opened picture's ``info``: what of the file is left out or changed, as sentences for people."""
UNSUPPORTED = "unsupported_kind"
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's by the number of channels."""


class SampledFile(ImageFile.ImageFile):
    """A picture whose pixels come from `samples`; Pillow has them in 8 bits."""

    is_sampled = True
    """False for a file that Pillow reads itself all the same."""

    @abstractmethod
    def samples(self) -> Samples:
        """(height, width, 1 to 4), upright, in 8 or 16 bits: all that the file has of both.

        Their colours are those of ``info["icc_profile"]``, in sRGB without one. Raises anything for a damaged file, and
        PublicError for a kind of file that can't be read.
        """

    def load(self) -> Any:
        """Pillow's picture of `samples`."""
        if not self.is_sampled:
            return super().load()
        if self._im is None:
            image = Image.fromarray(shallow(self.samples()))
            self._im, self._mode, self._size = image.im, image.mode, image.size
            self.tile = []
        return self._im.pixel_access(self.readonly)  # type: ignore[union-attr]


def shallow(values: Samples) -> Any:
    """The same in 8 bits, as Pillow takes them."""
    if values.dtype == np.uint16:
        shallower = np.empty(values.shape, np.uint8)
        for row in range(len(values)):
            shallower[row] = (values[row].astype(np.uint32) + 128) // 257
        values = shallower
    return np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values)


def add_note(image: Image.Image, sentence: str) -> None:
    """Something to be said about the file where people look."""
    if sentence not in image.info.setdefault(NOTES, []):
        image.info[NOTES].append(sentence)


def unsupported(kind: str, way_out: str) -> PublicError:
    """The refusal of a kind of picture that is known and can't be read. ``kind`` with its article."""
    return PublicError(f"This is {kind}, which can't be read here. {way_out}", code=UNSUPPORTED)

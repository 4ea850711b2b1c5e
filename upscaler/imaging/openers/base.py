"""What all files have in common of which something else than Pillow reads the pixels."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from upscaler.errors import PublicError
from upscaler.imaging import declared_colour
from upscaler.imaging.declared_colour import Declared
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips

NOTES = "notes"
"""In an opened picture's ``info``: what of the file is left out or changed, as sentences for people."""
UNSUPPORTED = "unsupported_kind"
GREYS = ("1", "L", "LA", "I", "I;16")
"""Pillow's modes of grey."""
LARGE_FROM = 16_000_000
"""Pixels from which on `SampledFile.samples_within` saves memory at the cost of shades that nobody sees."""


class SampledFile(ImageFile.ImageFile):
    """A picture whose pixels come from `samples`; Pillow has them in 8 bits."""

    is_sampled = True
    """False for a file that Pillow reads itself all the same."""
    is_upright = False
    """Whether the pixels are turned already, whatever EXIF says."""

    memory_per_pixel = 0.0
    """Bytes that `samples_within` takes at most for each pixel of a large picture; 0 for so few that none counts."""
    kind_in_words = ""
    """The kind of file that takes so many, in the plural."""

    @abstractmethod
    def samples(self) -> Samples:
        """(height, width, 1 to 4), in 8 or 16 bits: all that the file has. They lie as Pillow's own would.

        Their colours are those of ``info["icc_profile"]``, in sRGB without one. Raises anything for a damaged file, and
        PublicError for a kind of file that can't be read.
        """

    def samples_within(self, side: int) -> Samples | None:
        """`samples`, averaged until no side is much longer than ``side`` pixels, in as little memory as can be.

        All of the file is read. None for a file that Pillow reads itself.
        """
        return within(self.samples(), side) if self.is_sampled else None

    def check_size(self, values: Samples) -> Samples:
        """The same. Raises ValueError for pixels that are not of the size that the file's header says."""
        if values.shape[1::-1] != self._size:
            raise ValueError("The header says another size than the pixels have.")
        return values

    def whole_file(self) -> bytes:
        """For libraries that take no part of one."""
        file: Any = self.fp
        file.seek(0)
        content: bytes = file.read()
        return content

    def load(self) -> Any:
        """Pillow's picture of `samples`."""
        if not self.is_sampled:
            return super().load()
        if self._im is None:
            image = Image.fromarray(shallow(self.check_size(self.samples())))
            self._im, self._mode, self._size = image.im, image.mode, image.size
            self.tile = []
        return self._im.pixel_access(self.readonly)


def within(values: Samples, side: int, *, is_associated: bool = False) -> Samples:
    """The pixels, averaged until no side is longer than ``side``; colours count by how opaque they are.

    ``is_associated``: whether they are multiplied by that already, and stay so.
    """
    height, width, channels = values.shape
    values = np.ascontiguousarray(values)
    kind = "ushort" if values.dtype == np.uint16 else "uchar"
    image = pyvips.Image.new_from_memory(values, width, height, channels, kind)
    grey, colours = ("grey16", "rgb16") if kind == "ushort" else ("b-w", "srgb")
    image = image.copy(interpretation="multiband" if is_associated else grey if channels < 3 else colours)
    return array(averaged(image, side, is_associated=is_associated))


def averaged(image: Any, side: int, *, is_associated: bool = False) -> Any:
    """`within` for a libvips image in the end of whose channels there may be transparency; it is read once."""
    scale = side / max(image.width, image.height)
    if scale >= 1:
        return image
    if is_associated or not image.hasalpha():
        return image.resize(scale)
    return image.premultiply().resize(scale).unpremultiply().rint().cast(image.format)


def array(image: Any) -> Any:
    """(height, width, channels) of a libvips image."""
    return image.numpy().reshape(image.height, image.width, image.bands)


def shallow(values: Samples) -> Any:
    """The same in 8 bits, as Pillow takes them."""
    if values.dtype == np.uint16:
        shallower = np.empty(values.shape, np.uint8)
        for row in range(len(values)):
            shallower[row] = (values[row].astype(np.uint32) + 128) // 257
        values = shallower
    return np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values)


def deepened(values: Samples) -> Samples:
    """8 bits as 16."""
    return values.astype(np.uint16) * 257


def full_range(values: Samples, depth: int) -> Samples:
    """16-bit numbers of which only the upper ``depth`` bits are used, so that white is 65535."""
    if values.dtype != np.uint16 or depth >= 16:
        return values
    most = 2**depth - 1
    levels = ((np.arange(most + 1) * 65535 + most // 2) // most).astype(np.uint16)
    return levels[values >> (16 - depth)]


def unassociated(values: Samples, alpha: Samples) -> Samples:
    """Colours as they are without the transparency that they were multiplied by, both in as many bits."""
    full = np.iinfo(values.dtype).max
    apart = np.empty_like(values)
    for row in range(len(values)):
        share = np.maximum(alpha[row].astype(np.uint64), 1)
        apart[row] = np.minimum((values[row].astype(np.uint64) * full + share // 2) // share, full)
    return apart


def declare(image: Image.Image, declared: Declared | None) -> None:
    """Note of a picture, in RGB, what it declares of its colours: by a profile, where that is enough."""
    if declared is None:
        return
    if declared.is_hdr:
        add_note(image, declared_colour.HDR_NOTE)
    if not declared.must_be_converted and not declared.is_srgb:
        image.info["icc_profile"] = declared_colour.profile(declared, grey=image.mode in GREYS)


def add_note(image: Image.Image, sentence: str) -> None:
    """Something to be said about the file where people look."""
    if sentence not in image.info.setdefault(NOTES, []):
        image.info[NOTES].append(sentence)


def unsupported(kind: str, way_out: str) -> PublicError:
    """The refusal of a kind of picture that is known and can't be read. ``kind`` with its article."""
    return PublicError(f"This is {kind}, which can't be read here. {way_out}", code=UNSUPPORTED)

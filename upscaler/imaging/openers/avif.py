"""AVIF: the colours that its nclx box declares, and more than 8 bits, which Pillow drops."""

from __future__ import annotations

import struct

from PIL import AvifImagePlugin

from upscaler.imaging import declared_colour, pixels
from upscaler.imaging.declared_colour import Declared
from upscaler.imaging.openers import boxes
from upscaler.imaging.openers.base import SampledFile, declare, full_range
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips


class AvifFile(SampledFile, AvifImagePlugin.AvifImageFile):
    """An AVIF; libvips reads what has more than 8 bits or is to be converted."""

    is_sampled = False
    _declared: Declared | None = None
    _depth = 8
    _content = b""

    def _open(self) -> None:
        super()._open()
        content = self.whole_file()
        told = _properties(content)
        self._depth = _depth(told)
        if not self.info.get("icc_profile"):
            self._declared = _nclx(told)
        declare(self, self._declared)
        self.is_sampled = self._depth > 8 or (self._declared is not None and self._declared.must_be_converted)
        if self.is_sampled:
            # libheif turns the picture itself.
            if pixels.orientation(self) in pixels.TURNED:
                self._size = self._size[::-1]
            self.is_upright, self._content, self.tile = True, content, []

    def samples(self) -> Samples:
        """Upright."""
        image = pyvips.Image.heifload_buffer(self._content, access="sequential", fail_on="truncated")
        values = full_range(image.numpy().reshape(image.height, image.width, image.bands), self._depth)
        if self._declared is not None and self._declared.must_be_converted:
            return declared_colour.in_srgb(values, self._declared)
        return values


def _properties(content: bytes) -> list[tuple[bytes, bytes]]:
    try:
        return boxes.properties_of_primary(content)
    except (struct.error, IndexError):
        return []


def _depth(told: list[tuple[bytes, bytes]]) -> int:
    """Bits a channel: a grid of pictures has them in pixi alone."""
    for kind, content in told:
        if kind == b"pixi" and len(content) > 5:
            return max(content[5 : 5 + content[4]])
    for kind, content in told:
        if kind == b"av1C" and len(content) > 2:
            return 12 if content[2] & 0x20 else 10 if content[2] & 0x40 else 8
    return 8


def _nclx(told: list[tuple[bytes, bytes]]) -> Declared | None:
    for kind, content in told:
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 10:
            return declared_colour.from_numbers(*struct.unpack_from(">HH", content, 4))
    return None

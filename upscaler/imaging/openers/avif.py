"""AVIF: the colours that its nclx box declares, and more than 8 bits, which Pillow drops."""

from __future__ import annotations

import struct

import numpy as np
from PIL import AvifImagePlugin

from upscaler.imaging import declared_colour, pixels
from upscaler.imaging.declared_colour import Declared
from upscaler.imaging.openers import boxes
from upscaler.imaging.openers.base import LARGE_FROM, SampledFile, declare, deepened, full_range, within
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips


class AvifFile(SampledFile, AvifImagePlugin.AvifImageFile):
    """An AVIF; libvips reads what has more than 8 bits or is to be converted."""

    is_sampled = False
    _declared: Declared | None = None
    _depth = 8
    _content = b""
    _turn = 1

    def _open(self) -> None:
        super()._open()
        content = self.whole_file()
        told = _properties(content)
        self._depth = _depth(told)
        if not self.info.get("icc_profile"):
            self._declared = _nclx(told)
        declare(self, self._declared)
        self.is_sampled = self._depth > 8 or (self._declared is not None and self._declared.must_be_converted)
        has_alpha = self.mode in ("LA", "RGBA")
        self.memory_per_pixel = _memory_per_pixel(told, len(self.getbands()), has_alpha=has_alpha)
        self.kind_in_words = f"AVIF files with {self._depth} bits a channel" + has_alpha * " and transparency"
        if self.is_sampled:
            # libheif turns the picture itself.
            self._turn = pixels.orientation(self)
            if self._turn in pixels.TURNED:
                self._size = self._size[::-1]
            self.is_upright, self._content, self.tile = True, content, []

    def samples(self) -> Samples:
        """Upright."""
        image = pyvips.Image.heifload_buffer(self._content, access="sequential", fail_on="truncated")
        values = full_range(image.numpy().reshape(image.height, image.width, image.bands), self._depth)
        if self._declared is not None and self._declared.must_be_converted:
            return declared_colour.in_srgb(values, self._declared)
        return values

    def samples_within(self, side: int) -> Samples | None:
        """Upright where `samples` are; of a large picture no more than 8 bits are decoded."""
        if self.width * self.height < LARGE_FROM:
            return super().samples_within(side)
        (width, height), _, mode = self._decoder.get_info()[:3]
        decoded = np.frombuffer(self._decoder.get_frame(0)[0], np.uint8)
        values = within(decoded.reshape(height, width, len(mode)), side)
        if self._declared is not None and self._declared.must_be_converted:
            values = declared_colour.in_srgb(deepened(values), self._declared)
        return pixels.upright_view(values, self._turn)


def _memory_per_pixel(told: list[tuple[bytes, bytes]], channels: int, *, has_alpha: bool) -> float:
    """Bytes that libavif takes: the colours as they are coded, and two copies of the pixels in 8 bits."""
    coded = next((content for kind, content in told if kind == b"av1C" and len(content) > 2), None)
    if coded is None:
        # A grid of tiles, each decoded before it is put in its place.
        return 2.0 * channels + 2 * 2 * (3 + has_alpha)
    flags = coded[2]
    across, down = flags >> 3 & 1, flags >> 2 & 1
    planes = 1 if flags & 0x10 else 1 + 2 / ((1 + across) * (1 + down))
    return 2 * channels + (planes + has_alpha) * (2 if flags & 0x40 else 1)


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

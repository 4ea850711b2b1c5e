"""WebP: opened by its chunks alone, and shrunk while it is decoded; Pillow makes room for all pixels on opening one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from PIL import WebPImagePlugin
from PIL._webp import WebPAnimDecoder

from upscaler.imaging.openers.base import LARGE_FROM, SampledFile, array, averaged
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips

CARRIED = {b"ICCP": "icc_profile", b"EXIF": "exif", b"XMP ": "xmp"}
"""Where Pillow keeps what a chunk holds."""
FRAME = b"ANMF"
HEAD_LENGTH, ALPHA_FLAG, LOSSLESS_ALPHA = 30, 0x10, 1 << 28
MAX_CHUNKS = 20_000
FINER = 2
"""How much larger than wanted libwebp makes a picture, whose own averaging is coarse."""


class WebpFile(SampledFile, WebPImagePlugin.WebPImageFile):
    """A WebP; libvips reads a large one for the screen, Pillow all others."""

    is_sampled = False
    _made: Any = None

    def _open(self) -> None:
        self._content = self.whole_file()
        self._size, has_alpha = _head(self._content[:HEAD_LENGTH])
        self._mode, self.rawmode = ("RGBA", "RGBA") if has_alpha else ("RGB", "RGBX")
        frames = 0
        for kind, start, end in _chunks(self._content):
            if kind in CARRIED and end > start:
                self.info.setdefault(CARRIED[kind], self._content[start:end])
            frames += kind == FRAME
        self.n_frames = max(1, frames)
        self.is_animated = frames > 1
        self._reset(reset=False)

    @property
    def _decoder(self) -> Any:
        # Pillow's own methods ask for it by this name.
        if self._made is None:
            self._made = WebPAnimDecoder(self._content)
            if tuple(self._made.get_info()[0]) != self._size:
                raise ValueError("The header says another size than the pixels have.")
        return self._made

    def samples(self) -> Samples:
        """As they lie in the file."""
        return array(pyvips.Image.webpload_buffer(self._content, fail_on="truncated"))

    def samples_within(self, side: int) -> Samples | None:
        """As they lie in the file."""
        if self.width * self.height < LARGE_FROM:
            return None
        scale = min(1.0, FINER * side / max(self._size))
        image = pyvips.Image.webpload_buffer(self._content, scale=scale, access="sequential", fail_on="truncated")
        return array(averaged(image, side))


def _head(head: bytes) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether there is transparency. Raises SyntaxError for what is no head of a WebP."""
    kind, bits = head[12:16], int.from_bytes(head[21:25], "little")
    if len(head) < HEAD_LENGTH or head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        raise SyntaxError("not a WebP")
    if kind == b"VP8X":
        size = 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        return size, bool(head[20] & ALPHA_FLAG)
    if kind == b"VP8L":
        return (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)), bool(bits & LOSSLESS_ALPHA)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return (width & 0x3FFF, height & 0x3FFF), False
    raise SyntaxError("a WebP without a picture")


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, and where what it holds begins and ends."""
    (length,) = struct.unpack_from("<I", content, 4)
    end, at = min(len(content), length + 8), 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > end:
            return
        kind, length = struct.unpack_from("<4sI", content, at)
        yield kind, at + 8, min(end, at + 8 + length)
        at += 8 + length + length % 2

"""JPEG XL, read by libjxl through pillow-jxl-plugin, whose own opener decodes before anybody can look at the size."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pillow_jxl
from PIL import Image, ImageFile

from upscaler.imaging.openers import boxes
from upscaler.imaging.openers.base import SampledFile
from upscaler.imaging.samples import Samples

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height by number, from 1 on; 0 gives the width itself."""
TURNED = (5, 6, 7, 8)
SHAPES = {"L": ("u1", 1), "LA": ("u1", 2), "RGB": ("u1", 3), "RGBA": ("u1", 4)}
DEEP = {"I;16": 1, "LA;16": 2, "RGB;16": 3, "RGBA;16": 4}
FLOATS = {"F": 1, "RGBF": 3}


def accept(head: bytes) -> bool:
    """Whether a file's first bytes are those of a JPEG XL."""
    return head.startswith((CODESTREAM, CONTAINER))


class JxlFile(SampledFile):
    """A JPEG XL of one frame, upright."""

    format = "JXL"
    format_description = "JPEG XL"
    is_upright = True

    def _open(self) -> None:
        self._content = self.whole_file()
        try:
            self._size, is_animated = _header(_codestream(self._content))
        except (IndexError, struct.error) as error:
            raise SyntaxError(str(error)) from None
        self.n_frames = 2 if is_animated else 1
        self._mode = "RGB"
        self._decoded: Samples | None = None
        if not self._content.startswith(CODESTREAM):
            self._read_boxes()

    def _read_boxes(self) -> None:
        for kind, start, end in boxes.children(self._content):
            if kind == b"Exif" and end - start > 8:
                (skip,) = struct.unpack_from(">I", self._content, start)
                self.info["exif"] = b"Exif\0\0" + self._content[start + 4 + skip : end]
            elif kind == b"xml ":
                self.info["xmp"] = self._content[start:end]

    def samples(self) -> Samples:
        """Upright; decodes once, as the profile comes with the pixels."""
        if self._decoded is None:
            is_jpeg, told, data, profile, _ = pillow_jxl.Decoder(num_threads=1)(self._content)
            if profile:
                self.info["icc_profile"] = bytes(profile)
            self._decoded = _of_jpeg(self, data) if is_jpeg else _values(told, data)
        return self._decoded


def _of_jpeg(image: ImageFile.ImageFile, data: bytes) -> Samples:
    """A JPEG that was packed without loss."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as inside:
        if "icc_profile" in inside.info:
            image.info["icc_profile"] = inside.info["icc_profile"]
        plain: Any = np.asarray(inside.convert("RGB") if inside.mode not in ("L", "RGB") else inside)
    return np.ascontiguousarray(plain.reshape(*plain.shape[:2], -1))


def _values(told: Any, data: bytes) -> Samples:
    mode = told.mode
    if mode in SHAPES:
        kind, channels = SHAPES[mode]
    elif mode.startswith("F") or mode in FLOATS:
        kind, channels = ("f2" if mode.endswith("16") else "f4"), told.num_channels + bool(told.has_alpha_channel)
        channels = len(data) // (told.width * told.height * np.dtype(kind).itemsize)
    else:
        kind, channels = "u2", len(data) // (told.width * told.height * 2)
    values: Any = np.frombuffer(data, kind).reshape(told.height, told.width, channels)
    if values.dtype.kind == "f":
        values = (np.nan_to_num(values.astype(np.float32)).clip(0, 1) * 65535 + 0.5).astype(np.uint16)
    return np.ascontiguousarray(values)


def _codestream(content: bytes) -> bytes:
    """Enough of its beginning."""
    if content.startswith(CODESTREAM):
        return content[:64]
    for kind, start, end in boxes.children(content):
        if kind in (b"jxlc", b"jxlp"):
            start += 4 if kind == b"jxlp" else 0
            return content[start : min(end, start + 64)]
    raise SyntaxError("no codestream")


def _header(stream: bytes) -> tuple[tuple[int, int], bool]:
    """Width and height in pixels, upright, and whether there is an animation (ISO/IEC 18181-1, annex D)."""
    if not stream.startswith(CODESTREAM):
        raise SyntaxError("no codestream")
    bits = _Bits(stream[2:])
    width, height = _size(bits)
    orientation, is_animated = 1, False
    if not bits.take(1) and bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _size(bits)
        if not bits.take(1):
            is_animated = bool(bits.take(1))
    return ((height, width) if orientation in TURNED else (width, height)), is_animated


def _size(bits: _Bits) -> tuple[int, int]:
    is_small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if is_small else 1 + bits.take((9, 13, 18, 30)[bits.take(2)])

    height = side()
    ratio = bits.take(3)
    if ratio == 0:
        return side(), height
    across, down = RATIOS[ratio - 1]
    return height * across // down, height


class _Bits:
    """Numbers from a stream of bits, lowest first. Raises IndexError at its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError("the header ends early")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return taken

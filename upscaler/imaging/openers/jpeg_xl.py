"""JPEG XL, read by libjxl through pillow-jxl-plugin, whose own opener decodes before anybody can look at the size."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pillow_jxl
from PIL import Image, ImageFile

from upscaler.imaging import declared_colour
from upscaler.imaging.declared_colour import Declared
from upscaler.imaging.openers import boxes
from upscaler.imaging.openers.base import SampledFile, declare, deepened, within
from upscaler.imaging.samples import Samples

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height by number, from 1 on; 0 gives the width itself."""
TURNED = (5, 6, 7, 8)
SHAPES = {"L": ("u1", 1), "LA": ("u1", 2), "RGB": ("u1", 3), "RGBA": ("u1", 4)}
FLOATS = {"F": 1, "RGBF": 3}
LARGEST = (4, 4, True)
WITH_JPEG = 17.0
"""Bytes of memory that are reserved for each pixel where a JPEG is unpacked."""
DEPTHS = {1: "8 bits a channel", 2: "more than 8 bits a channel", 4: "floats"}
"""By the bytes of a channel."""


def accept(head: bytes) -> bool:
    """Whether a file's first bytes are those of a JPEG XL."""
    return head.startswith((CODESTREAM, CONTAINER))


class JxlFile(SampledFile):
    """A JPEG XL of one frame, upright."""

    format = "JXL"
    format_description = "JPEG XL"
    is_upright = True
    _hdr: Declared | None = None

    def _open(self) -> None:
        self._content = self.whole_file()
        try:
            self._size, is_animated, (depth, channels, is_lossless) = _header(_codestream(self._content))
        except (IndexError, struct.error) as error:
            raise SyntaxError(str(error)) from None
        self.n_frames = 2 if is_animated else 1
        self._mode = "RGB"
        self.memory_per_pixel = _memory_per_pixel(depth, channels, is_lossless=is_lossless)
        self.kind_in_words = (
            f"JPEG XL files with {DEPTHS[depth]}"
            + " and transparency" * (channels > 3)
            + ", without loss" * is_lossless
        )
        self._decoded: Samples | None = None
        if not self._content.startswith(CODESTREAM):
            self._read_boxes()

    def _read_boxes(self) -> None:
        for kind, start, end in boxes.children(self._content):
            if kind == b"Exif" and end - start > 8:
                (skip,) = struct.unpack_from(">I", self._content, start)
                self.info["exif"] = b"Exif\0\0" + self._content[start + 4 + skip : end]
            elif kind == b"jbrd":
                self.memory_per_pixel, self.kind_in_words = WITH_JPEG, "JPEG XL files that hold a JPEG"
            elif kind == b"xml ":
                self.info["xmp"] = self._content[start:end]

    def samples(self) -> Samples:
        """Upright; decodes once, as the profile comes with the pixels."""
        if self._decoded is None:
            self._decoded = self._meant(self._read(None))
        return self._decoded

    def samples_within(self, side: int) -> Samples | None:
        """Upright."""
        values = within(self._read(side), side)
        return values if self._hdr is None else self._meant(values if values.dtype == np.uint16 else deepened(values))

    def _read(self, side: int | None) -> Samples:
        is_jpeg, told, data, profile, _ = pillow_jxl.Decoder(num_threads=1)(self._content)
        self._hdr = declared_colour.hdr_of_profile(bytes(profile)) if profile else None
        if self._hdr is not None:
            declare(self, self._hdr)
        elif profile:
            self.info["icc_profile"] = bytes(profile)
        return _of_jpeg(self, data, side) if is_jpeg else self.check_size(_values(told, data))

    def _meant(self, values: Samples) -> Samples:
        return values if self._hdr is None else declared_colour.in_srgb(values, self._hdr)


def _of_jpeg(image: ImageFile.ImageFile, data: bytes, side: int | None) -> Samples:
    """A JPEG that was packed without loss, where there is a ``side`` shrunk to no less than that."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as inside:
        if "icc_profile" in inside.info:
            image.info["icc_profile"] = inside.info["icc_profile"]
        if side is not None:
            inside.draft(None, (side, side))
        plain: Any = np.asarray(inside.convert("RGB") if inside.mode not in ("L", "RGB") else inside)
    return np.ascontiguousarray(plain.reshape(*plain.shape[:2], -1))


def _values(told: Any, data: bytes) -> Samples:
    mode = told.mode
    if mode in SHAPES:
        kind, channels = SHAPES[mode]
    elif mode.startswith("F") or mode in FLOATS:
        kind = "f2" if mode.endswith("16") else "f4"
        channels = len(data) // (told.width * told.height * np.dtype(kind).itemsize)
    else:
        kind, channels = "u2", len(data) // (told.width * told.height * 2)
    values: Any = np.frombuffer(data, kind).reshape(told.height, told.width, channels)
    if values.dtype.kind == "f":
        numbers, values = values, np.empty(values.shape, np.uint16)
        for row, levels in enumerate(numbers):
            values[row] = np.nan_to_num(levels.astype(np.float32)).clip(0, 1) * 65535 + 0.5
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


def _header(stream: bytes) -> tuple[tuple[int, int], bool, tuple[int, int, bool]]:
    """Width and height in pixels, upright, whether there is an animation, and its `_form`
    (ISO/IEC 18181-1, annex D)."""
    if not stream.startswith(CODESTREAM):
        raise SyntaxError("no codestream")
    bits = _Bits(stream[2:])
    width, height = _size(bits)
    orientation, is_animated, form = 1, False, (1, 3, False)
    if not bits.take(1):
        has_preview = False
        if bits.take(1):
            orientation = 1 + bits.take(3)
            if bits.take(1):
                _size(bits)
            has_preview = bool(bits.take(1))
            is_animated = not has_preview and bool(bits.take(1))
        # What follows is not looked for behind a preview, which nobody writes.
        form = LARGEST if has_preview or is_animated else _form(bits)
    return ((height, width) if orientation in TURNED else (width, height)), is_animated, form


def _form(bits: _Bits) -> tuple[int, int, bool]:
    """Bytes of a channel, how many channels a pixel has, and whether they may be coded without loss."""
    if bits.take(1):
        depth = 2 if bits.choice(32, 16, 24, None) == 16 else 4
        bits.take(4)
    else:
        depth = 1 if bits.choice(8, 10, 12, None) <= 8 else 2
    bits.take(1)
    further = bits.take(2)
    # Of one usual channel for transparency nothing more is said, then it is known what comes next.
    is_lossy = bool((further == 0 or (further == 1 and bits.take(1))) and bits.take(1))
    return depth, 3 + (further > 0), not is_lossy


def _memory_per_pixel(depth: int, channels: int, *, is_lossless: bool) -> float:
    """Bytes that libjxl reserves: numbers of 32 bits for what is coded without loss, and the pixels, copied once."""
    exact = channels if is_lossless else 1.5 * (channels > 3)
    return 4 * exact + 2.05 * depth * channels


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

    def choice(self, *known: int | None) -> int:
        """One of four numbers; None for one that follows in six bits."""
        found = known[self.take(2)]
        return 1 + self.take(6) if found is None else found

"""Pictures for the tests: real photographs that scikit-image ships, and files that are none."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import pyvips
from PIL import Image
from skimage import data


@cache
def _photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(data, name)())


def photograph(name: str = "astronaut", size: tuple[int, int] | None = None) -> Image.Image:
    """A real photograph: astronaut (a person, 512 x 512), coffee, chelsea (a cat), rocket."""
    picture = _photograph(name).copy()
    return picture.resize(size, Image.Resampling.LANCZOS) if size else picture


def encoded(picture: Image.Image, format_name: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def jpeg(size: tuple[int, int] = (48, 40), name: str = "astronaut") -> bytes:
    """A small JPEG of a real photograph."""
    return encoded(photograph(name, size), "JPEG", quality=92)


def cut_out(size: tuple[int, int] = (48, 48)) -> bytes:
    """A PNG of a photograph with a transparent surrounding, like a product cut-out."""
    picture = photograph("coffee", size).convert("RGBA")
    yy, xx = np.mgrid[: size[1], : size[0]]
    inside = ((xx - size[0] / 2) / (size[0] * 0.4)) ** 2 + ((yy - size[1] / 2) / (size[1] * 0.4)) ** 2 < 1
    picture.putalpha(Image.fromarray((inside * 255).astype("uint8")))
    return encoded(picture, "PNG")


def deep(channels: int, size: tuple[int, int] = (60, 40)) -> np.ndarray:
    """A photograph in 16 bits with shades that 8 bits can't tell apart: (height, width, channels)."""
    image = photograph("coffee", size)
    fine = np.asarray(image.convert("RGB" if channels > 2 else "L"), np.uint16).reshape(size[1], size[0], -1) * 257
    fine = np.minimum(fine + np.arange(size[0], dtype=np.uint16)[:, None], 65535).astype(np.uint16)
    fine[0, 0], fine[0, 1] = 0, 65535
    if channels in (2, 4):
        alpha = np.linspace(0, 65535, size[0] * size[1]).astype(np.uint16).reshape(size[1], size[0], 1)
        alpha[:2] = 65535
        fine = np.concatenate([fine, alpha], axis=2)
    return fine


def deep_png(values: np.ndarray) -> bytes:
    """Such values as a 16-bit PNG."""
    height, width, channels = values.shape
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(values), width, height, channels, "ushort")
    return image.copy(interpretation="rgb16" if channels > 2 else "grey16").pngsave_buffer()


def huge_header() -> bytes:
    """A PNG whose header claims 60000 x 60000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def animated_gif(frames: int = 100) -> bytes:
    """A GIF with that many different frames."""
    pictures = [Image.new("L", (8, 8), 2 * i) for i in range(frames)]
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=40)


SVG = (
    b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
)

BAD_FILES: dict[str, tuple[str, bytes, str, str]] = {
    # name of the case: file name, bytes, code, words that the message must have
    "text named jpg": ("notes.jpg", b"Dear team, these are the notes. " * 40, "not_a_picture", "not a picture"),
    "truncated jpeg": ("shirt.jpg", jpeg((300, 300))[:9000], "damaged", "damaged or incomplete"),
    "one byte": ("dot.png", b"\x89", "not_a_picture", "not a picture"),
    "empty": ("empty.jpg", b"", "empty", "is empty"),
    "60000 x 60000": ("bomb.png", huge_header(), "too_many_pixels", "60,000 × 60,000"),
    "svg": ("logo.svg", SVG, "not_a_picture", "not a picture"),
    "animated gif": ("dance.gif", animated_gif(), "animated", "holds 100 pictures"),
    "51 MB": ("large.jpg", jpeg() + bytes(51_000_000), "too_large", "the limit is 50 MB"),
}

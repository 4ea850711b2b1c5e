"""Opening pictures that strangers made: limits, formats, thumbnails and previews.

Nothing here trusts a file's name or its header beyond what is checked.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from PIL import Image, ImageOps

from upscaler import catalog

FORMATS = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "GIF": ".gif",
    "AVIF": ".avif",
}
"""The formats that are read, by Pillow's name, each with its usual extension."""
FORMATS_IN_WORDS = "JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF"
ACCEPT = "image/jpeg,image/png,image/webp,image/tiff,image/bmp,image/gif,image/avif"

ORIENTATION = 0x0112
"""EXIF's number for how the camera was held."""
THUMBNAIL_SIDE = 640
PREVIEW_SIDE = 2048

# `examine` checks the pixel count against the desk's own limit before a single row is decoded; Pillow's own guard
# would only warn at half of it and stop with a message for programmers.
Image.MAX_IMAGE_PIXELS = None


class PictureError(Exception):
    """A file that can't be taken. ``message`` is for people, ``code`` for programs."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True)
class Picture:
    """What is known of a picture that was opened and decoded without trouble."""

    format: str
    """Pillow's name of the format."""
    width: int
    """Pixels, as displayed: after the EXIF orientation."""
    height: int
    file_size: int
    """Bytes."""
    thumbnail: bytes
    """A WebP of at most ``THUMBNAIL_SIDE`` pixels."""

    @property
    def extension(self) -> str:
        """The format's usual extension, with its dot."""
        return FORMATS[self.format]


@contextmanager
def _decoding(named: str) -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except MemoryError:
        raise PictureError(
            f"{named} needs more memory than there is. Try a smaller picture.", code="too_large"
        ) from None
    # Pillow's decoders raise nearly anything on a file that was made to break them (struct.error, SyntaxError,
    # ValueError, OverflowError ...), and every one of these means the same to the person.
    except Exception:
        raise PictureError(
            f"{named} is damaged or incomplete: it starts like a picture but can't be read to its end. "
            "Export it again from the program it came from, and upload the new file.",
            code="damaged",
        ) from None


def examine(file: IO[bytes], *, name: str, max_bytes: int, max_pixels: int) -> Picture:
    """Open and fully decode an untrusted file.

    ``name`` is what the person calls it, for the messages. The file is left at its start.
    Raises PictureError with code ``empty``, ``too_large``, ``not_a_picture``, ``animated``,
    ``too_many_pixels`` or ``damaged``.
    """
    named = f"“{name}”" if name else "The file"
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size == 0:
        raise PictureError(f"{named} is empty. Choose the picture again.", code="empty")
    if size > max_bytes:
        raise PictureError(
            f"{named} has {size / 1e6:.1f} MB; the limit is {max_bytes / 1e6:.0f} MB. "
            "Save it as a JPEG or make it smaller, and upload that.",
            code="too_large",
        )
    try:
        image = Image.open(file, formats=list(FORMATS))
    except Exception:
        raise PictureError(
            f"{named} is not a picture that we can read. Upload a {FORMATS_IN_WORDS} file.",
            code="not_a_picture",
        ) from None
    with image, _decoding(named):
        # An MPO file is what many phones and cameras write: a JPEG with a small copy behind it.
        format_name = "JPEG" if image.format == "MPO" else str(image.format)
        width, height = image.size
        if width * height > max_pixels:
            raise PictureError(
                f"{named} says that it is {width:,} × {height:,} pixels; the limit is {max_pixels / 1e6:.0f} "
                "megapixels. Make it smaller, and upload that.",
                code="too_many_pixels",
            )
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise PictureError(
                f"{named} holds {frames} pictures (an animation or several pages). Upscaler enlarges one still "
                "picture: save the frame that you want as a PNG, and upload that.",
                code="animated",
            )
        if image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
        # A JPEG decoder can shrink while it reads: the whole file is still read, for a fraction of the memory.
        image.draft(None, (THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        image.load()
        thumbnail = _encode(_shrunk(image, THUMBNAIL_SIDE), "WEBP", quality=82)
    file.seek(0)
    return Picture(format=format_name, width=width, height=height, file_size=size, thumbnail=thumbnail)


def examine_source(file: IO[bytes], *, name: str) -> Picture:
    """`examine` with the desk's own limits for a picture that somebody wants enlarged."""
    return examine(file, name=name, max_bytes=settings.MAX_UPLOAD_BYTES, max_pixels=settings.MAX_SOURCE_PIXELS)


def preview(path: Path) -> tuple[bytes, str]:
    """A copy for the screen of at most ``PREVIEW_SIDE`` pixels, and its extension.

    JPEG in full colour resolution with the source's profile, or PNG where there is transparency, because people
    judge colour by it. ``path`` was examined before; raises PictureError where it can't be read all the same.
    """
    with _decoding("The picture"), Image.open(path, formats=list(FORMATS)) as image:
        image.draft(None, (PREVIEW_SIDE, PREVIEW_SIDE))
        small = _shrunk(image, PREVIEW_SIDE)
        if small.mode == "RGBA":
            return _encode(small, "PNG", compress_level=3), ".png"
        return _encode(small, "JPEG", quality=92, subsampling="4:4:4"), ".jpg"


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Upright, in RGB or RGBA with its profile, no side longer than ``side`` pixels."""
    profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA") else None
    orientation = image.getexif().get(ORIENTATION, 1)
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    elif image.mode not in ("RGB", "RGBA", "L", "LA", "CMYK") or "transparency" in image.info:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    # Before anything else is done to it: each step on the whole picture would hold one more copy of it in memory.
    scale = side / max(image.size)
    if scale < 1:
        size = (max(1, math.floor(image.width * scale)), max(1, math.floor(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    image.getexif()[ORIENTATION] = orientation
    upright = ImageOps.exif_transpose(image)
    upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    upright.info = {"icc_profile": profile} if profile else {}
    return upright


def _encode(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, icc_profile=image.info.get("icc_profile"), **options)
    return buffer.getvalue()


def check_result_size(width: int, height: int, factor: int, *, max_pixels: int) -> None:
    """Refuse work whose result would be too large. Raises PictureError with code ``result_too_large``."""
    pixels = width * height * factor * factor
    if pixels <= max_pixels:
        return
    fitting = [smaller for smaller in catalog.FACTORS if width * height * smaller**2 <= max_pixels]
    way_out = f"Choose {max(fitting)}x with Topaz, or a smaller picture." if fitting else "Use a smaller picture."
    raise PictureError(
        f"{width:,} × {height:,} pixels enlarged {factor} times would be {pixels / 1e6:,.0f} megapixels; the limit is "
        f"{max_pixels / 1e6:.0f}. {way_out}",
        code="result_too_large",
    )

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
from typing import IO, NamedTuple

from django.conf import settings
from PIL import Image

from upscaler import catalog, pixels
from upscaler.vips import pyvips

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

THUMBNAIL_SIDE = 640
PREVIEW_SIDE = 2048
STREAMED = {"JPEG": ("L", "RGB"), "PNG": ("L", "LA", "RGB", "RGBA"), "WEBP": ("RGB", "RGBA")}
"""By format the modes of results that are read row by row; others are rare and read as a whole."""

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


class Preview(NamedTuple):
    """A copy for the screen, in full colour resolution and with its profile, because people judge colour by it."""

    content: bytes
    extension: str
    """Of a JPEG; of a PNG where there is transparency."""


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
    still = _opened(file, named, max_bytes=max_bytes, max_pixels=max_pixels)
    with still.image, _decoding(named):
        found = _found(still, _decoded(still.image, THUMBNAIL_SIDE))
    file.seek(0)
    return found


def examine_result(path: Path, *, max_bytes: int, max_pixels: int) -> tuple[Picture, Preview]:
    """Like `examine`, for a finished picture, and its copy for the screen: both from one decoding.

    Raises PictureError.
    """
    with path.open("rb") as file:
        still = _opened(file, "The result", max_bytes=max_bytes, max_pixels=max_pixels)
        with still.image as image, _decoding("The result"):
            is_streamed = image.mode in STREAMED.get(str(image.format), ())
            small = _streamed(path, image) if is_streamed else _decoded(image, PREVIEW_SIDE)
            return _found(still, small), _preview(small)


@dataclass(frozen=True)
class _Still:
    """A picture of which only the header was read."""

    image: Image.Image
    size: tuple[int, int]
    """As the header has it: decoding may change the image's own."""
    file_size: int


def _opened(file: IO[bytes], named: str, *, max_bytes: int, max_pixels: int) -> _Still:
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
    with _decoding(named):
        width, height = image.size
        if width * height > max_pixels:
            raise PictureError(
                f"{named} says that it is {width:,} × {height:,} pixels; the limit is {max_pixels / 1e6:.0f} "
                "megapixels. Make it smaller, and upload that.",
                code="too_many_pixels",
            )
        # An MPO file is what many phones and cameras write: a JPEG with a small copy behind it.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise PictureError(
                f"{named} holds {frames} pictures (an animation or several pages). Upscaler enlarges one still "
                "picture: save the frame that you want as a PNG, and upload that.",
                code="animated",
            )
    return _Still(image, image.size, size)


def _found(still: _Still, small: Image.Image) -> Picture:
    """What is known once the whole file was decoded; ``small`` is what it shows."""
    image = still.image
    # Asked after decoding, because a PNG may say it at its end. A TIFF's reader turns size and picture by itself.
    turned = pixels.orientation(image) in pixels.TURNED and image.format != "TIFF"
    width, height = still.size[::-1] if turned else still.size
    return Picture(
        format="JPEG" if image.format == "MPO" else str(image.format),
        width=width,
        height=height,
        file_size=still.file_size,
        thumbnail=_encode(_within(small, THUMBNAIL_SIDE), "WEBP", quality=82),
    )


def examine_source(file: IO[bytes], *, name: str) -> Picture:
    """`examine` with the desk's own limits for a picture that somebody wants enlarged."""
    return examine(file, name=name, max_bytes=settings.MAX_UPLOAD_BYTES, max_pixels=settings.MAX_SOURCE_PIXELS)


def preview(path: Path) -> Preview:
    """A copy for the screen of at most ``PREVIEW_SIDE`` pixels.

    ``path`` was examined before; raises PictureError where it can't be read all the same.
    """
    with _decoding("The picture"), Image.open(path, formats=list(FORMATS)) as image:
        return _preview(_decoded(image, PREVIEW_SIDE))


def _preview(small: Image.Image) -> Preview:
    if small.mode == "RGBA":
        return Preview(_encode(small, "PNG", compress_level=3), ".png")
    return Preview(_encode(small, "JPEG", quality=92, subsampling="4:4:4"), ".jpg")


def _decoded(image: Image.Image, side: int) -> Image.Image:
    """Upright, in the colours that the engine sees, as RGB or RGBA, no side longer than ``side`` pixels."""
    # A JPEG decoder can shrink while it reads: the whole file is still read, for a fraction of the memory.
    image.draft(None, (side, side))
    image.load()
    orientation = 1 if image.format == "TIFF" else pixels.orientation(image)
    if image.mode in (*pixels.DEEP_GREY, "1", "P", "PA") or "transparency" in image.info:
        plain, profile = pixels.plain(image)
        plain.info = {"icc_profile": profile} if profile else {}
        image = plain
    # Before anything else is done to it: each step on the whole picture would hold one more copy of it in memory.
    return pixels.for_screens(pixels.upright(_within(image, side), orientation))


def _streamed(path: Path, image: Image.Image) -> Image.Image:
    """`_decoded` for a preview of a large file, with only some rows of it in memory at a time."""
    try:
        rows = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="truncated")
        if rows.format == "ushort":
            rows = rows.cast("uchar", shift=True)
        scale = PREVIEW_SIDE / max(image.size)
        if scale < 1:
            clear = rows.hasalpha()
            rows = (
                rows.premultiply().resize(scale).unpremultiply().rint().cast("uchar") if clear else rows.resize(scale)
            )
        values = rows.numpy()
    except pyvips.Error as error:
        raise OSError(str(error)) from error
    small = Image.fromarray(values)
    small.info = {"icc_profile": image.info.get("icc_profile")}
    return pixels.for_screens(pixels.upright(small, pixels.orientation(image)))


def _within(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = (max(1, math.floor(image.width * scale)), max(1, math.floor(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


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

"""Opening pictures that strangers made: limits, formats, thumbnails and previews.

Nothing here trusts a file's name or its header beyond what is checked.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.conf import settings
from PIL import Image, ImageFile, PngImagePlugin

from upscaler import upscaling_models
from upscaler.errors import PublicError
from upscaler.imaging import pixels, sixteen_bit
from upscaler.imaging.vips import pyvips

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
STREAMED = {"JPEG": ("L", "RGB"), "PNG": ("L", "LA", "I;16", "RGB", "RGBA"), "WEBP": ("RGB", "RGBA")}
"""By format the modes of results that are read row by row; others are rare and read as a whole."""

STREAMED_FROM = 16_000_000
"""Pixels from which on a result is worth reading row by row."""
MAX_SCANS = 100
"""Passes of a progressive JPEG over its picture: cameras and shops write some ten. Each is decoded in full, so a small
file with thousands of them would keep a process busy for minutes."""
START_OF_SCAN = b"\xff\xda"
"""The marker before each pass; in the data itself, such bytes are always escaped."""

# A megabyte of text, as generators of pictures leave it in a PNG, is no reason to refuse it. Pillow's own limit is one
# for each part, and the file's size is limited before.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024

# `examine` checks the pixel count against the desk's own limit before a single row is decoded; Pillow's own guard
# would only warn at half of it and stop with a message for programmers.
Image.MAX_IMAGE_PIXELS = None


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
    digest: str
    """SHA-256 of the file's bytes."""
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
    except PublicError:
        raise
    except MemoryError:
        raise PublicError(
            f"{named} needs more memory than there is. Try a smaller picture.", code="too_large"
        ) from None
    # Pillow's decoders raise nearly anything on a file that was made to break them (struct.error, SyntaxError,
    # ValueError, OverflowError ...), and every one of these means the same to the person.
    except Exception:
        raise PublicError(
            f"{named} is damaged or incomplete: it starts like a picture but can't be read to its end. "
            "Export it again from the program it came from, and upload the new file.",
            code="damaged",
        ) from None


def examine(file: IO[bytes], *, name: str, max_bytes: int, max_pixels: int) -> Picture:
    """Open and fully decode an untrusted file.

    ``name`` is what the person calls it, for the messages. The file is left at its start.
    Raises PublicError with code ``empty``, ``too_large``, ``not_a_picture``, ``animated``,
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

    Raises PublicError.
    """
    with path.open("rb") as file:
        still = _opened(file, "The result", max_bytes=max_bytes, max_pixels=max_pixels)
        with still.image as image, _decoding("The result"):
            is_large = image.width * image.height >= STREAMED_FROM
            is_streamed = is_large and image.mode in STREAMED.get(str(image.format), ())
            small = _streamed(path, image) if is_streamed else _decoded(image, PREVIEW_SIDE)
            return _found(still, small), _preview(small)


@dataclass(frozen=True)
class _Still:
    """A picture of which only the header was read."""

    image: ImageFile.ImageFile
    size: tuple[int, int]
    """As the header has it: decoding may change the image's own."""
    file_size: int
    digest: str


def _opened(file: IO[bytes], named: str, *, max_bytes: int, max_pixels: int) -> _Still:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size == 0:
        raise PublicError(f"{named} is empty. Choose the picture again.", code="empty")
    if size > max_bytes:
        raise PublicError(
            f"{named} has {size / 1e6:.1f} MB; the limit is {max_bytes / 1e6:.0f} MB. "
            "Save it as a JPEG or make it smaller, and upload that.",
            code="too_large",
        )
    try:
        image = Image.open(file, formats=list(FORMATS))
    except Exception:
        raise PublicError(
            f"{named} is not a picture that we can read. Upload a {FORMATS_IN_WORDS} file.",
            code="not_a_picture",
        ) from None
    with _decoding(named):
        width, height = image.size
        if width * height > max_pixels:
            raise PublicError(
                f"{named} says that it is {width:,} × {height:,} pixels; the limit is {max_pixels / 1e6:.0f} "
                "megapixels. Make it smaller, and upload that.",
                code="too_many_pixels",
            )
        # An MPO file is what many phones and cameras write: a JPEG with a small copy behind it.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            raise PublicError(
                f"{named} holds {frames} pictures (an animation or several pages). Upscaler enlarges one still "
                "picture: save the frame that you want as a PNG, and upload that.",
                code="animated",
            )
        if image.format in ("JPEG", "MPO") and _scans(file) > MAX_SCANS:
            raise PublicError(
                f"{named} is a JPEG of more than {MAX_SCANS} passes, which takes too long to read. Export it again "
                "as a plain JPEG, and upload that.",
                code="damaged",
            )
    return _Still(image, image.size, size, _digest(file))


def _digest(file: IO[bytes]) -> str:
    """SHA-256 of the whole file, which is left where it was."""
    at = file.tell()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(at)
    return digest


def _scans(file: IO[bytes]) -> int:
    """How many passes a JPEG makes; the file is left where it was."""
    at = file.tell()
    file.seek(0)
    found = sum(block.count(START_OF_SCAN) for block in iter(lambda: file.read(1 << 20), b""))
    file.seek(at)
    return found


def _found(still: _Still, small: Image.Image) -> Picture:
    """What is known once the whole file was decoded; ``small`` is what it shows."""
    image = still.image
    # A PNG that was decoded as a whole may have said it at its end; of one that was streamed the header alone was read,
    # for its preview too. A TIFF's reader turns size and picture by itself.
    turned = pixels.orientation(image) in pixels.TURNED and image.format != "TIFF"
    width, height = still.size[::-1] if turned else still.size
    return Picture(
        format="JPEG" if image.format == "MPO" else str(image.format),
        width=width,
        height=height,
        file_size=still.file_size,
        digest=still.digest,
        thumbnail=_encode(_within(small, THUMBNAIL_SIDE), "WEBP", quality=82),
    )


def examine_source(file: IO[bytes], *, name: str) -> Picture:
    """`examine` with the desk's own limits for a picture that somebody wants enlarged."""
    return examine(file, name=name, max_bytes=settings.MAX_UPLOAD_BYTES, max_pixels=settings.MAX_SOURCE_PIXELS)


def preview(path: Path) -> Preview:
    """A copy for the screen of at most ``PREVIEW_SIDE`` pixels.

    ``path`` was examined before; raises PublicError where it can't be read all the same.
    """
    with _decoding("The picture"), Image.open(path, formats=list(FORMATS)) as image:
        return _preview(_decoded(image, PREVIEW_SIDE))


def _preview(small: Image.Image) -> Preview:
    if small.mode == "RGBA":
        return Preview(_encode(small, "PNG", compress_level=3), ".png")
    return Preview(_encode(small, "JPEG", quality=92, subsampling="4:4:4"), ".jpg")


def _decoded(image: ImageFile.ImageFile, side: int) -> Image.Image:
    """Upright, in the colours that the engine sees, as RGB or RGBA, no side longer than ``side`` pixels."""
    if image.format == "TIFF" and sixteen_bit.is_deep(image) and (small := _deep(image, side)) is not None:
        return small
    # A JPEG decoder can shrink while it reads: the whole file is still read, for a fraction of the memory.
    image.draft(None, (side, side))
    image.load()
    orientation = 1 if image.format == "TIFF" else pixels.orientation(image)
    small = _within(image, side)
    # Only then: each step on the whole picture would hold one more copy of it in memory.
    return pixels.for_screens(pixels.upright(small, orientation))


def _deep(image: ImageFile.ImageFile, side: int) -> Image.Image | None:
    """`_decoded` for a TIFF with 16 bits a channel; None for one that libvips does not read."""
    file = image.fp
    if file is None:
        return None
    orientation = pixels.orientation(image)
    file.seek(0)
    # Named, because libvips reads from these bytes until the last row, and nothing else keeps them.
    source = pyvips.Source.new_from_memory(file.read())
    rows = sixteen_bit.rows(source, image, orientation)
    try:
        return None if rows is None else _shrunk(rows, image, orientation, side)
    except pyvips.Error:
        return None


def _streamed(path: Path, image: Image.Image) -> Image.Image:
    """`_decoded` for a preview of a large file, with only some rows of it in memory at a time."""
    try:
        rows = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="truncated")
        return _shrunk(rows, image, pixels.orientation(image), PREVIEW_SIDE)
    except pyvips.Error as error:
        raise OSError(str(error)) from error


def _shrunk(rows: Any, image: Image.Image, orientation: int, side: int) -> Image.Image:
    """`_decoded` for the rows of a libvips image; ``image`` is the same file, of which only the header was read."""
    if rows.format == "ushort":
        rows = rows.cast("uchar", shift=True)
    scale = side / max(image.size)
    if scale < 1:
        clear = rows.hasalpha()
        rows = rows.premultiply().resize(scale).unpremultiply().rint().cast("uchar") if clear else rows.resize(scale)
    small = Image.fromarray(rows.numpy())
    small.info = {"icc_profile": image.info.get("icc_profile")}
    return pixels.for_screens(pixels.upright(small, orientation))


def _within(image: Image.Image, side: int) -> Image.Image:
    """The picture with no side longer than ``side`` pixels, in a mode whose values can be averaged."""
    width, height = image.size
    scale = min(1.0, side / max(width, height))
    # What Pillow's own shrinking in two steps, by this gap, would take for the first of them.
    gap = 3.0
    factor = max(1, int(1 / scale / gap))
    if image.mode in pixels.DEEP_GREY:
        image, factor = _plain(image), 1
    elif image.mode in ("1", "P", "PA", "LA", "RGBA") or "transparency" in image.info:
        image = _reduced(image, factor)
    else:
        factor = 1
    if scale == 1:
        return image
    size = (max(1, math.floor(width * scale)), max(1, math.floor(height * scale)))
    box = (0, 0, width / factor, height / factor)
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=gap)


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """`_plain` with means of ``factor`` by ``factor`` pixels, some rows at a time to save memory."""
    reduced: Image.Image | None = None
    for rows, strip in pixels.strips(image, factor):
        plain = _plain(strip)
        if reduced is None:
            reduced = Image.new(plain.mode, (-(-image.width // factor), -(-image.height // factor)))
            reduced.info = plain.info
        reduced.paste(plain.reduce(factor), (0, rows.start // factor))
    return reduced or image


def _plain(image: Image.Image) -> Image.Image:
    plain, profile = pixels.plain(image)
    if plain is not image:
        plain.info = {"icc_profile": profile} if profile else {}
    return plain


def _encode(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, icc_profile=image.info.get("icc_profile"), **options)
    return buffer.getvalue()


def check_result_size(width: int, height: int, factor: int, *, max_pixels: int) -> None:
    """Refuse work whose result would be too large. Raises PublicError with code ``result_too_large``."""
    pixels = width * height * factor * factor
    if pixels <= max_pixels:
        return
    fitting = [smaller for smaller in upscaling_models.FACTORS if width * height * smaller**2 <= max_pixels]
    way_out = f"Choose {max(fitting)}x with Topaz, or a smaller picture." if fitting else "Use a smaller picture."
    raise PublicError(
        f"{width:,} × {height:,} pixels enlarged {factor} times would be {pixels / 1e6:,.0f} megapixels; the limit is "
        f"{max_pixels / 1e6:.0f}. {way_out}",
        code="result_too_large",
    )

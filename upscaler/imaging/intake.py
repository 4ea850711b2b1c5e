"""Opening pictures that strangers made: what is taken, within which limits, and what is known of it then.

Nothing here trusts a file's name or its header beyond what is checked.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from PIL import Image, ImageFile, PngImagePlugin

from upscaler import upscaling_models
from upscaler.errors import PublicError
from upscaler.imaging import decoding, pixels, previews
from upscaler.imaging.openers import open_picture
from upscaler.imaging.previews import Preview
from upscaler.picture_formats import FORMATS, FORMATS_IN_WORDS, MARKS_LENGTH, known_refusal

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
class ExaminedPicture:
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
    """A WebP of at most `previews.THUMBNAIL_SIDE` pixels."""

    @property
    def extension(self) -> str:
        """The format's usual extension, with its dot."""
        return FORMATS[self.format].extension


def examine(file: IO[bytes], *, name: str, max_bytes: int, max_pixels: int) -> ExaminedPicture:
    """Open and fully decode an untrusted file.

    ``name`` is what the person calls it, for the messages. The file is left at its start.
    Raises PublicError with code ``empty``, ``too_large``, ``not_a_picture``, ``unsupported_kind``, ``animated``,
    ``too_many_pixels``, ``damaged``, or ``busy`` where too many large pictures are examined already: that one passes.
    """
    named = f"“{name}”" if name else "The file"
    still = _opened(file, named, max_bytes=max_bytes, max_pixels=max_pixels)
    with decoding.turn(still.size, named, max_wait=decoding.MAX_WAIT):
        try:
            with still.image, decoding.guarded(named):
                found = _found(still, previews.shrunk(still.image, previews.THUMBNAIL_SIDE))
        finally:
            # The pixels go before the next picture's come, and before an error that keeps this frame is kept.
            del still
    file.seek(0)
    return found


def examine_source(file: IO[bytes], *, name: str) -> ExaminedPicture:
    """`examine` with the desk's own limits for a picture that somebody wants enlarged."""
    return examine(file, name=name, max_bytes=settings.MAX_UPLOAD_BYTES, max_pixels=settings.MAX_SOURCE_PIXELS)


def examine_result(path: Path, *, max_bytes: int, max_pixels: int) -> tuple[ExaminedPicture, Preview]:
    """Like `examine`, for a finished picture, and its copy for the screen: both from one decoding.

    Nobody waits for it at a page, so it waits for its turn as long as it takes.

    Raises PublicError.
    """
    named = "The result"
    with path.open("rb") as file:
        still = _opened(file, named, max_bytes=max_bytes, max_pixels=max_pixels)
        with decoding.turn(still.size, named, max_wait=None), still.image as image, decoding.guarded(named):
            is_streamed = previews.is_streamed(image)
            side = previews.PREVIEW_SIDE
            small = previews.streamed(path, image, side) if is_streamed else previews.shrunk(image, side)
            return _found(still, small), previews.preview_of(small)


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
        image = open_picture(file)
    except PublicError:
        raise
    except Exception:
        file.seek(0)
        known = known_refusal(file.read(MARKS_LENGTH))
        raise PublicError(
            f"{named} is {known}"
            if known
            else f"{named} is not a picture that we can read. Upload a {FORMATS_IN_WORDS} file.",
            code="not_a_picture",
        ) from None
    with decoding.guarded(named):
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


def _found(still: _Still, small: Image.Image) -> ExaminedPicture:
    """What is known once the whole file was decoded; ``small`` is what it shows."""
    image = still.image
    # A PNG that was decoded as a whole may have said it at its end; of one that was streamed the header alone was read,
    # for its preview too. A TIFF's reader turns size and picture by itself.
    turned = pixels.orientation(image) in pixels.TURNED and image.format != "TIFF"
    width, height = still.size[::-1] if turned else still.size
    return ExaminedPicture(
        format="JPEG" if image.format == "MPO" else str(image.format),
        width=width,
        height=height,
        file_size=still.file_size,
        digest=still.digest,
        thumbnail=previews.thumbnail_of(small),
    )


def check_result_size(width: int, height: int, factor: int, *, max_pixels: int) -> None:
    """Refuse work whose result would be too large. Raises PublicError with code ``result_too_large``."""
    result_pixels = width * height * factor * factor
    if result_pixels <= max_pixels:
        return
    fitting = [smaller for smaller in upscaling_models.FACTORS if width * height * smaller**2 <= max_pixels]
    way_out = f"Choose {max(fitting)}x with Topaz, or a smaller picture." if fitting else "Use a smaller picture."
    raise PublicError(
        f"{width:,} × {height:,} pixels enlarged {factor} times would be {result_pixels / 1e6:,.0f} megapixels; the "
        f"limit is {max_pixels / 1e6:.0f}. {way_out}",
        code="result_too_large",
    )

"""What is done with a stranger's picture in the process that decodes it: opened, checked and shrunk.

Django-free. The desk's own processes come here through `upscaler.imaging.sandbox` alone.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from typing import IO

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin

from upscaler.errors import PublicError
from upscaler.imaging import codec, pixels, previews, reducing, structure, surroundings
from upscaler.imaging.guard import guarded
from upscaler.imaging.previews import Preview
from upscaler.imaging.structure.limits import MAX_PICTURES
from upscaler.picture_formats import FORMATS_IN_WORDS, MARKS_LENGTH, known_refusal

# A megabyte of text, as generators of pictures leave it in a PNG, is no reason to refuse it. Pillow's own limit is one
# for each part, and the file's size is limited before.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024

# The pixel count is checked against the desk's own limit before a single row is decoded; Pillow's own guard would only
# warn at half of it and stop with a message for programmers.
Image.MAX_IMAGE_PIXELS = None


class TooLargeForNow(Exception):
    """The picture is a large one, and was not to be decoded yet."""


@dataclass(frozen=True)
class Found:
    """What was found in a picture that was decoded without trouble."""

    format: str
    """Pillow's name of the format; a JPEG's for an MPO."""
    width: int
    """Pixels, as displayed: after the EXIF orientation."""
    height: int
    product_share: float = 1.0
    """The longer side of what is not margin, as a share of the picture's longer side, 0 to 1."""
    jpeg_quality: int | None = None
    """From 1 to 100, as its tables tell it; None for what is no JPEG."""


def examine(
    file: IO[bytes], named: str, *, max_pixels: int, max_memory: int, below: int | None = None
) -> tuple[Found, bytes]:
    """Open and fully decode an untrusted file: what it is, and its thumbnail.

    ``max_memory``: bytes that may be taken for its pixels and all that reading it needs. ``below``: pixels from which
    on nothing is decoded yet.
    Raises TooLargeForNow for such a picture, and PublicError.
    """
    image, size = _opened(file, named, max_pixels=max_pixels, below=below)
    with image, guarded(named):
        _check_memory(image, named, max_memory)
        small = previews.shrunk(image, previews.THUMBNAIL_SIDE)
        return replace(_found(image, size), product_share=_product_share(small)), previews.thumbnail_of(small)


def examine_result(
    file: IO[bytes], named: str, *, max_pixels: int, below: int | None = None
) -> tuple[Found, bytes, Preview]:
    """Like `examine`, for a finished picture, and its copy for the screen: all from one decoding."""
    image, size = _opened(file, named, max_pixels=max_pixels, below=below)
    with image, guarded(named):
        is_streamed = previews.is_streamed(image)
        side = previews.PREVIEW_SIDE
        small = previews.streamed(file, image, side) if is_streamed else previews.shrunk(image, side)
        return _found(image, size), previews.thumbnail_of(small), previews.preview_of(small)


def preview(file: IO[bytes], named: str, *, below: int | None = None) -> Preview:
    """A copy for the screen of a picture file that was examined before. Raises as `examine`."""
    with guarded(named):
        image = structure.opened(file)
    _check_turn(image.size, below)
    with image, guarded(named):
        return previews.preview_of(previews.shrunk(image, previews.PREVIEW_SIDE))


def reduce(
    file: IO[bytes],
    named: str,
    *,
    side: int | None,
    max_area: int,
    max_pixels: int,
    max_memory: int,
    below: int | None = None,
) -> reducing.Reduced:
    """A small copy to compare with others, see `reducing.reduce`. Raises as `examine`."""
    image, _ = _opened(file, named, max_pixels=max_pixels, below=below)
    with image, guarded(named):
        _check_memory(image, named, max_memory)
        return reducing.reduce(file, image, side=side, max_area=max_area)


def _opened(
    file: IO[bytes], named: str, *, max_pixels: int, below: int | None
) -> tuple[ImageFile.ImageFile, tuple[int, int]]:
    """The picture with its header read alone, and the size that it says: decoding may change the image's own."""
    kind = structure.format_of_file(file)
    if kind is None:
        raise _no_picture(file, named)
    pictures = _count_pictures(file, kind, named)
    if kind != "TIFF" or (pictures or 0) > MAX_PICTURES:
        # Of a TIFF's pages some are copies of others, which its reader knows.
        _check_single(pictures, named)
    try:
        image = structure.opened(file)
    except (PublicError, MemoryError):
        raise
    except Exception:
        raise _no_picture(file, named) from None
    with guarded(named):
        width, height = size = image.size
        if width * height > max_pixels:
            raise PublicError(
                f"{named} says that it is {width:,} × {height:,} pixels; the limit is {max_pixels / 1e6:.0f} "
                "megapixels. Make it smaller, and upload that.",
                code="too_many_pixels",
            )
        if pictures is None or kind == "TIFF":
            _check_single(getattr(image, "n_frames", 1), named)
    _check_turn(size, below)
    return image, size


def _count_pictures(file: IO[bytes], kind: str, named: str) -> int | None:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return structure.count_pictures(data, kind, named)


def _check_single(pictures: int | None, named: str) -> None:
    if pictures is None or pictures <= 1:
        return
    number = f"{pictures}" if pictures <= MAX_PICTURES else f"more than {MAX_PICTURES}"
    raise PublicError(
        f"{named} holds {number} pictures (an animation or several pages). Upscaler enlarges one still picture: save "
        "the frame that you want as a PNG, and upload that.",
        code="animated",
    )


def _check_memory(image: ImageFile.ImageFile, named: str, max_memory: int) -> None:
    per_pixel = getattr(image, "memory_per_pixel", 0)
    if not per_pixel:
        return
    width, height = image.size
    most = max_memory / per_pixel
    if width * height > most:
        raise PublicError(
            f"{named} is {width:,} × {height:,} pixels large; of {image.kind_in_words} no more than "  # type: ignore[attr-defined]
            f"{int(most / 1e6)} megapixels can be read. Make it smaller, or save it as a JPEG or PNG, and upload that.",
            code="too_many_pixels",
        )


def _check_turn(size: tuple[int, int], below: int | None) -> None:
    if below is not None and size[0] * size[1] >= below:
        raise TooLargeForNow


def _no_picture(file: IO[bytes], named: str) -> PublicError:
    file.seek(0)
    known = known_refusal(file.read(MARKS_LENGTH))
    what = known or f"not a picture that we can read. Upload a {FORMATS_IN_WORDS} file."
    return PublicError(f"{named} is {what}", code="not_a_picture")


def _product_share(small: Image.Image) -> float:
    """To about a thumbnail's pixel; 1 where the product can't be told from what is around it."""
    values = np.asarray(small)
    alpha = values[..., 3] if small.mode == "RGBA" else None
    box = surroundings.look(values[..., :3], alpha).box
    if box is None:
        return 1.0
    left, top, right, bottom = box
    return max(right - left, bottom - top) / max(small.size)


def _found(image: ImageFile.ImageFile, size: tuple[int, int]) -> Found:
    # A PNG that was decoded as a whole may have said it at its end; of one that was streamed the header alone was read,
    # for its preview too. A TIFF's reader turns size and picture by itself.
    turned = pixels.orientation(image) in pixels.TURNED and image.format != "TIFF"
    width, height = size[::-1] if turned else size
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    return Found(kind, width, height, jpeg_quality=codec.jpeg_quality(image))

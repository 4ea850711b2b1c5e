"""What pages show of a picture: thumbnails and previews, upright, in the colours that the engine sees.

A large picture is shrunk while it is read wherever its format allows, so that little of it is in memory at a time.
"""

from __future__ import annotations

import io
import math
from typing import IO, Any, NamedTuple

from PIL import Image, ImageFile

from upscaler.imaging import colour, pixels, sixteen_bit
from upscaler.imaging.openers import SampledFile
from upscaler.imaging.openers.base import LARGE_FROM, averaged, shallow
from upscaler.imaging.vips import pyvips

THUMBNAIL_SIDE = 640
PREVIEW_SIDE = 2048
"""The longest sides, in pixels."""
STREAMED = {"JPEG": ("L", "RGB"), "PNG": ("L", "LA", "I;16", "RGB", "RGBA")}
"""By format the modes of results that are read row by row; others are rare and read as a whole."""
LOADERS = {"JPEG": "jpegload_source", "PNG": "pngload_source"}
"""What reads them so: no other loader has a try at a file."""


class Preview(NamedTuple):
    """A copy for the screen, in full colour resolution and with its profile, because people judge colour by it."""

    content: bytes
    extension: str
    """Of a JPEG; of a PNG where there is transparency."""


def preview_of(shown: Image.Image) -> Preview:
    """The preview that shows ``shown``, which is RGB or RGBA and of the size that it is to have."""
    if shown.mode == "RGBA":
        return Preview(_encoded(shown, "PNG", compress_level=3), ".png")
    return Preview(_encoded(shown, "JPEG", quality=92, subsampling="4:4:4"), ".jpg")


def thumbnail_of(shown: Image.Image) -> bytes:
    """The thumbnail, a WebP file, that shows ``shown``, which is RGB or RGBA and may be larger."""
    return _encoded(_within(shown, THUMBNAIL_SIDE), "WEBP", quality=82)


def shrunk(image: ImageFile.ImageFile, side: int) -> Image.Image:
    """Upright, in the colours that the engine sees, as RGB or RGBA, no side longer than ``side`` pixels.

    ``image`` was opened and not loaded; all of its file is read, so whatever is wrong with it raises whatever the
    decoders raise: see `guard.guarded`.
    """
    if isinstance(image, SampledFile):
        values = image.samples_within(side)
        if values is not None:
            small = Image.fromarray(shallow(values))
            small.info = {"icc_profile": image.info.get("icc_profile")}
            return colour.for_screens(pixels.upright(_within(small, side), _orientation(image)))
    if image.format == "TIFF" and sixteen_bit.is_deep(image):
        from_rows = _from_rows(image, side)
        if from_rows is not None:
            return from_rows
    # A JPEG decoder can shrink while it reads: the whole file is still read, for a fraction of the memory.
    image.draft(None, (side, side))
    image.load()
    small = _within(image, side)
    # Only then: each step on the whole picture would hold one more copy of it in memory.
    return colour.for_screens(pixels.upright(small, _orientation(image)))


def is_streamed(image: Image.Image) -> bool:
    """Whether a picture, of which only the header was read, is so large that `streamed` is to be taken for it."""
    if image.format == "WEBP" or (isinstance(image, SampledFile) and image.is_sampled):
        return False
    return image.width * image.height >= LARGE_FROM and image.mode in STREAMED.get(str(image.format), ())


def streamed(file: IO[bytes], image: Image.Image, side: int, *, quick: bool = False) -> Image.Image:
    """`shrunk` for the file of ``image``, with only some rows of it in memory at a time. Raises OSError.

    ``quick``: whether a JPEG's decoder shrinks it first by a power of two, as far as it stays larger.
    """
    file.seek(0)
    source = pyvips.Source.new_from_descriptor(file.fileno())
    try:
        load = getattr(pyvips.Image, LOADERS[str(image.format)])
        times = max(image.size) // side
        options = (
            {"shrink": next(by for by in (8, 4, 2, 1) if by <= max(1, times))}
            if quick and image.format == "JPEG"
            else {}
        )
        rows = load(source, access="sequential", fail_on="truncated", **options)
        return _shrunk(rows, image, pixels.orientation(image), side)
    except pyvips.Error as error:
        raise OSError(str(error)) from error


def _orientation(image: Image.Image) -> int:
    # A TIFF's reader turns the picture itself.
    return 1 if image.format == "TIFF" else pixels.orientation(image)


def _from_rows(image: ImageFile.ImageFile, side: int) -> Image.Image | None:
    """`shrunk` by libvips for a TIFF with 16 bits a channel; None for one that it does not read."""
    file = image.fp
    if file is None:
        return None
    orientation = pixels.orientation(image)
    file.seek(0)
    # Named, because libvips reads from these bytes until the last row, and nothing else keeps them.
    source = pyvips.Source.new_from_memory(file.read())
    try:
        rows = sixteen_bit.rows(source, image, orientation)
        return None if rows is None else _shrunk(rows, image, orientation, side)
    except pyvips.Error:
        return None


def _shrunk(rows: Any, image: Image.Image, orientation: int, side: int) -> Image.Image:
    """`shrunk` for the rows of a libvips image; ``image`` is the same file, of which only the header was read."""
    if rows.format == "ushort":
        rows = rows.cast("uchar", shift=True)
    small = Image.fromarray(averaged(rows, side).numpy())
    small.info = {"icc_profile": image.info.get("icc_profile")}
    return colour.for_screens(pixels.upright(small, orientation))


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
    plain, profile = colour.plain(image)
    if plain is not image:
        plain.info = {"icc_profile": profile} if profile else {}
    return plain


def _encoded(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, icc_profile=image.info.get("icc_profile"), **options)
    return buffer.getvalue()

"""Picture files in and out: pixels for the networks, and everything else about a picture carried over."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from upscaler.engines.base import EngineError

Bytes = npt.NDArray[np.uint8]

UNREADABLE = "unreadable"

JPEG_LONGEST, WEBP_LONGEST = 65500, 16383
"""The longest sides that the formats, as Pillow writes them, can hold."""
EXIF_LONGEST = 65000
"""Bytes; a JPEG holds EXIF in one segment of 64 KiB."""
LUMINANCE_TABLE_SUM = 3688
"""Sum of the example luminance table in ITU-T T.81, annex K, which libjpeg scales by quality."""
ORIENTATION, EXIF_IFD, PIXEL_WIDTH, PIXEL_HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003


@dataclass(frozen=True)
class Picture:
    """A source picture, upright, as 8-bit RGB."""

    pixels: Bytes
    """(height, width, 3); under full transparency the nearest visible colour."""
    alpha: Bytes | None
    """(height, width), None for a picture without transparency."""
    grey: bool
    """Whether the result is to be a picture in shades of grey."""
    format: str
    """Pillow's name of the source's format."""
    jpeg_quality: int | None
    profile: bytes | None
    """The ICC profile that ``pixels`` are in."""
    exif: Image.Exif | None
    dpi: tuple[float, float] | None

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])


def load(path: Path) -> Picture:
    """The first picture in a file.

    Raises EngineError with the code ``unreadable`` for anything that is no sound picture.
    """
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            # Size is the caller's rule; a warning here would only reach the log.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file.load()
            return _picture(file)
    # Pillow's readers meet hostile files with whatever their parsing trips over.
    except (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        IndexError,
        KeyError,
        ArithmeticError,
        Image.DecompressionBombError,
    ) as error:
        raise EngineError(
            "This file could not be read as a picture. It may be damaged: please export it again as JPEG or PNG.",
            code=UNREADABLE,
            permanent=True,
        ) from error


def _picture(file: Image.Image) -> Picture:
    quality = _jpeg_quality(getattr(file, "quantization", None)) if file.format == "JPEG" else None
    source_format = file.format or "PNG"
    exif = _exif(file)
    image: Image.Image = ImageOps.exif_transpose(file)
    dpi = _dpi(image.info.get("dpi"))
    if image.size != file.size and dpi:
        dpi = dpi[1], dpi[0]
    image, profile = _in_rgb_or_grey(image)
    grey = image.mode in ("L", "LA")
    alpha = None
    if image.mode in ("LA", "RGBA"):
        alpha = np.asarray(image.getchannel("A"))
    pixels = np.asarray(image.convert("RGBA").convert("RGB") if alpha is not None else image.convert("RGB"))
    if alpha is not None:
        pixels = _bled(pixels, alpha > 0)
    return Picture(pixels, alpha, grey, source_format, quality, profile, exif, dpi)


def _jpeg_quality(tables: dict[int, list[int]] | None) -> int | None:
    """The quality that libjpeg would call these quantization tables, from 1 to 100.

    Libjpeg scales its table by 5000 / quality percent below 50, by 200 - 2 * quality percent above.
    """
    if not tables:
        return None
    percent = 100 * sum(tables[min(tables)]) / LUMINANCE_TABLE_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))


def _exif(file: Image.Image) -> Image.Exif | None:
    """Camera data is an extra: where it is damaged, the picture is enlarged without."""
    try:
        exif = file.getexif()
        exif.tobytes()
    except Exception:
        return None
    return exif if len(exif) else None


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        across, down = float(value[0]), float(value[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    if not all(math.isfinite(number) and 0 < number < 65536 for number in (across, down)):
        return None
    return across, down


def _in_rgb_or_grey(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """The picture as L, LA, RGB or RGBA with 8 bits a channel, and its profile if it has one."""
    profile = image.info.get("icc_profile") or None
    mode = image.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        return _in_eight_bits(image), profile
    if mode in ("CMYK", "LAB"):
        return _in_srgb(image, profile)
    if mode in ("1", "L", "LA", "La"):
        return image.convert("LA" if image.has_transparency_data else "L"), profile
    return image.convert("RGBA" if image.has_transparency_data else "RGB"), profile


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Grey with more than 8 bits, scaled: Pillow's own conversion would clip everything above 255 to white."""
    values = np.asarray(image).astype(np.float32)
    if image.mode == "F":
        full = 1.0 if values.max() <= 1 else 255.0
    else:
        full = 255.0 if image.mode == "I" and values.max() <= 255 else 65535.0
    return Image.fromarray(np.clip(np.nan_to_num(values) * (255 / full) + 0.5, 0, 255).astype(np.uint8))


def _in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """CMYK or Lab as RGB. With a profile by its colours; without, by Pillow's plain formula, since none is known."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        if image.mode == "LAB":
            embedded = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile is not None:
            embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
        else:
            return image.convert("RGB"), None
        converted = ImageCms.profileToProfile(
            image,
            embedded,
            srgb,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        # A broken profile is no reason to refuse the picture.
        return image.convert("RGB"), None
    return cast(Image.Image, converted), srgb.tobytes()


def _bled(pixels: Bytes, known: npt.NDArray[np.bool_]) -> Bytes:
    """Colours of about the nearest known pixel where none is known.

    What lies under full transparency is arbitrary, often black, and a network would draw it into the visible edge. Each
    call halves the picture and takes the missing colours from there.
    """
    if known.all() or not known.any():
        return pixels
    height, width = known.shape
    sums = np.zeros(((height + 1) // 2, (width + 1) // 2, 3), np.uint16)
    counts = np.zeros(sums.shape[:2], np.uint16)
    for row, column in np.ndindex(2, 2):
        part = known[row::2, column::2]
        sums[: part.shape[0], : part.shape[1]] += pixels[row::2, column::2] * part[..., None]
        counts[: part.shape[0], : part.shape[1]] += part
    means = (sums // np.maximum(counts, 1)[..., None]).astype(np.uint8)
    smaller = _bled(means, counts > 0)
    near = smaller.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.where(known[..., None], pixels, near)


def result_format(source_format: str, width: int, height: int) -> str:
    """Pillow's name of the format in which a result of that size is written.

    JPEG, PNG and WebP stay what they are, unless a side is longer than the format can hold.
    """
    longest = max(width, height)
    if source_format in ("JPEG", "MPO") and longest <= JPEG_LONGEST:
        return "JPEG"
    if source_format == "WEBP" and longest <= WEBP_LONGEST:
        return "WEBP"
    return "PNG"


def save(canvas: Bytes, path: Path, result_format: str, source: Picture) -> None:
    """Write ``canvas`` with everything that ``source`` carries beside its pixels.

    ``canvas``: (height, width, channels), one channel for grey, two for grey with alpha, four for RGBA, and four for
    RGB, the last without meaning: Pillow takes that layout as it is, without a copy of the picture.

    Raises OSError.
    """
    height, width, channels = canvas.shape
    mode = {1: "L", 2: "LA", 4: "RGBA" if source.alpha is not None else "RGBX"}[channels]
    image = Image.frombuffer(mode, (width, height), canvas, "raw", mode, 0, 1)
    options: dict[str, Any] = {}
    if source.profile:
        options["icc_profile"] = source.profile
    if source.dpi:
        options["dpi"] = source.dpi
    exif = _exif_of_result(source.exif, width, height)
    if exif:
        options["exif"] = exif
    match result_format:
        case "JPEG":
            if source.alpha is not None:
                image = _on_white(image)
            options |= {"quality": 95, "subsampling": "4:4:4"}
        case "WEBP":
            options |= {"quality": 95, "method": 3}
        case "PNG":
            if mode == "RGBX":
                image = image.convert("RGB")
            options |= {"compress_level": 3}
    image.save(path, result_format, **options)


def _on_white(image: Image.Image) -> Image.Image:
    """For a format without transparency: white is what a shop shows behind a product."""
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("L" if image.mode == "LA" else "RGB")


def _exif_of_result(exif: Image.Exif | None, width: int, height: int) -> bytes | None:
    """The camera's data, less what no longer holds: the turn, which is done, and the size."""
    if exif is None:
        return None
    try:
        exif.pop(ORIENTATION, None)
        inner = exif.get_ifd(EXIF_IFD)
        if PIXEL_WIDTH in inner:
            inner[PIXEL_WIDTH], inner[PIXEL_HEIGHT] = width, height
        data = exif.tobytes()
    except Exception:
        return None
    return data if len(data) <= EXIF_LONGEST else None

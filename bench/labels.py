"""Labels with lines of print, drawn at the size of the result and shrunk to a source; what is still read of them."""

from __future__ import annotations

import difflib
import io
import zipfile
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from bench.photographs import OUT
from upscaler.fidelity.recogniser import Recogniser

Bytes = npt.NDArray[np.uint8]

FACTOR = 4
WIDTH, HEIGHT = 216, 328
"""Of a source, in pixels."""
HEIGHTS = (8, 9, 10, 12, 14, 17, 21, 27, 33, 40)
"""Of the fonts, in source pixels."""
FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "STIXGeneral.ttf", "DejaVuSans-Bold.ttf", "STIXGeneralItalic.ttf")
TEXTS = (
    "100% COTTON machine wash 30",
    "Made in Portugal, style 47192",
    "90% wool 10% silk, do not bleach",
    "STUDIO 1987 limited edition",
    "Iron low heat, size XL",
    "Dry flat in shade",
    "ATELIER NORD",
    "Pure Linen 55",
    "EST. 1926",
    "NORDSEE",
)
WEAR = 50, 0.6
"""JPEG quality and sigma of the blur, in source pixels, of worn labels."""
WAVE = 4, 120
"""How far print on folded cloth moves up and down, and after how many pixels it begins anew, in source pixels."""


@dataclass(frozen=True)
class Line:
    """One line of print and where it is, in source pixels: left, top, right, bottom."""

    text: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """One kind of label."""

    name: str
    ink: tuple[int, int, int]
    ground: tuple[int, int, int]
    curved: bool = False
    worn: bool = False


LABELS = (
    Label("dark on white", (30, 30, 36), (246, 244, 240)),
    Label("light on navy, curved", (232, 226, 214), (34, 40, 74), curved=True),
    Label("dark on white, worn", (30, 30, 36), (246, 244, 240), worn=True),
    Label("red on cream, curved, worn", (150, 30, 40), (230, 220, 196), curved=True, worn=True),
)


@cache
def font(name: str, height: int) -> ImageFont.FreeTypeFont:
    """A font that matplotlib's wheel ships."""
    [wheel] = sorted((OUT / "wheels").glob("matplotlib-*.whl"))[-1:]
    with zipfile.ZipFile(wheel) as archive:
        path = next(path for path in archive.namelist() if path.endswith(f"/ttf/{name}"))
        return ImageFont.truetype(io.BytesIO(archive.read(path)), height)


def drawn(label: Label) -> tuple[Image.Image, list[Line]]:
    """A label at the size of its result, and its lines."""
    sheet = Image.new("RGB", (WIDTH * FACTOR, HEIGHT * FACTOR), label.ground)
    draw = ImageDraw.Draw(sheet)
    lines, top = [], 8
    for number, height in enumerate(HEIGHTS):
        text, face = TEXTS[number], font(FONTS[number % len(FONTS)], height * FACTOR)
        draw.text((10 * FACTOR, top * FACTOR), text, font=face, fill=label.ink)
        left, upper, right, lower = draw.textbbox((10 * FACTOR, top * FACTOR), text, font=face)
        slack = WAVE[0] if label.curved else 1
        lines.append(
            Line(text, (left / FACTOR - 2, upper / FACTOR - slack, right / FACTOR + 2, lower / FACTOR + slack))
        )
        top += round(height * 1.25) + 8
    pixels = np.asarray(sheet)
    if label.curved:
        reach, period = (length * FACTOR for length in WAVE)
        moved = (reach * np.sin(2 * np.pi * np.arange(pixels.shape[1]) / period)).round().astype(int)
        rows = (np.arange(pixels.shape[0])[:, None] - moved[None, :]).clip(0, pixels.shape[0] - 1)
        pixels = pixels[rows, np.arange(pixels.shape[1])[None, :]]
    return Image.fromarray(pixels), lines


def source(label: Label) -> Image.Image:
    """The label as an order brings it; worn ones are JPEGs."""
    small = drawn(label)[0].resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    if not label.worn:
        return small
    quality, blur = WEAR
    buffer = io.BytesIO()
    small.filter(ImageFilter.GaussianBlur(blur)).save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def share_read(result: Bytes, lines: list[Line], recogniser: Recogniser) -> float:
    """The share of characters, from 0 to 1, that are still read in a picture that is a multiple of a source's size."""
    times = result.shape[0] / HEIGHT
    good = total = 0
    for line in lines:
        left, top, right, bottom = (max(0, round(at * times)) for at in line.box)
        good += still_read(line.text, recogniser.read(result[top:bottom, left:right]))
        total += len(line.text.replace(" ", ""))
    return good / total


def still_read(text: str, seen: str) -> int:
    """How many characters of ``text``, spaces left out, stand in what was seen, in order."""
    one, other = (line.replace(" ", "").casefold() for line in (text, seen))
    return sum(block.size for block in difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())

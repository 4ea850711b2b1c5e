"""Product shots made for the tests: real textures in the shape of garments, whose every product pixel is known."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from tests.support import pictures

TEXTURES = ("coffee", "chelsea", "astronaut", "rocket", "cream")


class Shot(NamedTuple):
    """A product on a background."""

    pixels: npt.NDArray[np.uint8]
    """(height, width, 3)."""
    product: npt.NDArray[np.bool_]
    """Where the product covers at least half of a pixel."""

    def file(self, format_name: str = "JPEG", **options: object) -> bytes:
        return pictures.encoded(Image.fromarray(self.pixels), format_name, **({"quality": 93} | options))


def garment(size: tuple[int, int], shape: int, share: float = 0.7) -> Image.Image:
    """The silhouette of a dress, a shirt, a bag with a thin strap, or a shoe, in mode L, with soft edges."""
    width, height = size
    mask = Image.new("L", (width * 2, height * 2))
    draw = ImageDraw.Draw(mask)

    def place(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [((0.5 + (x - 0.5) * share) * 2 * width, (0.5 + (y - 0.5) * share) * 2 * height) for x, y in points]

    if shape % 4 == 0:
        draw.polygon(place((0.35, 0), (0.65, 0), (0.6, 0.4), (1, 1), (0, 1), (0.4, 0.4)), fill=255)
    elif shape % 4 == 1:
        draw.polygon(
            place((0.25, 0), (0.75, 0), (1, 0.3), (0.85, 0.4), (0.8, 1), (0.2, 1), (0.15, 0.4), (0, 0.3)), fill=255
        )
    elif shape % 4 == 2:
        draw.polygon(place((0, 0.4), (1, 0.4), (0.9, 1), (0.1, 1)), fill=255)
        draw.arc(place((0.2, 0), (0.8, 0.8)), 180, 360, fill=255, width=max(4, width // 80))
    else:
        draw.ellipse(place((0, 0.3), (1, 1)), fill=255)
        draw.rectangle(place((0, 0), (0.35, 0.7)), fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def texture(name: str, size: tuple[int, int], seed: int) -> npt.NDArray[np.float64]:
    """What the product is made of; ``cream`` is a pale fabric that is nearly as bright as its surroundings."""
    if name != "cream":
        return np.asarray(pictures.photograph(name, size), np.float64)
    noise = np.random.default_rng(seed).normal(0, 1, (size[1], size[0]))
    weave = 6 * np.sin(np.arange(size[0]) * 0.8)[None] * np.sin(np.arange(size[1]) * 0.8)[:, None]
    return np.clip((226 + weave + 2 * noise)[..., None] + np.array([6, 3, -6]), 0, 255)


def shot(
    size: tuple[int, int] = (240, 320),
    *,
    ground: tuple[int, int, int] = (246, 246, 244),
    made_of: str = "coffee",
    shape: int = 0,
    shadow: bool = False,
    noise: float = 0.6,
    slope: float = 0.0,
    share: float = 0.7,
    seed: int = 0,
) -> Shot:
    """A product photograph. ``slope``: by how many levels the background darkens from top to bottom."""
    mask = garment(size, shape, share)
    back = np.ones((size[1], size[0], 3)) * np.array(ground, np.float64)
    back -= slope * np.linspace(0, 1, size[1])[:, None, None]
    if shadow:
        dark = mask.transform(size, Image.Transform.AFFINE, (1, 0, -size[0] * 0.02, 0, 1, -size[1] * 0.03))
        dark = dark.filter(ImageFilter.GaussianBlur(size[0] * 0.03))
        back *= 1 - 0.22 * np.asarray(dark, np.float64)[..., None] / 255
    back += np.random.default_rng(seed).normal(0, noise, back.shape)
    cover = np.asarray(mask, np.float64)[..., None] / 255
    mixed = back * (1 - cover) + texture(made_of, size, seed) * cover
    return Shot(np.clip(mixed + 0.5, 0, 255).astype(np.uint8), np.asarray(mask) >= 128)


def reread(file: bytes) -> npt.NDArray[np.uint8]:
    """A file's pixels, RGB."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))

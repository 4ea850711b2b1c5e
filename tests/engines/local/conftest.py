"""The local engine with its real child process, and what its tests measure pictures with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from PIL import Image, ImageCms

from tests.support import pictures
from upscaler import upscaling_models
from upscaler.engines.base import Order
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.inference import Networks

FAITHFUL = {"enhance_model": "High Fidelity V2"}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


has_bf16 = Networks().precision == "bf16"
BOTH_PRECISIONS = [
    "f32",
    pytest.param("bf16", marks=pytest.mark.skipif(not has_bf16, reason="the processor has no instructions for bf16")),
]


@pytest.fixture(scope="session")
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine(precision=settings.LOCAL_PRECISION)
    yield engine
    engine.close()


Enlarge = Callable[..., Image.Image]


@pytest.fixture
def order(tmp_path: Path) -> Callable[..., Order]:
    def make(content: bytes, model: str = "topaz", **settings: Any) -> Order:
        source, work = tmp_path / "source", tmp_path / "work"
        source.write_bytes(content)
        return Order(1, model, {**upscaling_models.MODELS[model].defaults, **settings}, source, work)

    return make


@pytest.fixture
def enlarge(engine: LocalEngine, order: Callable[..., Order]) -> Enlarge:
    """The result of a whole job, opened."""

    def run(content: bytes, model: str = "topaz", factor: str = "2x", **settings: Any) -> Image.Image:
        if model == "topaz":
            settings["upscale_factor"] = factor
        finished = engine.advance(order(content, model, **settings), lambda fraction, text: None)
        result = Image.open(finished.path)
        assert (result.format, result.size) == (finished.format, (finished.width, finished.height))
        result.load()
        return result

    return run


def crop(name: str = "astronaut", box: tuple[int, int, int, int] = (170, 60, 266, 156)) -> Image.Image:
    """A detail of a photograph at its own size: a face, by default."""
    return pictures.photograph(name).crop(box)


def png(picture: Image.Image, **options: Any) -> bytes:
    return pictures.encoded(picture, "PNG", **options)


def decibels(one: Image.Image, other: Image.Image, margin: int = 0) -> float:
    """PSNR of two pictures, without a margin of pixels at their edges."""
    inside = (slice(margin, -margin or None),) * 2
    difference = np.asarray(one, np.float64)[inside] - np.asarray(other, np.float64)[inside]
    return float(10 * np.log10(255**2 / (difference**2).mean()))


@dataclass(frozen=True)
class Shrunk:
    """A picture made smaller in floating point numbers: Pillow's 8-bit way rounds twice, which costs 51 dB at 2x."""

    pixels: np.ndarray

    def psnr(self, source: Image.Image) -> float:
        return float(10 * np.log10(255**2 / max(1e-9, np.square(self.pixels - np.asarray(source, np.float64)).mean())))

    def drift(self, source: Image.Image) -> float:
        """The largest shift of a colour channel's mean, in levels of 255."""
        return float(np.abs(self.pixels.mean((0, 1)) - np.asarray(source, np.float64).mean((0, 1))).max())


def shrunk(picture: Image.Image, size: tuple[int, int], kernel: Image.Resampling) -> Shrunk:
    channels = [
        Image.fromarray(np.asarray(channel, np.float32)).resize(size, kernel)
        for channel in picture.convert("RGB").split()
    ]
    return Shrunk(np.stack([np.asarray(channel, np.float64) for channel in channels], axis=2))

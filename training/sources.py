"""What becomes of a truth on its way to the network: shrunk, a JPEG, and cleaned."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.engines.local import tiles
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import CUNET_CLEAN_0, CUNET_CLEAN_1, Network
from upscaler.engines.local.recipe import JPEG_GOOD_FROM
from upscaler.imaging.samples import to_samples

Bytes = npt.NDArray[np.uint8]

SEED = 13
FACTOR = 4
SHRINKS = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
SUBSAMPLINGS = {"4:2:0": 2, "4:4:4": 0}
HALVED = 0.7
"""How many of the JPEGs that are learnt from have their colours halved, as cameras and shops mostly do."""
LOWEST, HIGHEST = 60, 97
"""JPEG qualities that are learnt."""
PIECE = 192
"""Side of a source that is learnt from, cut out of photographs."""


@dataclass(frozen=True)
class Wear:
    """What one source goes through."""

    shrink: Image.Resampling
    quality: int
    subsampling: int

    def source(self, truth: Bytes, factor: int = FACTOR) -> Bytes:
        """A truth, (height, width, 3), sides multiples of ``factor``, as a source that is so many times smaller."""
        buffer = io.BytesIO()
        size = truth.shape[1] // factor, truth.shape[0] // factor
        small = Image.fromarray(truth).resize(size, self.shrink)
        small.save(buffer, "JPEG", quality=self.quality, subsampling=self.subsampling)
        return np.asarray(Image.open(buffer).convert("RGB"))


def draw(random: np.random.Generator) -> Wear:
    """Any wear that is to be learnt."""
    return Wear(
        SHRINKS[random.integers(len(SHRINKS))],
        int(random.integers(LOWEST, HIGHEST + 1)),
        SUBSAMPLINGS["4:2:0" if random.random() < HALVED else "4:4:4"],
    )


def told(quality: int) -> float:
    """What the network is told of a JPEG's quality, from 1 to 100."""
    return (100 - quality) / 40


def cleaned(source: Bytes, quality: int, networks: Networks) -> Bytes:
    """A JPEG without its blocks and colour fringes, as CUNet leaves it: what the network is given."""
    return enlarged(source, CUNET_CLEAN_0 if quality >= JPEG_GOOD_FROM else CUNET_CLEAN_1, networks)


def enlarged(source: Bytes, network: Network, networks: Networks) -> Bytes:
    """``source``, (height, width, 3), as one network makes it."""
    height, width = source.shape[:2]
    made = np.empty((height * network.scale, width * network.scale, 3), np.uint8)
    for block in tiles.enlarge(source, network, networks):
        made[block.area] = to_samples(block.pixels, made.dtype)
    return made


def prepare(folder: Path, pictures: list[Bytes], count: int) -> None:
    """Write pieces 0 to ``count`` into ``folder``: cleaned source, truth and quality. Those that are there stay."""
    networks = Networks()
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        file = folder / f"{number:05}.npz"
        if not file.exists():
            truth, wear = _piece(pictures, np.random.default_rng((SEED, number)))
            clean = cleaned(wear.source(truth), wear.quality, networks)
            with file.with_suffix(".new").open("wb") as new:
                np.savez(new, clean=clean, truth=truth, quality=wear.quality)
            file.with_suffix(".new").replace(file)


def _piece(pictures: list[Bytes], random: np.random.Generator) -> tuple[Bytes, Wear]:
    """A truth of ``PIECE * FACTOR`` a side out of any of ``pictures``, turned in any way, and a wear for it."""
    picture = pictures[random.integers(len(pictures))]
    side = PIECE * FACTOR
    top, left = (int(random.integers(length - side + 1)) for length in picture.shape[:2])
    truth = np.rot90(picture[top : top + side, left : left + side], int(random.integers(4)))
    return np.ascontiguousarray(truth), draw(random)

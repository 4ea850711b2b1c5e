"""Which faithful network is truest for which kind of source, and what the engine takes for it.

Sources are made from the truths in the ways in which pictures reach a desk. Each is enlarged by each network with the
engine's own last pass, so that the choice of `engines/local/recipe.py` can be held against what it could have taken.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio

from bench import photographs
from bench.photographs import Photograph
from bench.report import progress, table, verdict
from upscaler import upscaling_models
from upscaler.engines.local import back_projection, tiles
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import (
    CUNET,
    CUNET_CLEAN_0,
    DAT_2X,
    DAT_4X,
    PHOTO,
    SRMD_CLEAN_2X,
    SRMD_CLEAN_4X,
    Network,
)
from upscaler.engines.local.recipe import recipe
from upscaler.engines.local.resample import BOX
from upscaler.engines.local.source_facts import SourceFacts, find_source_facts
from upscaler.imaging.samples import to_samples

Bytes = npt.NDArray[np.uint8]
Passes = tuple[Network, ...]
Resampling = Image.Resampling

MAY_LOSE = -0.05
"""What no kind of source may lose to the older networks, in the mean, in dB."""
NOISE = 1.5
"""Deviation of a camera's noise, in levels of 255."""


def _shrunk(photograph: Photograph, factor: int, by: Resampling) -> Image.Image:
    return photographs.clean_source(photograph, factor, by)


def _blurred(photograph: Photograph, factor: int) -> Image.Image:
    return photographs.clean_source(photograph, factor).filter(ImageFilter.GaussianBlur(0.5))


def _jpeg(photograph: Photograph, factor: int, quality: int) -> Image.Image:
    """As shops and cameras write them, colours at half the size."""
    buffer = io.BytesIO()
    photographs.clean_source(photograph, factor).save(buffer, "JPEG", quality=quality, subsampling=2)
    return Image.open(buffer)


def _jpeg_as_png(photograph: Photograph, factor: int, quality: int) -> Image.Image:
    return _jpeg(photograph, factor, quality).convert("RGB")


def _camera(photograph: Photograph, factor: int) -> Image.Image:
    """A cut from a camera's picture at its own size: one colour measured at each pixel, the others filled in, noise."""
    averaged = np.asarray(photographs.clean_source(photograph, factor, Resampling.BOX), np.float32)
    noisy = averaged + np.random.default_rng(1).normal(0, NOISE, averaged.shape)
    height, width = averaged.shape[:2]
    measured = np.zeros((height, width, 3), np.float32)
    for channel, spots in enumerate((((0, 0),), ((0, 1), (1, 0)), ((1, 1),))):
        for top, left in spots:
            measured[top::2, left::2, channel] = 1
    filled = [_spread_out(noisy[..., channel] * measured[..., channel]) for channel in range(3)]
    weights = [_spread_out(measured[..., channel]) for channel in range(3)]
    whole = np.stack([values / weight for values, weight in zip(filled, weights, strict=True)], axis=2)
    return Image.fromarray(whole.clip(0, 255).round().astype(np.uint8))


def _spread_out(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """``values`` under a triangle of 3 x 3: neighbours that were measured fill in what was not."""
    padded = np.pad(values, 1)
    height, width = values.shape
    rows = sum(weight * padded[shift : shift + height] for shift, weight in enumerate((0.5, 1, 0.5)))
    whole: npt.NDArray[np.float32] = np.asarray(
        sum(weight * rows[:, shift : shift + width] for shift, weight in enumerate((0.5, 1, 0.5)))
    )
    return whole


SAMPLE = tuple(photographs.named(name) for name in ("astronaut", "bus", "mug", "china"))
"""Enough to tell the networks apart; all photographs would take half of the bench's time."""
KINDS: dict[str, Callable[[Photograph, int], Image.Image]] = {
    "averaging": partial(_shrunk, by=Resampling.BOX),
    "bicubic": partial(_shrunk, by=Resampling.BICUBIC),
    "Lanczos": partial(_shrunk, by=Resampling.LANCZOS),
    "bicubic, blur 0.5": _blurred,
    "JPEG 97": partial(_jpeg, quality=97),
    "JPEG 90": partial(_jpeg, quality=90),
    "JPEG 75": partial(_jpeg, quality=75),
    "JPEG 97 as PNG": partial(_jpeg_as_png, quality=97),
    "JPEG 90 as PNG": partial(_jpeg_as_png, quality=90),
    "JPEG 75 as PNG": partial(_jpeg_as_png, quality=75),
    "camera": _camera,
}
CANDIDATES: dict[int, dict[str, Passes]] = {
    2: {"CUNet": (CUNET,), "DAT": (DAT_2X,), "SRMD": (SRMD_CLEAN_2X,)},
    4: {"CUNet, photo": (CUNET, PHOTO), "DAT": (DAT_4X,), "SRMD": (SRMD_CLEAN_4X,)},
}


@dataclass(frozen=True)
class Measured:
    """One source of one kind: PSNR in dB by network, of bicubic, and of the networks that the engine takes."""

    bicubic: float
    made: dict[str, float]
    taken: str
    facts: SourceFacts

    @property
    def before(self) -> float:
        """With the networks that were taken for all sources before there was a choice."""
        return next(iter(self.made.values()))

    @property
    def engine(self) -> float:
        return self.made[self.taken]


def measure(photograph: Photograph, factor: int, kind: str, networks: Networks) -> Measured:
    """Enlarge one source with every network."""
    source = KINDS[kind](photograph, factor)
    truth = np.asarray(photographs.truth(photograph))
    quality = None
    if source.format == "JPEG":
        quality = int(kind.split()[1])
        source = source.convert("RGB")
    pixels = np.asarray(source)
    facts = find_source_facts(pixels, quality, networks, lambda fraction, text: None)
    settings = upscaling_models.MODELS[upscaling_models.TOPAZ].defaults | {
        "upscale_factor": f"{factor}x",
        "enhance_model": upscaling_models.HIGH_FIDELITY_V2,
        "face_enhancement": False,
    }
    plan = recipe(upscaling_models.TOPAZ, settings, facts)
    candidates = dict(CANDIDATES[factor])
    older = next(iter(candidates))
    if quality is not None:
        before = recipe(upscaling_models.TOPAZ, settings, replace(facts, is_averaged=True)).passes
        candidates = {name: (CUNET_CLEAN_0, *passes) for name, passes in candidates.items()} | {older: before}
    taken = next(name for name, passes in candidates.items() if passes == plan.passes)
    made = {}
    for name, passes in candidates.items():
        work = pixels
        for network in passes:
            work = _enlarged(work, network, networks)
        projection = back_projection.BackProjection(pixels, work, factor, plan.keep, facts.shrink or BOX)
        result = np.empty_like(truth)
        for area in back_projection.squares(*pixels.shape[:2]):
            rows, columns = (slice(part.start * factor, part.stop * factor) for part in area)
            result[rows, columns] = to_samples(projection.square(area), np.dtype(np.uint8))
        made[name] = float(peak_signal_noise_ratio(truth, result, data_range=255))
    size = truth.shape[1], truth.shape[0]
    bicubic = np.asarray(source.resize(size, Resampling.BICUBIC))
    return Measured(float(peak_signal_noise_ratio(truth, bicubic, data_range=255)), made, taken, facts)


def _enlarged(pixels: Bytes, network: Network, networks: Networks) -> Bytes:
    height, width = pixels.shape[:2]
    enlarged = np.empty((height * network.scale, width * network.scale, 3), np.uint8)
    for block in tiles.enlarge(pixels, network, networks):
        enlarged[block.area] = to_samples(block.pixels, enlarged.dtype)
    return enlarged


def run() -> str:
    """All kinds, both factors."""
    networks = Networks()
    parts = []
    for factor in CANDIDATES:
        rows = []
        for kind in KINDS:
            progress(f"{factor}x, {kind}")
            rows.append(_row(kind, [measure(photograph, factor, kind, networks) for photograph in SAMPLE]))
        names = list(CANDIDATES[factor])
        titles = [f"{factor}x", "bicubic", *names, "engine", "taken", "over bicubic", "over before", f"goal {MAY_LOSE}"]
        parts += [table(titles, rows), ""]
    return "\n".join(
        [
            "Sources as photographs reach a desk, enlarged by each network with the engine's last pass, JPEGs cleaned "
            f"for DAT and SRMD. PSNR in dB, means of {', '.join(photograph.name for photograph in SAMPLE)}. "
            "*Taken*: how often the engine took which. *Before*: CUNet, then photo, for all sources; in brackets the "
            "photograph that lost most.",
            "",
            *parts,
        ]
    )


def _row(kind: str, measured: list[Measured]) -> list[str]:
    means = {name: np.mean([one.made[name] for one in measured]) for name in measured[0].made}
    engine, bicubic = np.mean([one.engine for one in measured]), np.mean([one.bicubic for one in measured])
    taken = [one.taken for one in measured]
    over = [one.engine - one.before for one in measured]
    return [
        kind,
        f"{bicubic:.2f}",
        *(f"{mean:.2f}" for mean in means.values()),
        f"{engine:.2f}",
        ", ".join(f"{name} {taken.count(name)}" for name in dict.fromkeys(taken)),
        f"{engine - bicubic:+.2f}",
        f"{np.mean(over):+.2f} ({min(over):+.2f})",
        verdict(float(np.mean(over)), MAY_LOSE),
    ]

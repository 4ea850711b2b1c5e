"""Holds weights against the networks that the engine takes, on photographs that nothing learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from training import photographs, sources
from training.photographs import Bytes
from upscaler import upscaling_models
from upscaler.engines.local import back_projection
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import DAT_4X, SRMD_CLEAN_4X, Network
from upscaler.engines.local.recipe import recipe
from upscaler.engines.local.resample import BOX
from upscaler.engines.local.source_facts import find_source_facts
from upscaler.imaging.samples import to_samples

QUALITIES = (97, 90, 75, 60)
BETTER = 0.15
"""What a network has to gain over the engine's, in the mean of all kinds, in dB."""
UNTAUGHT = {"SRMD": SRMD_CLEAN_4X, "DAT": DAT_4X}


def kinds() -> Iterator[tuple[str, sources.Wear]]:
    """All wears that are judged, with their names."""
    for quality, shrink, colours in product(QUALITIES, sources.SHRINKS, sources.SUBSAMPLINGS):
        wear = sources.Wear(shrink, quality, sources.SUBSAMPLINGS[colours])
        yield f"JPEG {quality}, {shrink.name.lower()}, {colours}", wear


def taught(stem: Path, quality: int) -> Network:
    """Written weights as the engine would run them, told of a JPEG's quality."""
    planes = (sources.told(quality),)
    return replace(SRMD_CLEAN_4X, name=stem.name, stem=str(stem.absolute()), planes=planes)


def measure(truth: Bytes, wear: sources.Wear, candidates: Mapping[str, Network], networks: Networks) -> list[float]:
    """PSNR in dB after the engine's last pass: its own networks first, then each candidate on the cleaned JPEG."""
    pixels = wear.source(truth)
    facts = find_source_facts(pixels, wear.quality, networks, lambda fraction, text: None)
    plan = recipe(upscaling_models.RECRAFT, {}, facts)
    work = pixels
    for network in plan.passes:
        work = sources.enlarged(work, network, networks)
    clean = sources.cleaned(pixels, wear.quality, networks)
    works = [work, *(sources.enlarged(clean, network, networks) for network in candidates.values())]
    found = []
    for work in works:
        projection = back_projection.BackProjection(pixels, work, sources.FACTOR, plan.keep, facts.shrink or BOX)
        result = np.empty_like(truth)
        for area in back_projection.squares(*pixels.shape[:2]):
            rows, columns = (slice(part.start * sources.FACTOR, part.stop * sources.FACTOR) for part in area)
            result[rows, columns] = to_samples(projection.square(area), np.dtype(np.uint8))
        found.append(float(peak_signal_noise_ratio(truth, result, data_range=255)))
    return found


def run(stems: list[Path]) -> str:
    """The table of all kinds, in the mean of the held-out photographs, and whether any of the weights pay."""
    networks, truths = Networks(), photographs.held_out()
    names = [*UNTAUGHT, *(stem.name for stem in stems)]
    lines = ["| kind | engine | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    gains = []
    for kind, wear in kinds():
        candidates = UNTAUGHT | {stem.name: taught(stem, wear.quality) for stem in stems}
        found = np.mean([measure(truth, wear, candidates, networks) for truth in truths.values()], axis=0)
        gains.append(found[1:] - found[0])
        lines.append(f"| {kind} | {found[0]:.2f} | " + " | ".join(f"{gain:+.2f}" for gain in gains[-1]) + " |")
        print(lines[-1], flush=True)
    means = np.mean(gains, axis=0)
    lines.append("| mean | | " + " | ".join(f"{mean:+.2f}" for mean in means) + " |")
    pays = [name for name, mean in zip(names, means, strict=True) if mean >= BETTER]
    lines += ["", f"At least {BETTER} dB better in the mean: {', '.join(pays) or 'none'}."]
    return "\n".join(lines)

"""What is done before anything is enlarged: the source is read, and what is made of it is decided.

A job begins with it, and a look for a quote is nothing else, so the two can't come to different ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from upscaler.engines.base import Report
from upscaler.engines.local import alpha, strength_map, tiles, timing
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.known import Known
from upscaler.engines.local.networks import Network
from upscaler.engines.local.recipe import Recipe, for_worn, recipe
from upscaler.engines.local.source_facts import SourceFacts, find_source_facts
from upscaler.engines.local.strength import Strength
from upscaler.engines.local.strength_map import StrengthMap
from upscaler.engines.local.timing import Stopwatch
from upscaler.engines.local.wear import find_wear
from upscaler.imaging import codec
from upscaler.imaging.codec import Picture
from upscaler.imaging.samples import Samples


@dataclass(frozen=True)
class Prepared:
    """A source, and what is to be made of it."""

    source: Picture
    facts: SourceFacts
    asked: Recipe
    """What such an order comes to, whatever its picture shows."""
    plan: Recipe
    """What it comes to for this picture."""
    mapped: StrengthMap
    alpha_passes: tuple[Network, ...]
    """The networks for its alpha channel."""
    judged: str
    """What the source is, in words."""

    @property
    def changed(self) -> Strength:
        """Where the picture is not the faithful expert's alone."""
        if not self.plan.deblurring:
            return self.mapped.strength
        return self.mapped.unprinted.stretched(self.plan.strength, self.plan.deblurred)


def prepare(
    path: Path,
    model_name: str,
    settings: Mapping[str, Any],
    known: Known,
    *,
    networks: Networks,
    report: Report,
    watch: Stopwatch,
) -> Prepared:
    """Read the picture file and decide what is done to it. ``known``: what an earlier look found.

    Raises PublicError, as an EngineError where it is the engine's own.
    """
    began = time.monotonic()
    loaded = codec.load(path)
    watch.add(timing.opening(loaded.width * loaded.height), time.monotonic() - began)
    facts = known.facts(loaded.width, loaded.height, loaded.jpeg_quality, networks.precision)
    if facts is None:
        with watch.step(timing.examining(loaded.jpeg_quality, loaded.height, loaded.width)):
            facts = find_source_facts(loaded.pixels, loaded.jpeg_quality, networks, report)
    judged = facts.described
    asked = plan = recipe(model_name, settings, facts)
    with watch.step(timing.looking(plan, loaded.width * loaded.height)):
        if plan.strength and loaded.jpeg_quality is not None:
            report(0.0, "Finding how worn the picture is")
            wear = find_wear(loaded.pixels)
            plan = for_worn(plan, wear, loaded.jpeg_quality)
            if plan.deblurring:
                judged += f", blurred by {wear.blur:.1f} pixels"
        mapped = strength_map.find_strength_map(loaded, plan, networks, report)
    if mapped.strength.is_zero:
        plan = replace(plan, restoring=None, deblurring=())
    alpha_passes = alpha.networks_for(loaded.alpha, plan.factor)
    return Prepared(loaded, facts, asked, plan, mapped, alpha_passes, judged)


def look(
    path: Path, model_name: str, settings: Mapping[str, Any], known: Known, *, networks: Networks, report: Report
) -> Known:
    """``known``, and what such a job of the picture file would find. Raises as ``prepare`` does."""
    watch = Stopwatch(networks)
    prepared = prepare(path, model_name, settings, known, networks=networks, report=report, watch=watch)
    return known.with_found(prepared.facts, networks.precision, shares(prepared))


def shares(prepared: Prepared) -> dict[str, float]:
    """By `Step.key`: how much of each network's step the picture will take, from 0 to 1.

    Which tiles are of one colour is told from the source also for a later pass, where it may differ by a tile.
    """
    source, plan, asked = prepared.source, prepared.plan, prepared.asked
    pixels, size = source.pixels, (source.height, source.width)
    found: dict[str, float] = {}
    for network, share in _passes(pixels, plan.passes):
        found[network.name] = share
    if asked.restoring is not None:
        step = timing.rebuilding(asked, asked.restoring, *size)
        needed = tiles.needed(pixels, asked.restoring, prepared.mapped.strength.anywhere) if plan.restoring else 0.0
        found[step.key] = needed / step.work
    wanted = prepared.changed.anywhere
    for number, step in enumerate(timing.deblurring(asked, *size, source.jpeg_quality)):
        if not plan.deblurring:
            found[step.key] = 0.0
            continue
        network = plan.deblurring[number]
        is_last = number == len(plan.deblurring) - 1
        needed = tiles.needed(pixels, network, wanted) if is_last else tiles.needed(pixels, network)
        found[step.key] = needed / step.work
    outline = alpha.passes(plan.factor) if source.jpeg_quality is None else ()
    found |= {f"{network.name}, {timing.OUTLINE}": 0.0 for network in outline}
    if source.alpha is not None and prepared.alpha_passes:
        for network, share in _passes(source.alpha[..., None], outline):
            found[f"{network.name}, {timing.OUTLINE}"] = share
    return found


def _passes(pixels: Samples, passes: tuple[Network, ...]) -> Iterator[tuple[Network, float]]:
    """Networks one after the other over a picture, each with its share."""
    enlarged = 1
    for network in passes:
        size = pixels.shape[0] * enlarged, pixels.shape[1] * enlarged
        yield network, tiles.needed(pixels, network, enlarged=enlarged) / tiles.work(*size, network)
        enlarged *= network.scale

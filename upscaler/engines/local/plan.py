"""What a job will be made of, told from the order alone: the web process asks, and loads no runtime for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from upscaler.engines.base import Step
from upscaler.engines.local import alpha, processor, tiles, timing
from upscaler.engines.local.known import Known, Usual
from upscaler.engines.local.networks import CUNET_CLEAN_1, TIMED, Network
from upscaler.engines.local.recipe import Recipe, recipe
from upscaler.engines.local.source_facts import SourceFacts, looked_at_by, squares
from upscaler.imaging import codec

JPEG_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
LIKELY_SHARES = {timing.OUTLINE: 0.1, timing.DEBLUR: 0.1, "faces": 0.3}
"""By the part of a picture, how much of a network's step is done on the average, until this desk has seen a few: of ten
sources one is a cut-out, and few are worn."""
COST_THREADS = 2
"""How many threads the networks' costs were measured with."""
SPEED: tuple[tuple[set[str], float, float], ...] = (
    ({"amx_bf16"}, 0.13, 0.36),
    ({"avx512_bf16"}, 0.14, 0.28),
    ({"avx512f"}, 0.36, 0.36),
    (set(), 0.7, 0.7),
)
"""By a processor's instructions, what to multiply a network's cost with: where bf16 may be used, and in f32.

From `make bench`; the last, without AVX-512, from the width of its registers."""

GPU_SPEED = 0.05
"""The same on a GPU: a guess, since none was at hand."""


def steps(
    model_name: str,
    settings: Mapping[str, Any],
    size: tuple[int, int],
    source_name: str,
    result_format: str,
    *,
    threads: int,
    precision: str,
    source_facts: Mapping[str, Any] | None = None,
    usual: Usual | None = None,
) -> Iterator[Step]:
    """The steps of a job, as `PlannedEngine.steps` describes them.

    What nobody has found out yet counts as it usually is: where it is not known how the source was
    made smaller, each of the two ways to go on counts by its share. ``threads`` and ``precision`` are those that the
    networks will work in.
    """
    known = Known.read(source_facts)
    usual = usual or Usual()
    is_jpeg = known.jpeg_quality is not None if known.is_opened else source_name.lower().endswith(JPEG_ENDINGS)
    quality = known.jpeg_quality if known.is_opened else usual.jpeg_quality if is_jpeg else None
    asked = result_format or ("JPEG" if is_jpeg else Path(source_name).suffix.removeprefix(".").upper())
    speed = _guess(threads, precision)
    for chance, facts in _possible(known, size, quality, usual):
        plan = recipe(model_name, settings, facts)
        compiled = set[str]()
        for step, network, height, width in _steps(plan, facts, asked, is_looked_at=bool(known.precision)):
            if network is None:
                yield replace(step, work=step.work * chance)
                continue
            is_known = step.key in known.shares
            share = (known if is_known else usual).shares.get(step.key, LIKELY_SHARES.get(step.part, 1.0))
            if not share:
                continue
            for compiling in _compiling(network, height, width):
                if compiling.once not in compiled:
                    compiled.add(compiling.once)
                    yield replace(compiling, work=chance * (1 if is_known else share))
            yield replace(step, work=step.work * share * chance, usual=step.usual * speed)


def usual_rates(*, threads: int, precision: str) -> dict[str, float]:
    """Seconds for a megapixel of each network's output, by name, guessed from the kind of processor."""
    speed = _guess(threads, precision)
    return {network.name: network.cost * speed for network in TIMED}


def _possible(
    known: Known, size: tuple[int, int], quality: int | None, usual: Usual
) -> Iterator[tuple[float, SourceFacts]]:
    """What the source may be, and the chance of it."""
    if known.precision or not looked_at_by(quality):
        yield 1.0, SourceFacts(*size, quality, known.shrink, known.is_averaged)
        return
    averaged = usual.averaged.get(quality is not None, 0.5)
    yield averaged, SourceFacts(*size, quality, None, is_averaged=True)
    yield 1 - averaged, SourceFacts(*size, quality, None, is_averaged=False)


Planned = tuple[Step, Network | None, int, int]
"""A step; of one that a network does over a picture, also the network and the height and width that it is given."""


def _steps(plan: Recipe, facts: SourceFacts, asked: str, *, is_looked_at: bool) -> Iterator[Planned]:
    height, width, quality = facts.height, facts.width, facts.jpeg_quality
    yield timing.opening(width * height), None, 0, 0
    examining = timing.examining(quality, height, width)
    if examining.work and not is_looked_at:
        for network in looked_at_by(quality):
            form = f"{network.name} {squares(height) * squares(width)} squares"
            yield replace(timing.compiling(network), once=form), None, 0, 0
        yield examining, None, 0, 0
    factor = 1
    for network in plan.passes:
        size = height * factor, width * factor
        yield timing.enlarging(network, *size), network, *size
        factor *= network.scale
    if plan.restoring is not None:
        yield timing.looking(plan, width * height), None, 0, 0
        yield timing.rebuilding(plan, plan.restoring, height, width), plan.restoring, height, width
        for step, network in zip(
            timing.deblurring(plan, height, width, quality), (CUNET_CLEAN_1, timing.DEBLURRING), strict=False
        ):
            yield step, network, height, width
    factor = 1
    for step, network in zip(timing.outlining(plan, height, width, quality), alpha.passes(plan.factor), strict=False):
        yield step, network, height * factor, width * factor
        factor *= network.scale
    pixels = width * height * plan.factor**2
    yield timing.finishing(plan, pixels), None, 0, 0
    written = codec.result_format(asked, width * plan.factor, height * plan.factor)
    yield timing.saving(pixels, written), None, 0, 0


def _compiling(network: Network, height: int, width: int) -> Iterator[Step]:
    down, across = tiles.Axis.cut(height, network), tiles.Axis.cut(width, network)
    form = f"{network.name} {down.inputs(network)} {across.inputs(network)}"
    yield replace(timing.compiling(network), once=form)
    if tiles.takes_means(down, across, network):
        # Once more, for the means over the whole picture, always of one size.
        yield replace(timing.compiling(network), once=f"{network.name} means")


def _guess(threads: int, precision: str) -> float:
    return GPU_SPEED if precision == "f16" else _speed(precision) * COST_THREADS / threads


@cache
def _speed(precision: str) -> float:
    """What to multiply the networks' costs with on this machine's processor."""
    flags = processor.instructions()
    bf16, f32 = next((bf16, f32) for needed, bf16, f32 in SPEED if needed <= flags)
    return f32 if precision == "f32" else bf16

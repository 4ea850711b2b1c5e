"""What a job will be made of, told from the order alone: the web process asks, and loads no runtime for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from upscaler.engines.base import Step
from upscaler.engines.local import tiles, timing
from upscaler.engines.local.networks import CUNET, Network
from upscaler.engines.local.recipe import recipe
from upscaler.engines.local.source_facts import SourceFacts
from upscaler.imaging import codec

LIKELY_QUALITY = 90
"""Of a JPEG that nobody has looked into: of those that cameras and shops write, most are between 83 and 95."""
JPEG_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
COST_THREADS = 2
"""How many threads the networks' costs were measured with."""
SPEED: tuple[tuple[set[str], float, float], ...] = (
    ({"amx_bf16"}, 0.13, 0.36),
    ({"avx512_bf16"}, 0.18, 0.36),
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
) -> Iterator[Step]:
    """The steps of a job, as `PlannedEngine.steps` describes them.

    What only the picture can tell is guessed: a JPEG's quality, how it was made smaller, and that no tile is spared.
    ``threads`` and ``precision`` are those that the networks will work in.
    """
    width, height = size
    is_jpeg = source_name.lower().endswith(JPEG_ENDINGS)
    facts = SourceFacts(width, height, LIKELY_QUALITY if is_jpeg else None, shrink=None)
    plan = recipe(model_name, settings, facts)
    speed = GPU_SPEED if precision == "f16" else _speed(precision) * COST_THREADS / threads
    yield timing.opening(width * height)
    examining = timing.examining(facts.jpeg_quality)
    if examining.work:
        yield replace(timing.compiling(CUNET), once=f"{CUNET.name} squares")
        yield examining
    factor = 1
    for network in plan.passes:
        yield from _compiling(network, height * factor, width * factor)
        yield _scaled(timing.enlarging(network, height * factor, width * factor), speed)
        factor *= network.scale
    if plan.restoring is not None:
        yield timing.looking(plan, width * height)
        yield from _compiling(plan.restoring, height, width)
        yield _scaled(timing.rebuilding(plan, plan.restoring, height, width), speed)
    width, height = width * plan.factor, height * plan.factor
    asked = result_format or ("JPEG" if is_jpeg else Path(source_name).suffix.removeprefix(".").upper())
    yield timing.finishing(plan, width * height)
    yield timing.saving(width * height, codec.result_format(asked, width, height))


def _scaled(step: Step, speed: float) -> Step:
    return replace(step, usual=step.usual * speed)


def _compiling(network: Network, height: int, width: int) -> Iterator[Step]:
    down, across = tiles.Axis.cut(height, network), tiles.Axis.cut(width, network)
    form = f"{network.name} {down.inputs(network)} {across.inputs(network)}"
    yield replace(timing.compiling(network), once=form)
    if network.pools and down.count * across.count > 1:
        # Once more, for the means over the whole picture, always of one size.
        yield replace(timing.compiling(network), once=f"{network.name} means")


@cache
def _speed(precision: str) -> float:
    """What to multiply the networks' costs with on this machine's processor."""
    flags = _instructions()
    bf16, f32 = next((bf16, f32) for needed, bf16, f32 in SPEED if needed <= flags)
    return f32 if precision == "f32" else bf16


def _instructions() -> set[str]:
    """As Linux names them; none where there is no such list."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())

"""The steps of a job, and how long each took: what a desk tells the time of the next job by.

The plan of a job and its stopwatch share these steps, so that what is measured is what was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from upscaler.engines.base import Step, Timing
from upscaler.engines.local import tiles
from upscaler.engines.local.networks import Network, Networks
from upscaler.engines.local.recipe import Recipe
from upscaler.engines.local.source_facts import JPEG_CLEAN_FROM

MEGA = 1e6
SAVE_SECONDS = {"JPEG": 0.006, "PNG": 0.012, "WEBP": 0.42}
"""For a megapixel, on a free core; docs/engines.md, Writing."""


def opening(pixels: int) -> Step:
    """Reading a source of so many pixels."""
    return Step("open", pixels / MEGA + 0.3, 0.05)


def examining(jpeg_quality: int | None) -> Step:
    """Finding how the source was made smaller; no work for a JPEG that can't tell."""
    tells = jpeg_quality is None or jpeg_quality >= JPEG_CLEAN_FROM
    return Step("look at the source", 1 if tells else 0, 0.3)


def looking(recipe: Recipe, pixels: int) -> Step:
    """Finding where the restoring network goes in a source of so many pixels; no work without one.

    The subject and faces are found in a small copy; print, weaves and missing detail in the picture as it is.
    """
    wanted = [recipe.part, "faces" if recipe.faces is not None else None]
    work = pixels / MEGA + 1 if recipe.restoring else 0
    return Step("look for " + " and ".join(filter(None, wanted)), work, 0.6)


def compiling(network: Network) -> Step:
    """Compiling a network; x4plus, with the most layers, takes longest."""
    return Step(f"compile {network.name}", 1, 0.07 * network.cost)


def enlarging(network: Network, height: int, width: int) -> Step:
    """A network over a picture of that size, all of it."""
    return Step(network.name, tiles.work(height, width, network), network.cost)


def rebuilding(recipe: Recipe, network: Network, height: int, width: int) -> Step:
    """The restoring network, which is spared where it is not wanted: how often, depends on the part of the picture."""
    part = ", ".join(filter(None, [network.name, recipe.part, None if recipe.strength else "faces alone"]))
    return Step(part, tiles.work(height, width, network), network.cost)


def outlining(passes: Sequence[Network], pixels: int) -> Step:
    """The alpha channel of a result of so many pixels by its networks; no work without any.

    No plan has it, since an order does not tell whether there is one. Apart from finishing, whose speed would else
    be that of cut-outs.
    """
    return Step("outline, " + " and ".join(network.name for network in passes), pixels / MEGA if passes else 0, 2.0)


def finishing(recipe: Recipe, pixels: int) -> Step:
    """Colours and size of a result of so many pixels: the more is kept, the more rounds it takes."""
    resampled = ", resampled" if recipe.work_factor != recipe.factor else ""
    return Step(f"finish, {recipe.keep.name.lower()} kept{resampled}", pixels / MEGA + 0.1, 0.15)


def saving(pixels: int, result_format: str) -> Step:
    """Writing the result."""
    return Step(f"save {result_format}", pixels / MEGA + 0.5, SAVE_SECONDS[result_format])


class Stopwatch:
    """Measures the steps of one job."""

    def __init__(self, networks: Networks) -> None:
        networks.compilations.clear()
        self._compilations = networks.compilations
        self._spent: dict[str, tuple[float, float]] = {}

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Counts what the block takes as that step, and what it compiles apart."""
        began, compiled = time.monotonic(), len(self._compilations)
        yield
        seconds = time.monotonic() - began
        for network, taken in self._compilations[compiled:]:
            self._count(f"compile {network}", 1, taken)
            seconds -= taken
        self.add(step, seconds)

    def add(self, step: Step, seconds: float) -> None:
        """Counts a step that was measured elsewhere."""
        self._count(step.name, step.work, seconds)

    @property
    def timings(self) -> list[Timing]:
        """Each step that ended, once."""
        return [Timing(name, work, seconds) for name, (work, seconds) in self._spent.items()]

    def _count(self, name: str, work: float, seconds: float) -> None:
        if not work:
            return
        before_work, before = self._spent.get(name, (0.0, 0.0))
        self._spent[name] = before_work + work, before + seconds

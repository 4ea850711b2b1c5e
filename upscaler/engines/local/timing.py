"""The steps of a job, and how long each took: what a desk tells the time of the next job by.

The plan of a job and its stopwatch share these steps, so that what is measured is what was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from upscaler.engines.base import Step, Timing
from upscaler.engines.local import alpha, tiles
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import CUNET_CLEAN_1, Network, srmd_4x
from upscaler.engines.local.recipe import Recipe, may_be_worn
from upscaler.engines.local.source_facts import looked_at_by, squares

MEGA = 1e6
CLEANED_TOO = 3
"""How many times the work a look is where a JPEG is cleaned for it: its squares need a wider border, too."""
SAVE_SECONDS = {"JPEG": 0.006, "PNG": 0.012, "WEBP": 0.42}
"""For a megapixel, on a free core; docs/engines.md, Writing."""
DEBLUR, OUTLINE = "deblur", "outline"
"""Parts of a picture, as `Step.part`."""
DEBLURRING = srmd_4x(2.4, 10)
"""Stands for the network that is told the blur: each blur has one of its own, and all are equally quick."""


def opening(pixels: int) -> Step:
    """Reading a source of so many pixels."""
    return Step("open", pixels / MEGA + 0.3, 0.05)


def examining(jpeg_quality: int | None, height: int, width: int) -> Step:
    """Finding how the source was made smaller, by squares of it; no work for a JPEG that can't tell."""
    times = (0, 1, CLEANED_TOO)[len(looked_at_by(jpeg_quality))]
    return Step("look at the source", times * (squares(height) * squares(width) + 1) if times else 0, 0.03)


def looking(recipe: Recipe, pixels: int) -> Step:
    """Finding where the restoring network goes in a source of so many pixels; no work without one.

    The subject and faces are found in a small copy; print, weaves and missing detail in the picture as it is.
    """
    wanted = [recipe.part, "faces" if recipe.faces is not None else None]
    work = pixels / MEGA + 1 if recipe.restoring else 0
    return Step("look for " + " and ".join(filter(None, wanted)), work, 0.6)


def compiling(network: Network) -> Step:
    """Compiling a network for one size of tiles."""
    return Step(f"compile {network.name}", 1, network.compiling)


def enlarging(network: Network, height: int, width: int, part: str = "") -> Step:
    """A network over a picture of that size, all of it."""
    return Step(network.name, tiles.work(height, width, network), network.cost, part=part)


def rebuilding(recipe: Recipe, network: Network, height: int, width: int) -> Step:
    """The restoring network, which is spared where it is not wanted: how often, depends on what the order names."""
    faces = None if recipe.faces is None else "faces" if recipe.faces else "faces kept"
    return enlarging(network, height, width, ", ".join(filter(None, [recipe.part, faces])) or "all")


def deblurring(recipe: Recipe, height: int, width: int, jpeg_quality: int | None) -> list[Step]:
    """Taking the blur out of a worn JPEG where detail is rebuilt; none where no picture could need it."""
    if not may_be_worn(recipe, jpeg_quality):
        return []
    return [enlarging(network, height, width, DEBLUR) for network in (CUNET_CLEAN_1, DEBLURRING)]


def outlining(recipe: Recipe, height: int, width: int, jpeg_quality: int | None) -> list[Step]:
    """The alpha channel of a source of that size by its networks; none for a JPEG, which has no such channel."""
    found: list[Step] = []
    for network in alpha.passes(recipe.factor) if jpeg_quality is None else ():
        found.append(enlarging(network, height, width, OUTLINE))
        height, width = height * network.scale, width * network.scale
    return found


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
        self._networks = networks
        self._spent: dict[str, Timing] = {}
        self.shares: dict[str, float] = {}
        """By `Step.key`: how much of the step the picture took, from 0 to 1."""

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Counts what the block takes as that step, all of it, and what it compiles apart."""
        with self._measured() as taken:
            yield
        self.add(step, taken[0])

    @contextmanager
    def tiles(self, step: Step) -> Iterator[None]:
        """The same of a network over a picture: of the step counts what tiles were made."""
        before = self._networks.made
        with self._measured() as taken:
            yield
        made = self._networks.made - before
        self.shares[step.key] = made / step.work
        self._count(step.name, made, taken[0])

    def add(self, step: Step, seconds: float) -> None:
        """Counts a step that was measured elsewhere."""
        self._count(step.name, step.work, seconds)

    @property
    def timings(self) -> list[Timing]:
        """Each step that ended, once."""
        return list(self._spent.values())

    @contextmanager
    def _measured(self) -> Iterator[list[float]]:
        """Gives a list that holds the seconds of the block once it has ended, without what it compiled."""
        taken: list[float] = []
        began, compiled = time.monotonic(), len(self._networks.compilations)
        yield taken
        seconds = time.monotonic() - began
        for network, compiling in self._networks.compilations[compiled:]:
            self._count(f"compile {network}", 1, compiling, once=True)
            seconds -= compiling
        taken.append(seconds)

    def _count(self, name: str, work: float, seconds: float, *, once: bool = False) -> None:
        if not work:
            return
        before = self._spent.get(name, Timing(name, 0.0, 0.0))
        self._spent[name] = Timing(name, before.work + work, before.seconds + seconds, once)

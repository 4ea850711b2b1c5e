"""A result measured against its source: everything that the verdict goes by, in numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from upscaler.engines.local.faces import Face
from upscaler.engines.local.inference import Networks
from upscaler.errors import PublicError
from upscaler.fidelity import differences, lettering, outline, people, registration
from upscaler.fidelity.differences import Differences
from upscaler.fidelity.grids import Mask
from upscaler.fidelity.recogniser import Recogniser
from upscaler.fidelity.registration import Aligned, Frame
from upscaler.imaging import intake
from upscaler.imaging.reducing import Reduced
from upscaler.imaging.samples import Floats, Samples

MAX_AREA = 1_000_000
"""Pixels in which two pictures are compared at most: larger sources are shrunk to it, and the result to the source."""
CANCELLED = "cancelled"

Cancel = Callable[[], bool]


@dataclass(frozen=True)
class Measured:
    """One result and its source."""

    source_size: tuple[int, int]
    """Width and height in pixels."""
    rgb: Samples
    """The source's small copy, sRGB, (height, width, 3), whose pixels all boxes below are in."""
    frame: Frame
    differences: Differences
    outline: Floats
    """By cell, see `outline.compare`."""
    lines: tuple[lettering.Line, ...]
    faces: tuple[people.Compared, ...]

    @property
    def scale(self) -> float:
        """Pixels of the source for one of its small copy."""
        return self.source_size[0] / self.rgb.shape[1]


def measure(source: Path, result: Path, *, cancel: Cancel | None = None) -> Measured:
    """Read and compare two picture files.

    ``cancel`` is asked between the steps. Raises PublicError for a file that can't be read (codes as
    `intake.examine`), with code ``cancelled`` where ``cancel`` says so, and EngineError where a network is missing.
    """
    _go_on(cancel)
    one = intake.reduce(source, name=source.name, max_area=MAX_AREA)
    _go_on(cancel)
    # The result, which is larger, is read by another process: meanwhile the source is looked at here.
    with ThreadPoolExecutor(1) as reader:
        side = max(one.rgb.shape[:2])
        reading = reader.submit(intake.reduce, result, name=result.name, side=side, max_area=MAX_AREA)
        looked = looked_at(one)
    _go_on(cancel)
    aligned = registration.align(one, reading.result())
    # The result as it was read is not needed any more.
    del reading
    return _compared(looked, aligned, cancel)


@dataclass(frozen=True)
class Source:
    """A source that was looked at, to be compared with one result or several."""

    picture: Reduced
    lines: list[lettering.Read]
    faces: list[Face]


def looked_at(source: Reduced) -> Source:
    """Find what is to be found again in results. Raises EngineError where a network is missing."""
    networks = _networks()
    shown = differences.shown(source.rgb, source.alpha)
    try:
        lines = lettering.find(shown, networks, _recogniser)
        # What the one worked in is the other's then: a check is never larger than the larger of them.
        networks.rest()
        return Source(source, lines, people.find(shown, networks))
    finally:
        networks.rest()


def compare(looked: Source, result: Reduced, *, cancel: Cancel | None = None) -> Measured:
    """`measure` for pictures that were read: the result with as long a longest side as the source."""
    return _compared(looked, registration.align(looked.picture, result), cancel)


def _compared(looked: Source, aligned: Aligned, cancel: Cancel | None) -> Measured:
    source, laid, seen = looked.picture, aligned.result, aligned.seen
    networks = _networks()
    networks.rest()
    _go_on(cancel)
    # What only the source lets through, counts as shape and not as colour too.
    alpha = laid.alpha if laid.alpha is not None else source.alpha
    found = differences.compare(
        differences.over_ground(source.lab, source.alpha), differences.over_ground(laid.lab, alpha), seen
    )
    shape = outline.compare(source, laid) * found.seen
    _go_on(cancel)
    before, after = differences.shown(source.rgb, source.alpha), differences.shown(laid.rgb, alpha)
    lines = lettering.compare(looked.lines, after, _recogniser)
    faces = people.compare(looked.faces, before, after, networks)
    networks.rest()
    return Measured(
        (source.width, source.height),
        source.rgb,
        aligned.frame,
        found,
        shape,
        tuple(line for line in lines if _is_seen(line.box, seen)),
        tuple(face for face in faces if _is_seen(face.box, seen)),
    )


def _is_seen(box: lettering.Box, seen: Mask) -> bool:
    left, top, right, bottom = box
    return bool(np.all(seen[top:bottom, left:right]))


def _go_on(cancel: Cancel | None) -> None:
    if cancel is not None and cancel():
        raise PublicError("The check was cancelled.", code=CANCELLED)


@cache
def _networks() -> Networks:
    return Networks(threads=_threads())


@cache
def _recogniser() -> Recogniser:
    return Recogniser(threads=_threads())


def _threads() -> int:
    # More would wait for one another: the networks are small, and two cores may have other work.
    return min(2, len(os.sched_getaffinity(0)))

"""Where the restoring network goes: what ``subject_detection`` and ``face_enhancement`` make of one picture.

The order's strength holds in the part of the picture that ``subject_detection`` names and is 0 elsewhere. In faces, the
asked creativity takes its place. Print and fine weaves are left to the faithful expert.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.engines.base import Report
from upscaler.engines.local import detail, downscaled, faces, subject, text_map, weave
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.recipe import Recipe
from upscaler.engines.local.strength import Strength
from upscaler.imaging.codec import Picture
from upscaler.imaging.samples import Floats

Bytes = npt.NDArray[np.uint8]

HALF = 0.5
"""From which share of it a place counts as held back, for the record."""
NOTEWORTHY = 0.001
"""The share of the picture from which it is said that it was held back."""
VISIBLE = 0.99
"""A source whose opaque part is smaller than this is a cut-out, and what it shows is the subject."""

NO_SUBJECT = "No clear subject was found, so the whole picture was enhanced."
ALL_SUBJECT = "The subject fills the picture, so there was no background to enhance."
CUT_OUT = "The picture is a cut-out, so there was no background to enhance."
NOTHING_MISSING = "No detail was found missing, so nothing was rebuilt."
PRINT_KEPT = "Print was found and kept as it is."
WEAVE_KEPT = "A fine weave was found and kept as it is."
NO_FACE = "No face was found to enhance."

SMALL_FACE, LARGE_FACE = 48, 72
"""Heights of faces, in source pixels, up to which creativity is held at ``SMALL_FACE_MOST`` and from which it is free.

The restoring network takes a few pixels of an eye or a mouth for something else and draws that.
"""
SMALL_FACE_MOST = 0.3


@dataclass(frozen=True)
class StrengthMap:
    """How much of the restoring network goes where, and what was found on the way."""

    strength: Strength
    unprinted: Strength
    """The same, as if there were no print: a network that takes a blur away invents no letters."""
    found: dict[str, Any]
    """For the record: ``strength``, ``subject``, ``print`` and ``weave`` (their shares of the picture), ``faces`` (how
    many), and ``notes``, plain sentences where something could not be done as asked."""


def find_strength_map(source: Picture, plan: Recipe, networks: Networks, report: Report) -> StrengthMap:
    """Look at the source as far as the plan asks for it.

    Raises EngineError where a detector is not installed.
    """
    if plan.restoring is None:
        return StrengthMap(Strength(0.0), Strength(0.0), {})
    step = downscaled.step(source.height, source.width)
    small = downscaled.downscale(source.pixels, step)
    share = np.full(small.shape[:2], plan.strength, np.float32)
    found: dict[str, Any] = {}
    notes: list[str] = []
    if plan.part == "Auto":
        watch = partial(report, 0.0, "Finding where detail is missing")
        lacking = detail.missing(source.pixels, source.jpeg_quality, watch)
        share *= _fitted(lacking, detail.CELL, step, small.shape[:2])
        if not share.any():
            notes.append(NOTHING_MISSING)
    elif plan.part is not None:
        cut_out = _cut_out(source, step)
        if cut_out is None:
            report(0.0, "Finding the subject")
        mask = subject.mask(small, networks) if cut_out is None else cut_out
        found["subject"] = round(subject.cover(mask), 3)
        part, note = _part(mask, plan.part, is_cut_out=cut_out is not None)
        share *= part
        notes += note
    unprinted = share
    if share.any():
        printed, woven = _spared(source, share, step, networks, report, found, notes)
        share, unprinted = share * (1 - np.maximum(printed, woven)), share * (1 - woven)
    if plan.faces is not None:
        report(0.0, "Finding faces")
        seen = faces.find_faces(small, networks)
        found["faces"] = len(seen)
        if not seen:
            notes.append(NO_FACE)
        for face in seen:
            asked = min(plan.faces, most_for(face.height * step))
            ellipse = face.ellipse(*small.shape[:2])
            share, unprinted = (shares + ellipse * (np.float32(asked) - shares) for shares in (share, unprinted))
    # The tiles that follow need the memory.
    networks.rest()
    if share.any():
        found["strength"] = plan.strength
    if notes:
        found["notes"] = notes
    return StrengthMap(Strength(share, step), Strength(unprinted, step), found)


def _spared(
    source: Picture,
    share: Floats,
    step: int,
    networks: Networks,
    report: Report,
    found: dict[str, Any],
    notes: list[str],
) -> tuple[Floats, Floats]:
    """How far each value of the map is left to the faithful expert, from 0 to 1: since there is print, or a weave."""
    strength = Strength(share, step)
    # A large picture is looked at for half a minute, in which the work can be stopped.
    watch = partial(report, 0.0, "Finding print and weaves")

    def wanted(rows: slice, columns: slice) -> bool:
        watch()
        return strength.anywhere(rows, columns)

    printed = _fitted(text_map.find_text(source.pixels, wanted, networks), text_map.CELL, step, share.shape)
    woven = _fitted(weave.find_weave(source.pixels, watch), weave.CELL, step, share.shape)
    for name, held, note in (("print", printed, PRINT_KEPT), ("weave", woven, WEAVE_KEPT)):
        part = float(((held >= HALF) & (share > 0)).mean())
        if part >= NOTEWORTHY:
            found[name] = round(part, 3)
            notes.append(note)
    return printed, woven


def _cut_out(source: Picture, step: int) -> Floats | None:
    """What shows of a source with a transparent surrounding, from 0 to 1; None for any other source."""
    if source.alpha is None:
        return None
    visible = downscaled.downscale(source.alpha, step).astype(np.float32) / np.float32(255)
    return visible if visible.mean() < VISIBLE else None


def _part(mask: Floats, part: str, *, is_cut_out: bool) -> tuple[Floats | float, list[str]]:
    """What of the picture is enhanced, from 0 to 1, and what there is to say about it."""
    if is_cut_out:
        return (mask, []) if part == "Foreground" else (0.0, [CUT_OUT])
    cover = subject.cover(mask)
    if cover < subject.NONE_BELOW:
        return 1.0, [NO_SUBJECT]
    if part == "Foreground":
        return mask, []
    return (0.0, [ALL_SUBJECT]) if cover >= subject.ALL_FROM else (1 - mask, [])


def _fitted(cells: Floats, cell: int, step: int, shape: tuple[int, ...]) -> Floats:
    """A map of squares of ``cell`` source pixels on one of that shape, whose values stand for ``step`` of them."""
    height, width = shape
    reach = min(width * step / cell, cells.shape[1]), min(height * step / cell, cells.shape[0])
    image = Image.fromarray(cells).resize((width, height), Image.Resampling.BILINEAR, box=(0, 0, *reach))
    fitted: Floats = np.asarray(image, np.float32)
    return fitted


def most_for(height: float) -> float:
    """The most creativity for a face of that height in source pixels."""
    at = (height - SMALL_FACE) / (LARGE_FACE - SMALL_FACE)
    return SMALL_FACE_MOST + (1 - SMALL_FACE_MOST) * min(max(at, 0.0), 1.0)

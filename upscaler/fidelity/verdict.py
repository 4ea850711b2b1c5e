"""The verdict: faithful, or for whom and where to look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from upscaler.fidelity import limits
from upscaler.fidelity.grids import CELL, boxed
from upscaler.fidelity.measure import Measured
from upscaler.imaging.samples import Floats
from upscaler.imaging.vips import pyvips

FAITHFUL, LOOK = "faithful", "look"
COLOUR, DETAIL, TEXT, FACE, SHAPE = REASONS = ("colour", "detail", "text", "face", "shape")
MAX_REGIONS = 20
"""Regions that are told, those farthest beyond their limit first."""


@dataclass(frozen=True)
class Region:
    """A part of the source to look at."""

    reason: str
    """One of ``REASONS``."""
    box: tuple[int, int, int, int]
    """x, y, width and height, in pixels of the source."""
    value: float
    """Colour: CIEDE2000. Detail: 1 - SSIM. Text: how likely the letter that is least so still is, 0 to 1. Face: share
    of its height by which a feature moved; 1 for a face that is gone. Shape: share of the region that changed sides."""


@dataclass(frozen=True)
class Verdict:
    """What the check says of one result. All of it can be written as JSON."""

    verdict: str
    """`FAITHFUL` or `LOOK`, for "a person should"."""
    reasons: tuple[str, ...]
    """Of ``REASONS``, in their order; empty for a faithful result."""
    delta_e_mean: float
    """CIEDE2000 of regions of some 20 pixels, averaged in linear light."""
    delta_e_worst: float
    ssim_mean: float
    """Of lightness at the source's scale, 1 for the same."""
    ssim_worst: float
    regions: tuple[Region, ...]
    box_of: str
    """Which picture's pixels the boxes are in: always ``source``."""
    turned: str
    """What was done to the result: "mirrored", "upside down" and the like; empty where it stands as it did."""
    lost: tuple[float, float, float, float]
    """Share of the source's sides that the result lacks at left, top, right and bottom; below 0: has more."""
    text_lines: int
    """Lines of print that could be read in the source."""
    faces: int
    """Faces of the source that were compared."""
    scores: dict[str, float]
    """How far each measure is towards its limit: from 1 on, a person should look."""

    @property
    def words(self) -> str:
        """The verdict in one line: "faithful", "look: colour, text"."""
        return f"{self.verdict}: {', '.join(self.reasons)}" if self.reasons else self.verdict

    def as_json(self) -> dict[str, Any]:
        """Plain lists, strings and numbers."""
        return asdict(self)


def numbers(measured: Measured) -> dict[str, float]:
    """What the limits are for, by the name of its reason or ``REASON_what``, in the units of `limits`."""
    found = measured.differences
    seen = found.seen
    told = {
        TEXT: min((line.kept for line in measured.lines), default=1.0),
        FACE + "_moved": max((face.moved for face in measured.faces), default=0.0),
        FACE + "_likeness": min((face.likeness for face in measured.faces), default=1.0),
        SHAPE: float(boxed(measured.outline).max()),
        SHAPE + "_frame": measured.frame.moved if not measured.frame.turned else float(max(measured.rgb.shape[:2])),
        SHAPE + "_side": float(max(measured.rgb.shape[:2])),
    }
    if seen.any():
        told |= {
            COLOUR + "_region": float(found.delta_e[seen].max()),
            COLOUR + "_whole": float(found.delta_e[seen].mean()),
            DETAIL: float(detail_map(measured)[seen].max()),
        }
    else:
        # Nothing of the one can be compared with the other.
        told[SHAPE + "_frame"] = told[SHAPE + "_side"]
    return {name: round(value, 4) for name, value in told.items()}


def scores(told: dict[str, float]) -> dict[str, float]:
    """How far each of the `numbers` is towards its limit: from 1 on, a person should look."""
    pixels, share = limits.FRAME
    frame = told[SHAPE + "_frame"]
    towards = {
        COLOUR + "_region": told.get(COLOUR + "_region", 0.0) / limits.COLOUR_REGION,
        COLOUR + "_whole": told.get(COLOUR + "_whole", 0.0) / limits.COLOUR_WHOLE,
        DETAIL: told.get(DETAIL, 0.0) / limits.DETAIL,
        TEXT: _letters_gone(told[TEXT]),
        FACE + "_moved": told[FACE + "_moved"] / limits.FEATURE_MOVED,
        FACE + "_likeness": _unlike(told[FACE + "_likeness"]),
        SHAPE: told[SHAPE] / limits.OUTLINE,
        SHAPE + "_frame": min(frame / pixels, frame / (share * told[SHAPE + "_side"])),
    }
    return {name: round(value, 3) for name, value in towards.items()}


def reasons_of(towards: dict[str, float]) -> tuple[str, ...]:
    """Those of ``REASONS`` for which a person should look, by what `scores` gave."""
    return tuple(
        reason for reason in REASONS if any(name.startswith(reason) and towards[name] >= 1 for name in towards)
    )


def _letters_gone(kept: float) -> float:
    return (1 - kept) / (1 - limits.LETTER_GONE)


def _unlike(likeness: float) -> float:
    return (1 - likeness) / (1 - limits.FACE_LIKENESS)


def detail_map(measured: Measured) -> Floats:
    """What the limit of detail is for: by cell."""
    return boxed(1 - measured.differences.ssim) * boxed(measured.differences.lost)


def judge(measured: Measured) -> Verdict:
    """What is to be said of a result."""
    told = scores(numbers(measured))
    reasons = reasons_of(told)
    found = measured.differences
    seen = found.seen if found.seen.any() else np.ones_like(found.seen)
    regions = [region for reason in reasons for region in REGIONS[reason](measured)]
    regions.sort(key=lambda region: -region[0])
    height, width = measured.rgb.shape[:2]
    left, top, right, bottom = measured.frame.lost
    return Verdict(
        verdict=LOOK if reasons else FAITHFUL,
        reasons=reasons,
        delta_e_mean=round(float(found.delta_e[seen].mean()), 2),
        delta_e_worst=round(float(found.delta_e[seen].max()), 2),
        ssim_mean=round(float(found.ssim[seen].mean()), 4),
        ssim_worst=round(float(found.ssim[seen].min()), 4),
        regions=tuple(region for _, region in regions[:MAX_REGIONS]),
        box_of="source",
        turned=measured.frame.turned,
        lost=(round(left / width, 4), round(top / height, 4), round(right / width, 4), round(bottom / height, 4)),
        text_lines=len(measured.lines),
        faces=len(measured.faces),
        scores=told,
    )


Found = Iterator[tuple[float, Region]]
"""Each region with how far it is beyond its limit."""


def _colour(measured: Measured) -> Found:
    found = measured.differences
    beyond = np.where(found.seen, found.delta_e, 0) / limits.COLOUR_REGION
    if not (beyond >= 1).any():
        # All of it, by a little.
        yield 1.0, _region(measured, COLOUR, _all(measured), float(found.delta_e[found.seen].mean()))
    yield from _peaks(measured, COLOUR, beyond, found.delta_e)


def _detail(measured: Measured) -> Found:
    found = measured.differences
    beyond = np.where(found.seen, detail_map(measured), 0) / limits.DETAIL
    yield from _peaks(measured, DETAIL, beyond, 1 - found.ssim)


def _text(measured: Measured) -> Found:
    for line in measured.lines:
        if _letters_gone(line.kept) >= 1:
            yield 2.0, _region(measured, TEXT, line.box, line.kept)


def _face(measured: Measured) -> Found:
    for face in measured.faces:
        beyond = max(face.moved / limits.FEATURE_MOVED, _unlike(face.likeness))
        if beyond >= 1:
            yield beyond, _region(measured, FACE, face.box, face.moved)


def _shape(measured: Measured) -> Found:
    outline = boxed(measured.outline)
    yield from _peaks(measured, SHAPE, outline / limits.OUTLINE, outline)


REGIONS = {COLOUR: _colour, DETAIL: _detail, TEXT: _text, FACE: _face, SHAPE: _shape}


def _peaks(measured: Measured, reason: str, beyond: npt.NDArray[Any], values: Floats) -> Found:
    """A region for each blob of cells that are at the limit or beyond."""
    over = beyond >= 1
    if not over.any():
        return
    blobs = (
        pyvips.Image.new_from_array(over.astype(np.uint8)).labelregions().numpy().astype(np.int64).reshape(over.shape)
    )
    strongest = np.zeros(int(blobs.max()) + 1)
    np.maximum.at(strongest, blobs[over], beyond[over])
    for number in np.argsort(-strongest)[:MAX_REGIONS]:
        if strongest[number] < 1:
            break
        rows, columns = np.nonzero(blobs == number)
        box = (columns.min() * CELL, rows.min() * CELL, (columns.max() + 1) * CELL, (rows.max() + 1) * CELL)
        yield float(strongest[number]), _region(measured, reason, box, float(values[rows, columns].max()))


def _all(measured: Measured) -> tuple[int, int, int, int]:
    height, width = measured.rgb.shape[:2]
    return 0, 0, width, height


def _region(measured: Measured, reason: str, box: tuple[int | np.integer[npt.NBitBase], ...], value: float) -> Region:
    """``box``: left, top, right, bottom in pixels of the pictures that are compared."""
    width, height = measured.source_size
    left, top, right, bottom = (round(float(at) * measured.scale) for at in box)
    right, bottom = min(width, right), min(height, bottom)
    left, top = max(0, min(left, width - 1)), max(0, min(top, height - 1))
    return Region(reason, (left, top, max(1, right - left), max(1, bottom - top)), round(value, 3))

"""Print: whether the letters that can be read in the source are still there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.engines.local import text_map
from upscaler.engines.local.inference import Networks
from upscaler.fidelity.recogniser import Recogniser
from upscaler.imaging.vips import pyvips

Bytes = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""left, top, right, bottom, in pixels of the pictures that are compared."""
Reader = Callable[[], Recogniser]
"""Gives the recogniser, which most pictures never need, always the same one."""

LIKELY = 0.3
"""Score of the detector from which a cell belongs to a line of print."""
MIN_HEIGHT = 7
"""Pixels of a line; in smaller ones nobody reads letters."""
MAX_LINES = 40
"""Lines that are read, the largest first."""
READ = 0.85
"""How sure a letter of the source must be to count."""
MIN_READ = 3
"""Letters that a line needs to be taken for print."""
NEAR = 1
"""Places by which a letter may have moved."""


@dataclass(frozen=True)
class Read:
    """A line that can be read in the source."""

    box: Box
    places: tuple[tuple[int, int], ...]
    """Of each letter that is sure: its place in the recogniser's scores, and its number there."""
    letters: str
    """The same letters."""


@dataclass(frozen=True)
class Line:
    """The same line in the result."""

    box: Box
    letters: str
    """Those that could be read in the source."""
    kept: float
    """How likely the least likely of them is in the result, 0 to 1."""


def find(picture: Bytes, networks: Networks, reader: Reader) -> list[Read]:
    """The lines of print in ``picture`` that can be read: sRGB of 8 bits, (height, width, 3).

    ``reader`` is asked for the recogniser where something looks like print.
    """
    lines = []
    for box in _boxes(picture, networks):
        recogniser = reader()
        scores = recogniser.scores(_cut(picture, box))
        best = scores.argmax(axis=1)
        letters = [
            (at, int(number))
            for at, number in enumerate(best)
            if number and scores[at, number] >= READ and not (at and best[at - 1] == number)
        ]
        letters = [(at, number) for at, number in letters if not recogniser.letter(number).isspace()]
        if len(letters) >= MIN_READ:
            lines.append(Read(box, tuple(letters), "".join(recogniser.letter(number) for _, number in letters)))
    return lines


def compare(known: list[Read], result: Bytes, reader: Reader) -> list[Line]:
    """What is left of each line in ``result``, which has the size of the picture that they were found in."""
    lines = []
    for line in known:
        scores = reader().scores(_cut(result, line.box))
        kept = [float(scores[max(0, at - NEAR) : at + NEAR + 1, number].max()) for at, number in line.places]
        lines.append(Line(line.box, line.letters, min(kept)))
    return lines


def _cut(picture: Bytes, box: Box) -> Bytes:
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


def _boxes(picture: Bytes, networks: Networks) -> list[Box]:
    """Where lines of print seem to be. Large pictures are looked at in one that is no larger than the network takes."""
    height, width = picture.shape[:2]
    shrink = max(1.0, max(height, width) / text_map.SIDE)
    seen = picture
    if shrink > 1:
        size = max(1, round(width / shrink)), max(1, round(height / shrink))
        seen = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    likely = text_map.text_scores(seen, networks, twice=False) > LIKELY
    if not likely.any():
        return []
    regions = pyvips.Image.new_from_array(likely.astype(np.uint8)).labelregions().numpy().astype(np.int64)
    boxes = []
    for number in np.unique(regions[likely]):
        rows, columns = np.nonzero(regions == number)
        thick = (rows.max() - rows.min() + 1) * text_map.CELL
        # The network was trained on lines that were made thinner.
        grown = 0.35 * thick + 1
        left, top = columns.min() * text_map.CELL - grown, rows.min() * text_map.CELL - grown
        right, bottom = (columns.max() + 1) * text_map.CELL + grown, (rows.max() + 1) * text_map.CELL + grown
        left, top = (max(0, round(at * shrink)) for at in (left, top))
        right, bottom = min(width, round(right * shrink)), min(height, round(bottom * shrink))
        if bottom - top >= MIN_HEIGHT and right - left >= bottom - top:
            boxes.append((left, top, right, bottom))
    boxes.sort(key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))
    return boxes[:MAX_LINES]

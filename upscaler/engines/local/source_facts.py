"""What a recipe goes by, beside the order: the kind of source, judged from the file and a sample of its pixels.

Nothing here depends on the machine's load or on what ran before, so the same order always gets the same recipe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from upscaler.engines.base import Report
from upscaler.engines.local.back_projection import SHRINKS, shrunk
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import CUNET, CUNET_CLEAN_0, Network
from upscaler.engines.local.resample import BOX, Kernel
from upscaler.engines.local.tiles import with_border
from upscaler.imaging.samples import Floats, Samples, to_floats

JPEG_CLEAN_FROM = 95
"""From here on a JPEG's brightness is kept in every pixel: 0.04 dB more at quality 98, none lost at 95, 0.1 at 92. Not
its colours, which most JPEGs hold at half the size: that would lose 0.4 dB at 95."""
JPEG_TELLS_FROM = 90
"""The JPEG quality from which a source, lightly cleaned, still tells how it was made smaller."""
AVERAGED_FROM = 2.0
"""The margin from which averaging is believed of what is no JPEG, see ``likely_shrink``. Of a JPEG, it always is: of
eight that were averaged and came near another way, all would have lost, up to 0.5 dB.

Of fourteen photographs shrunk four times by averaging, the lowest margin is 2.9; blurred ones, which pass for averaged
as often as not, have 1.8 at most. PNGs that were JPEGs of quality 75 lie on both sides, 1.3 to 4.3.
"""
SMALL = 1e-6
PROBE, PROBES = 64, 3
"""Side of the squares that are looked at, and how many there are at most along each side of the picture."""


@dataclass(frozen=True)
class SourceFacts:
    """What is known of a source before anything is made of it."""

    width: int
    height: int
    jpeg_quality: int | None
    """From 1 to 100 as the file tells it; None for a source that is no JPEG."""
    shrink: Kernel | None
    """How it was made smaller, most likely; None for a JPEG too worn to tell."""
    is_averaged: bool = False
    """Whether it was shrunk by averaging and by nothing else, as far as a picture can tell."""

    @property
    def described(self) -> str:
        """In words, for the record."""
        kind = "no JPEG" if self.jpeg_quality is None else f"JPEG of quality {self.jpeg_quality}"
        likely = "" if self.is_averaged or self.shrink is not BOX else "most likely "
        shrunk = f", shrunk {likely}by {self.shrink.name}" if self.shrink else ""
        return f"{kind}{shrunk}, {self.width} × {self.height}"


def find_source_facts(source: Samples, jpeg_quality: int | None, networks: Networks, report: Report) -> SourceFacts:
    """Look at ``source``, RGB (height, width, 3): up to nine small squares of it go through ``looked_at_by``.

    ``jpeg_quality``: as the file tells it; None for what is no JPEG. Raises EngineError where CUNet is not installed.
    """
    height, width = source.shape[:2]
    shrink, is_averaged = None, False
    if looked_at_by(jpeg_quality):
        report(0.0, "Looking at the picture")
        shrink, margin = likely_shrink(source, jpeg_quality, networks)
        is_averaged = shrink is BOX and (jpeg_quality is not None or margin >= AVERAGED_FROM)
    return SourceFacts(width, height, jpeg_quality, shrink, is_averaged)


def looked_at_by(jpeg_quality: int | None) -> tuple[Network, ...]:
    """The networks that tell how a source was made smaller, each given what the one before it made; none where nothing
    tells.

    A JPEG is cleaned first: as it is, its blocks pass for averaging 15 times of 21.
    """
    if jpeg_quality is None:
        return (CUNET,)
    return (CUNET_CLEAN_0, CUNET) if jpeg_quality >= JPEG_TELLS_FROM else ()


def likely_shrink(source: Samples, jpeg_quality: int | None, networks: Networks) -> tuple[Kernel, float]:
    """The way of shrinking under which CUNet's doubling is nearest to the source, RGB (height, width, 3), or to what is
    left of a JPEG once it is cleaned.

    And how many times as far from it, in squares, the next best way is.

    Averaging where all that is looked at is of one colour. At larger factors, the networks smooth away what tells the
    ways apart.
    """
    *earlier, network = looked_at_by(jpeg_quality)
    border = network.crop + sum(before.crop for before in earlier)
    height, width = source.shape[:2]
    looked_at = [
        with_border(source, top, left, PROBE, PROBE, border) for top in _spread(height) for left in _spread(width)
    ]
    if all((square == square[0, 0]).all() for square in looked_at):
        return BOX, np.inf
    inside = slice(network.crop, network.crop + PROBE)
    samples = to_floats(np.stack(looked_at))
    for before in earlier:
        samples = networks.run_together(before, samples).clip(0, 255)
    doubled = networks.run_together(network, samples).clip(0, 255)
    errors = np.zeros(len(SHRINKS))
    for before, after in zip(samples, doubled, strict=True):
        sought = _planes(before[inside, inside])
        for number, kernel in enumerate(SHRINKS):
            errors[number] += np.square(sought - shrunk(_planes(after), kernel, network.scale)).sum()
    best, next_best, *_ = np.argsort(errors)
    return SHRINKS[int(best)], float(errors[next_best] / max(errors[best], SMALL))


def squares(length: int) -> int:
    """How many squares are looked at along an axis: no more of them than have room side by side."""
    return min(PROBES, max(1, length // PROBE))


def _spread(length: int) -> list[int]:
    """Where the squares of an axis start."""
    count = squares(length)
    last = max(length - PROBE, 0)
    return [last // 2] if count == 1 else [round(last * number / (count - 1)) for number in range(count)]


def _planes(pixels: Floats) -> Floats:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))

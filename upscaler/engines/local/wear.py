"""What a picture went through before it came here: how far it is blurred, and how much noise a JPEG left in it.

The blur is read from edges. Where a picture shows the sharp edge of something, brightness climbs there as far as the
picture was blurred; blurred once more by a known Gaussian, its steepest slope falls by a ratio that gives the first one
away (Zhuo and Sim, "Defocus map estimation from a single image", Pattern Recognition 2011). Contrast cancels out, and
neither a JPEG's blocks nor its quality moves it much. A picture holds soft edges too, so the sharper ones of its
strongest edges count.

Edges alone can't tell a picture that was blurred from one that its maker left soft, a close-up out of focus. Two more
things can, as a rule. Blurred once for all, a picture holds nothing fine anywhere; a soft one still has some grain and
a few places in focus. And the edges of a blurred one are all at least as wide as the blur.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from upscaler.engines.local.resample import apply, gaussian, reflected, taps
from upscaler.imaging.samples import Floats, Samples, to_floats

SQUARE, SQUARES = 128, 6
"""Side of the squares in which edges are looked for, in source pixels, and how many at most along each side."""
BORDER = 4
"""Source pixels around a square that the second blur reaches into."""
AGAIN = 1.0
"""Sigma of the second blur."""
WEAKEST = 6.0
"""Levels of 255 a pixel: the least slope of an edge; below, it is a JPEG's ringing."""
STRONGEST, SHARPER = 80, 35
"""Percentiles: of all edges' slopes, from which an edge is strong; of those edges' widths, the one that counts."""
UNBLURRED, RISE = 0.46, 0.82
"""That width in a picture that was shrunk and not blurred, and how much of a blur's sigma adds to it, in quadrature.

Fitted to 34 crops of 21 photographs. On 14 others, shrunk four times by averaging, bicubic or Lanczos, then saved at
quality 40, 75 or not at all, came out: 0.13 to 0.28 where there was no blur (deviation 0.2, at most 0.62); 0.43 to 0.54
for 0.5, 0.74 to 0.84 for 0.8 (0.2), 1.03 to 1.08 for 1.0 (0.14), 1.4 to 1.5 for 1.3 (0.13).
"""
FEW, MANY = 20, 100
"""Strong edges up to which the picture says nothing about its blur, and from which it says all."""
WINDOW = 64
"""Side of the windows whose spectrum is taken, in source pixels: three by three in a square."""
OCTAVES = (4.5, 6.5), (9.0, 12.0), (18.0, 21.0)
"""Three frequencies, an octave from one to the next, each from and to so many waves in a window."""
NARROWEST = 5
"""Percentile of the strong edges' widths: as wide as that they all are."""
SOFT, WORN = 3.9, 4.3
"""How little fine there is (``_fall``, and twice the least of the widths, less the one that counts), up to which a
picture may well have been soft from the start, and from which it is surely worn.

Of 116 crops and thumbnails of 49 photographs, shrunk four times and saved at quality 40, those half-way and more, and
in brackets those that edges alone tell to be blurred by 0.7 and more: 3 % (10 %) where there was no blur, all of them
photographs that are soft pixel by pixel; 73 % (73 %) for a blur of 0.8, 93 % (91 %) for 1.0, 92 % (93 %) for 1.3. The
same at quality 60, where 0 and 0.8 were looked at. The weights were fitted to these same photographs; each left out in
turn, little changes.
"""
LITTLE, AT_MOST = (4.2, 4.6, 5.5, 6.0), (0.75, 0.8, 1.1, 1.6)
"""The same, and the blur that it allows at most, in source pixels."""


@dataclass(frozen=True)
class Wear:
    """What a picture went through."""

    blur: float
    """Sigma of a Gaussian in source pixels, beyond what shrinking alone leaves; 0 for a sharp picture."""
    confidence: float
    """How surely the picture was blurred that far, and not soft from the start: from 0 (also where there are no edges
    to tell by) to 1."""


def find_wear(pixels: Samples) -> Wear:
    """How worn ``pixels`` are: RGB of 8 or 16 bits, (height, width, 3)."""
    corners = [(top, left) for top in _starts(pixels.shape[0]) for left in _starts(pixels.shape[1])]
    slopes, ratios = (
        np.concatenate(parts) for parts in zip(*(_edges(pixels, *corner) for corner in corners), strict=True)
    )
    if not len(slopes):
        return Wear(0.0, 0.0)
    strong = ratios[slopes >= np.percentile(slopes, STRONGEST)]
    least, width = np.percentile(AGAIN / np.sqrt(np.maximum(strong**2 - 1, 0.02)), (NARROWEST, SHARPER))
    blur = max(width**2 - UNBLURRED**2, 0.0) ** 0.5 / RISE
    little = _fall(np.sum([_power(pixels, *corner) for corner in corners], axis=0)) + 2 * least - width
    confidence = min((len(strong) - FEW) / (MANY - FEW), (little - SOFT) / (WORN - SOFT))
    at_most = np.interp(little, LITTLE, AT_MOST)
    return Wear(float(min(blur, at_most)), float(np.clip(confidence, 0, 1)))


def _starts(length: int) -> list[int]:
    """Where the squares of an axis start: side by side if they reach, spread out evenly otherwise."""
    count = min(SQUARES, -(-length // SQUARE))
    last = max(length - SQUARE, 0)
    return sorted({round(last * number / max(count - 1, 1)) for number in range(count)})


def _edges(pixels: Samples, top: int, left: int) -> tuple[Floats, Floats]:
    """Where brightness climbs most in a square: the slopes in levels, and how far the second blur lowers each."""
    rows = reflected(np.arange(top - BORDER, min(top + SQUARE, pixels.shape[0]) + BORDER), pixels.shape[0])
    columns = reflected(np.arange(left - BORDER, min(left + SQUARE, pixels.shape[1]) + BORDER), pixels.shape[1])
    grey = to_floats(pixels[np.ix_(rows, columns)]).mean(axis=2)
    height, width = grey.shape
    down, across = (taps(gaussian(AGAIN), 0, length, length, length)[1] for length in (height, width))
    down_slope, across_slope, slope = _slopes(grey)
    *_, again = _slopes(apply(down, grey, across))
    inside = slice(BORDER, -BORDER), slice(BORDER, -BORDER)
    crest = np.where(np.abs(across_slope) >= np.abs(down_slope), _highest(slope, 1), _highest(slope, 0))
    at = (crest & (slope >= WEAKEST))[inside]
    ratio = slope / np.maximum(again, np.float32(1e-3))
    return slope[inside][at], ratio[inside][at].astype(np.float32)


def _power(pixels: Samples, top: int, left: int) -> Floats:
    """The energy of a square's brightness at each frequency, ``WINDOW`` long: (WINDOW, WINDOW / 2 + 1)."""
    height, width = pixels.shape[:2]
    rows, columns = reflected(np.arange(top, top + SQUARE), height), reflected(np.arange(left, left + SQUARE), width)
    grey = to_floats(pixels[np.ix_(rows, columns)]).mean(axis=2)
    windows = sliding_window_view(grey, (WINDOW, WINDOW))[:: WINDOW // 2, :: WINDOW // 2].reshape(-1, WINDOW, WINDOW)
    windows = windows - windows.mean(axis=(1, 2), keepdims=True)
    fading = np.outer(np.hanning(WINDOW), np.hanning(WINDOW))
    energy: Floats = (np.abs(np.fft.rfft2(windows * fading)) ** 2).sum(axis=0)
    return energy


def _fall(energy: Floats) -> float:
    """How far the energy falls towards fine detail: its logarithm in the coarser two of ``OCTAVES``, less the finest's.

    Of sharp photographs, shrunk, some 2.5; blurred by 0.8, some 4.2. In a picture that was blurred it falls fast at the
    end only, whatever the picture shows; it falls evenly where few things are in focus.
    """
    frequency = np.hypot(np.fft.fftfreq(WINDOW)[:, None], np.fft.rfftfreq(WINDOW)) * WINDOW
    first, second, finest = (
        np.log(energy[(frequency >= low) & (frequency < high)].mean() + 1) for low, high in OCTAVES
    )
    return float((first + second) / 2 - finest)


def _slopes(grey: Floats) -> tuple[Floats, Floats, Floats]:
    down, across = cast(tuple[Floats, Floats], np.gradient(grey))
    slope: Floats = np.hypot(down, across)
    return down, across, slope


def _highest(slope: Floats, axis: int) -> npt.NDArray[np.bool_]:
    """Where nothing beside it along the axis is higher."""
    highest: npt.NDArray[np.bool_] = (slope >= np.roll(slope, 1, axis)) & (slope >= np.roll(slope, -1, axis))
    return highest

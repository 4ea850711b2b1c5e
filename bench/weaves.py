"""Fine weaves, drawn at the size of the result and shrunk, and how much of one a result keeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]

PERIODS = (3, 4, 6)
"""Source pixels after which a weave begins anew: finer ones a source can't hold."""
WINDOW = 128
"""Side of the squares that are measured, in the result's pixels."""
PEAKS = 6
"""How many of a square's frequencies stand for its weave."""


def rib(side: int, period: float) -> Doubles:
    """Ridges, a little off the vertical: (side, side), from 0 to 1."""
    down, across = np.mgrid[:side, :side]
    return 0.5 + 0.5 * np.sin(2 * np.pi * (across + 0.1 * down) / period)


def plaid(side: int, period: float) -> Doubles:
    """Stripes both ways."""
    down, across = np.mgrid[:side, :side]
    return 0.5 + 0.25 * (np.sin(2 * np.pi * (across + 0.05 * down) / period) + np.sin(2 * np.pi * down / period))


def herringbone(side: int, period: float) -> Doubles:
    """Slanting ridges whose slant changes from one band to the next."""
    down, across = np.mgrid[:side, :side]
    band = 8 * period
    folded = np.abs((across % (2 * band)) - band)
    return 0.5 + 0.5 * np.sin(2 * np.pi * (down + folded) / (1.4 * period))


WEAVES = {"rib": rib, "plaid": plaid, "herringbone": herringbone}


def drawn(name: str, side: int, period: float) -> Image.Image:
    """A piece of cloth of that weave, ``side`` square, ``period`` in its own pixels, with folds of light over it."""
    down, across = np.mgrid[:side, :side] / side
    light = 0.8 + 0.2 * np.sin(2 * np.pi * (0.7 * across + 0.4 * down))
    weave = 0.55 + 0.45 * WEAVES[name](side, period)
    colours = np.array([150, 120, 105], np.float64) * (light * weave)[..., None]
    return Image.fromarray((colours + 20).clip(0, 255).round().astype(np.uint8))


def kept(truth: Bytes, result: Bytes) -> float:
    """How much of the truth's weave is in the result: 1 all of it, 0 nothing, less than 0 the contrary.

    In squares, the strongest frequencies of the truth are looked for in the result. What is there in another phase,
    which the eye sees as another weave, counts for nothing.
    """
    shares = []
    for one, other in zip(_squares(truth), _squares(result), strict=True):
        wanted, got = np.fft.rfft2(one), np.fft.rfft2(other)
        power = np.abs(wanted) ** 2
        # Folds and shades, which every way of enlarging keeps.
        power[:4, :4] = power[-3:, :4] = 0
        strongest = np.argpartition(power.ravel(), -PEAKS)[-PEAKS:]
        both = (got.ravel() * wanted.ravel().conj())[strongest].real.sum()
        shares.append(both / power.ravel()[strongest].sum())
    return float(np.mean(shares))


def _squares(pixels: Bytes) -> list[Doubles]:
    grey = pixels.astype(np.float64).mean(axis=2)
    fade = np.hanning(WINDOW)
    return [
        (square - square.mean()) * fade[:, None] * fade[None, :]
        for top in range(0, grey.shape[0] - WINDOW + 1, WINDOW)
        for left in range(0, grey.shape[1] - WINDOW + 1, WINDOW)
        for square in [grey[top : top + WINDOW, left : left + WINDOW]]
    ]

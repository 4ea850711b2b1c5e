"""How two pictures of one size differ, cell by cell: in colour, and in what can be made out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from upscaler.fidelity.grids import CELL, Mask, around, boxed, cells
from upscaler.imaging.samples import Floats, Samples
from upscaler.imaging.vips import pyvips

GROUND = np.array([72.0, 0.0, 0.0], np.float32)
"""What is put behind transparent pictures, in Lab: a light grey, before which both white and black stand out."""
SHOWN_GROUND = np.float32(176)
"""The same grey in sRGB."""
STRIP = 32 * CELL
"""Rows that are put in linear light at a time."""
BORDER = 3
"""Cells by which the windows below reach beyond their middle."""
C1, C2 = 1.0, 9.0
"""SSIM's constants for L from 0 to 100: (0.01 * 100)² and (0.03 * 100)². Z. Wang et al., "Image Quality Assessment:
From Error Visibility to Structural Similarity", 2004."""


class Differences(NamedTuple):
    """Maps of cells, (height, width) divided by ``grids.CELL``, rounded up."""

    delta_e: Floats
    """CIEDE2000 of the colours of regions of some 20 pixels, averaged in linear light."""
    ssim: Floats
    """Structural similarity of lightness, 1 for the same, in windows of some 12 pixels."""
    lost: Floats
    """How much of the source's detail is not there or not the same, in levels of L."""
    seen: Mask
    """Where there is anything to be compared."""


def over_ground(lab: Floats, alpha: Samples | None) -> Floats:
    """``lab``, (height, width, 3), over a plain grey where ``alpha``, 8 bits, lets it through."""
    if alpha is None:
        return lab
    share = (alpha.astype(np.float32) / np.float32(255))[..., None]
    over: Floats = lab * share + GROUND * (np.float32(1) - share)
    return over


def shown(rgb: Samples, alpha: Samples | None) -> Samples:
    """The same in sRGB of 8 bits."""
    if alpha is None:
        return rgb
    share = (alpha.astype(np.float32) / np.float32(255))[..., None]
    over: Samples = (rgb * share + SHOWN_GROUND * (np.float32(1) - share)).round().astype(np.uint8)
    return over


def compare(source: Floats, result: Floats, seen: Mask) -> Differences:
    """``source`` and ``result``: Lab, (height, width, 3); ``seen``: which pixels of them count."""
    # Colours and details are told by what lies around them too, so the border of what is seen tells nothing.
    counted = around(cells(seen.astype(np.float32)), BORDER) > 0.999
    similarity, lost = _structure(source[..., 0], result[..., 0])
    delta_e = boxed(_delta_e(_regional(source), _regional(result)))
    return Differences(delta_e, similarity, lost, counted)


def _regional(lab: Floats) -> Floats:
    """The colour of each cell and its neighbours, averaged in linear light."""
    # In strips, because linear light takes several copies of what it is made from.
    linear = [cells(_to_linear(lab[top : top + STRIP])) for top in range(0, len(lab), STRIP)]
    return _to_lab(around(np.concatenate(linear), 2))


def _to_linear(lab: Floats) -> Floats:
    """XYZ, relative to white."""
    f_y = (lab[..., 0] + 16) / 116
    f = np.stack([f_y + lab[..., 1] / 500, f_y, f_y - lab[..., 2] / 200], axis=-1)
    return np.where(f > 6 / 29, f * f * f, (f - 4 / 29) * np.float32(3 * (6 / 29) ** 2))


def _to_lab(linear: Floats) -> Floats:
    f = np.where(linear > (6 / 29) ** 3, np.cbrt(linear), linear / np.float32(3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    ).astype(np.float32)


def _delta_e(one: Floats, other: Floats) -> Floats:
    images = []
    for lab in (one, other):
        height, width = lab.shape[:2]
        image = pyvips.Image.new_from_memory(np.ascontiguousarray(lab), width, height, 3, "float")
        images.append(image.copy(interpretation="lab"))
    found: Floats = images[0].dE00(images[1]).numpy().astype(np.float32)
    return found.reshape(one.shape[:2])


def _structure(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """SSIM, and the deviation of the difference, both of lightness that is blurred by less than a pixel.

    How the source was once shrunk is not known, and each way leaves other single pixels.
    """
    one, other = around(one), around(other)
    mean_one, mean_other = around(cells(one)), around(cells(other))
    squares_one, squares_other, products = (around(cells(values)) for values in (one * one, other * other, one * other))
    variance_one = np.maximum(squares_one - mean_one**2, 0)
    variance_other = np.maximum(squares_other - mean_other**2, 0)
    covariance = products - mean_one * mean_other
    lightness = (2 * mean_one * mean_other + C1) / (mean_one**2 + mean_other**2 + C1)
    similarity = lightness * (2 * covariance + C2) / (variance_one + variance_other + C2)
    lost = np.sqrt(np.maximum(variance_one + variance_other - 2 * covariance, 0))
    return similarity, lost

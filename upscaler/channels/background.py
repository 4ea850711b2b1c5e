"""Backgrounds that are nearly white made white, and never a pixel of the product with them.

The white spreads from the picture's edge over what is as even as the edge is, and stops a little before anything that
is not: there it fades out, so that no step shows. Where a product can't be told from what is around it, nothing can
tell them apart but a person; the rules here only ever stop too early.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from upscaler.imaging import surroundings
from upscaler.imaging.samples import Samples
from upscaler.imaging.vips import pyvips

NEARLY_WHITE = 228
"""The darkest channel, of 255, that the edge of a nearly white background has."""
NEARLY_GREY = 12
"""How far the edge's channels may lie apart: beyond, it is a colour that somebody chose."""
MAX_UNEVENNESS = 12
"""Levels by which an even background may vary within a few pixels, smoothed: beyond, it is a pattern."""
BLUR, WINDOW = 1.0, 5
"""The smoothing (sigma, in pixels) before evenness is measured in squares of so many pixels."""
FAR_BLUR = 3.0
"""The smoothing before levels are compared with what the edge lets expect: it takes the noise out."""
LEAST_APART, MAX_APART = 0.75, 4.0
"""Levels, beyond the edge's own, by which a white fabric differs from a white wall; and how far the edge's own levels
may lie from a smooth surface."""
FITTED_TO = 4000
"""So many of the edge's pixels tell how brightness goes over the picture."""
SPECK_SHARE = 1e-4
"""Of the picture: what is smaller, nearly white and lies in the even background, is noise."""
RAMP = 6
"""Levels below the edge's darkest over which the white fades into a soft shadow."""
FADE_SHARE, MIN_FADE = 0.002, 3
"""How far before the product it has faded out: a share of the picture's shorter side, and at least so many pixels."""

Mask = npt.NDArray[np.bool_]


def whiten(colours: Samples) -> Samples | None:
    """The picture with its background at 255; itself where it is so already; None where it can't be made so.

    ``colours``: (height, width, 3), 8 or 16 bits, not transparent.
    """
    around = surroundings.look(colours)
    if around.is_pure_white:
        return colours
    if around.darkest < NEARLY_WHITE or max(around.colour) - min(around.colour) > NEARLY_GREY:
        return None
    wide = colours.dtype.itemsize == 2
    levels = (colours >> 8).astype(np.uint8) if wide else colours
    height, width = levels.shape[:2]
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(levels), width, height, 3, "uchar")
    smooth = image.gaussblur(BLUR, precision="integer")
    reached = _reached(levels, image, smooth, around.darkest)
    if reached is None:
        return None
    # By smoothed levels, so that single dark pixels of noise become as white as those around them.
    made = _whitened(colours, smooth.numpy(), reached, around.darkest)
    return made if surroundings.look(made).is_pure_white else None


def _reached(levels: Samples, image: Any, smooth: Any, darkest: int) -> Mask | None:
    """Where the even background is that goes on from the picture's edge; None where the edge is a pattern."""
    last = WINDOW * WINDOW - 1
    spread = (smooth.rank(WINDOW, WINDOW, last) - smooth.rank(WINDOW, WINDOW, 0)).cast("uchar").numpy()
    spread = ~_lowest(~spread)
    uneven = float(np.quantile(_edge(spread), 0.995)) * 1.25 + 1
    if uneven > MAX_UNEVENNESS:
        return None
    lowest, highest = _lowest(levels), ~_lowest(~levels)
    expected = _as_expected(image)
    if expected is None:
        return None
    even: Mask = expected & (spread <= uneven) & (lowest >= darkest - RAMP) & (highest - lowest <= 2 * NEARLY_GREY)
    return _without_specks(_from_edge(even), lowest, darkest - RAMP)


def _as_expected(image: Any) -> Mask | None:
    """Where the picture is as bright as its edge lets expect, on a surface of the second degree through that.

    It is what keeps the white out of white fabric, which is as even as the wall behind it and a little brighter or
    darker. None where the edge lies on no such surface.
    """
    smooth = image.cast("float").gaussblur(FAR_BLUR, precision="float").numpy()
    height, width = smooth.shape[:2]
    down, across = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    rows, columns = _edge_places(height, width)
    terms = _terms(down[rows], across[columns])
    values = smooth[rows, columns]
    factors = np.linalg.lstsq(terms, values, rcond=None)[0].astype(np.float32)
    apart = np.quantile(np.abs(terms @ factors - values), 0.995, axis=0).astype(np.float32)
    if apart.max() > MAX_APART:
        return None
    as_expected = np.empty((height, width), bool)
    for top in range(0, height, 256):
        part = slice(top, top + 256)
        surface = _terms(down[part, None], across[None]) @ factors
        as_expected[part] = _in_all(np.abs(smooth[part] - surface) <= apart + LEAST_APART)
    return as_expected


def _in_all(bands: Mask) -> Mask:
    # Reduced along their last axis, arrays of three take several times as long.
    found: Mask = bands[..., 0] & bands[..., 1] & bands[..., 2]
    return found


def _lowest(levels: Samples) -> Samples:
    found: Samples = np.minimum(np.minimum(levels[..., 0], levels[..., 1]), levels[..., 2])
    return found


def _edge_places(height: int, width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    each = FITTED_TO // 4
    down, across = np.linspace(0, height - 1, each).astype(int), np.linspace(0, width - 1, each).astype(int)
    first, last_row, last_column = np.zeros(each, int), np.full(each, height - 1), np.full(each, width - 1)
    return np.concatenate([down, down, first, last_row]), np.concatenate([first, last_column, across, across])


def _terms(down: npt.NDArray[np.float32], across: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    down, across = np.broadcast_arrays(down, across)
    return np.stack([np.ones_like(down), down, across, down * down, across * across, down * across], axis=-1)


def _from_edge(even: Mask) -> Mask:
    """What of ``even`` hangs together with the picture's edge."""
    # A frame of one pixel joins all that touches the edge.
    labels = _regions(np.pad(even, 1, constant_values=True))
    reached: Mask = labels[1:-1, 1:-1] == labels[0, 0]
    return reached


def _without_specks(reached: Mask, lowest: Samples, least: int) -> Mask:
    """With the small holes in which nothing is darker than ``least``."""
    labels = _regions(reached)
    sizes = np.bincount(labels.ravel())
    darkest = np.full(sizes.size, 255, np.int64)
    small = (sizes[labels] <= SPECK_SHARE * reached.size) & ~reached
    np.minimum.at(darkest, labels[small], lowest[small])
    return reached | (small & (darkest[labels] >= least))


def _regions(mask: Mask) -> npt.NDArray[np.int32]:
    """A number for each pixel, the same where pixels of the same kind touch."""
    height, width = mask.shape
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(mask).astype(np.uint8), width, height, 1, "uchar")
    labels: npt.NDArray[np.int32] = image.labelregions().numpy()
    return labels


def _whitened(colours: Samples, smooth: Samples, reached: Mask, darkest: int) -> Samples:
    fade = max(MIN_FADE, round(FADE_SHARE * min(reached.shape)))
    core = _eroded(reached, fade)
    height, width = reached.shape
    inside = pyvips.Image.new_from_memory(core.astype(np.uint8) * 255, width, height, 1, "uchar")
    line = pyvips.Image.new_from_array([[1] * (2 * fade + 1)], scale=2 * fade + 1)
    weight: Any = inside.convsep(line, precision="float").numpy().astype(np.float32) / 255
    weight *= reached
    weight *= ((_lowest(smooth).astype(np.float32) - (darkest - RAMP)) / RAMP).clip(0, 1)
    full = np.iinfo(colours.dtype).max
    made = colours.copy()
    touched = weight > 0
    part = colours[touched].astype(np.float32)
    made[touched] = (part + weight[touched][:, None] * (full - part) + 0.5).clip(0, full).astype(colours.dtype)
    return made


def _eroded(mask: Mask, reach: int) -> Mask:
    """Where everything within ``reach`` pixels, across and down, is in the mask; beyond the picture, it goes on."""
    for axis in (0, 1):
        widths = [(reach, reach) if axis == along else (0, 0) for along in (0, 1)]
        sums = np.pad(mask, widths, mode="edge").cumsum(axis=axis, dtype=np.int32)
        sums = np.insert(sums, 0, 0, axis=axis)
        side, length = 2 * reach + 1, mask.shape[axis]
        mask = sums.take(range(side, side + length), axis) - sums.take(range(length), axis) == side
    return mask


def _edge(values: Samples) -> Samples:
    thick = WINDOW
    parts = (values[:thick], values[-thick:], values[:, :thick], values[:, -thick:])
    return np.concatenate([part.ravel() for part in parts])

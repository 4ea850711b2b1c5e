"""Shape: where a product ends, by its transparency or against a background of one colour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from upscaler.fidelity.grids import around, cells
from upscaler.imaging import surroundings
from upscaler.imaging.reducing import Reduced
from upscaler.imaging.samples import Floats

STANDS_OUT = 6.0
"""Distance in Lab from which a pixel is not the background."""
FADE = 6.0
"""Over how much more of it a pixel becomes the product, so that an edge lies between pixels."""


def compare(source: Reduced, result: Reduced) -> Floats:
    """How much of each cell is in the one's outline and not in the other's, 0 to 1: (height, width) in cells.

    All 0 where the source's outline can't be told: it is opaque, and its edge is not of one colour.
    """
    one, other = _inside(source, result)
    return (
        np.abs(around(cells(around(one) - around(other))))
        if one is not None and other is not None
        else (np.zeros(cells(source.lab[..., 0]).shape, np.float32))
    )


def _inside(source: Reduced, result: Reduced) -> tuple[Floats | None, Floats | None]:
    if source.alpha is not None or result.alpha is not None:
        return _opacity(source), _opacity(result)
    looked = surroundings.look(source.rgb)
    if not looked.is_one_colour or looked.box is None:
        return None, None
    edge = np.concatenate([source.lab[0], source.lab[-1], source.lab[:, 0], source.lab[:, -1]])
    ground = np.median(edge, axis=0)
    return _standing_out(source.lab, ground), _standing_out(result.lab, ground)


def _opacity(picture: Reduced) -> Floats:
    if picture.alpha is None:
        return np.ones(picture.lab.shape[:2], np.float32)
    return picture.alpha.astype(np.float32) / np.float32(255)


def _standing_out(lab: Floats, ground: npt.NDArray[np.floating]) -> Floats:
    distance = np.sqrt(((lab - ground.astype(np.float32)) ** 2).sum(axis=2))
    return ((distance - STANDS_OUT) / FADE).clip(0, 1).astype(np.float32)

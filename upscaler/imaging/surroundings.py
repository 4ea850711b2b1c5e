"""What lies around a product: the colour of a picture's edges, whether it is one, and where the product begins.

Pixels are taken as they stand in the file, whatever its profile: 255, 255, 255 is white in every RGB profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from upscaler.imaging.samples import Samples

SIDES = ("left", "top", "right", "bottom")
RING_SHARE = 0.002
"""How thick the ring is that counts as a picture's edge, as a share of its shorter side; a pixel at least."""
ONE_COLOUR_SHARE, ONE_COLOUR_REACH = 0.98, 8
"""An edge is of one colour where so many of its pixels are within so many levels (of 255) of its median."""
PURE_WHITE_SHARE = 0.995
"""How much of the edge must be 255, 255, 255 for the background to be pure white: a JPEG rounds here and there."""
DUST_SHARE = 0.0005
"""What fills less of a row or column is a speck, not the product."""
STANDS_OUT = 12
"""Levels by which a pixel differs from the background to be the product: beyond the noise of JPEG and camera."""
STRIP_PIXELS = 2**21

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels; the last two are outside."""
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Surroundings:
    """A picture's edge and what is inside it."""

    colour: Colour
    """The median of the edge's pixels, 0 to 255."""
    is_one_colour: bool
    """Whether the edge is of one colour all around."""
    white_share: float
    """How much of the edge is exactly white, 0 to 1."""
    darkest: int
    """The lowest channel in the edge, less the darkest thousandth."""
    sides: dict[str, Colour]
    """The colour of each side that is of one colour."""
    box: Box | None
    """Where the product is; None where the edge is not of one colour, or nothing stands out."""

    @property
    def is_pure_white(self) -> bool:
        """Whether the edge is 255 all around."""
        return self.white_share >= PURE_WHITE_SHARE


def look(colours: Samples, alpha: Samples | None = None) -> Surroundings:
    """What lies around. ``colours``: (height, width, 1 or 3), 8 or 16 bits; ``alpha``: (height, width), where there is
    one: then the product is what is not transparent."""
    rings = {side: _bytes(ring) for side, ring in _ring(colours)}
    edge = np.concatenate([rings[side] for side in SIDES])
    sides = {side: colour for side, ring in rings.items() if (colour := _one_colour(ring)) is not None}
    colour, is_one = _median(edge), _one_colour(edge) is not None
    white = float((edge == 255).all(axis=1).mean())
    darkest = int(np.quantile(edge.min(axis=1), 0.001, method="lower"))
    if alpha is not None and _transparent_edge(alpha):
        box = _box(alpha.shape, lambda rows: alpha[rows] > alpha.dtype.type(0))
    else:
        box = product_box(colours, colour) if is_one else None
    return Surroundings(colour, is_one, white, darkest, sides, box)


def product_box(colours: Samples, background: Colour, *, stands_out: int = STANDS_OUT, dust: bool = True) -> Box | None:
    """Where something differs from ``background`` by more than ``stands_out`` levels; None where nothing does.

    ``dust``: whether specks are left out.
    """
    scale = 257 if colours.dtype.itemsize == 2 else 1
    ground = np.array(background[: colours.shape[2]], np.int32) * scale

    def differs(rows: slice) -> npt.NDArray[np.bool_]:
        kind = np.int32 if scale > 1 else np.int16
        apart = np.abs(colours[rows].astype(kind) - ground.astype(kind))
        # Reduced along their last axis, arrays of three take several times as long.
        found: npt.NDArray[np.bool_] = apart[..., 0] > stands_out * scale
        for band in range(1, apart.shape[2]):
            found |= apart[..., band] > stands_out * scale
        return found

    return _box(colours.shape[:2], differs, dust=dust)


def _box(shape: tuple[int, ...], inside: object, *, dust: bool = True) -> Box | None:
    height, width = shape[:2]
    in_rows = np.zeros(height, np.int64)
    in_columns = np.zeros(width, np.int64)
    for rows in _strips(height, width):
        found = inside(rows)  # type: ignore[operator]
        in_rows[rows] = found.sum(axis=1)
        in_columns += found.sum(axis=0)
    least_row, least_column = (max(2, int(DUST_SHARE * side)) if dust else 1 for side in (width, height))
    across, down = np.flatnonzero(in_columns >= least_column), np.flatnonzero(in_rows >= least_row)
    if not len(across) or not len(down):
        return None
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1


def _ring(colours: Samples) -> Iterator[tuple[str, Samples]]:
    height, width = colours.shape[:2]
    thick = max(1, round(RING_SHARE * min(height, width)))
    yield "left", colours[:, :thick]
    yield "top", colours[:thick]
    yield "right", colours[:, -thick:]
    yield "bottom", colours[-thick:]


def _bytes(ring: Samples) -> npt.NDArray[np.uint8]:
    """The pixels in a row, as RGB of 8 bits."""
    values = ring.reshape(-1, ring.shape[2])
    if values.dtype == np.uint16:
        values = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return values.repeat(3, axis=1) if values.shape[1] == 1 else values


def _median(pixels: npt.NDArray[np.uint8]) -> Colour:
    red, green, blue = (int(level) for level in np.median(pixels, axis=0).round())
    return red, green, blue


def _one_colour(pixels: npt.NDArray[np.uint8]) -> Colour | None:
    colour = _median(pixels)
    near = (np.abs(pixels.astype(np.int16) - np.array(colour, np.int16)) <= ONE_COLOUR_REACH).all(axis=1)
    return colour if near.mean() >= ONE_COLOUR_SHARE else None


def _transparent_edge(alpha: Samples) -> bool:
    return bool(np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]]).min() == 0)


def _strips(height: int, width: int) -> Iterator[slice]:
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))

"""Making a picture smaller: in linear light, sharply, and without rings around edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from upscaler.imaging.samples import Floats, Samples
from upscaler.imaging.vips import pyvips

KERNEL = "lanczos3"
STRIP_PIXELS = 2**20


def shrink(colours: Samples, alpha: Samples | None, width: int, height: int) -> tuple[Samples, Samples | None]:
    """The picture at a size that is no larger than its own, in as many bits.

    ``colours``: (height, width, 3) with sRGB's curve; ``alpha``: (height, width) or None, by which they are weighed.
    Light is averaged as light, so that fine dark and bright patterns keep their brightness. Lanczos keeps it sharp;
    where it would go beyond what lies in the source around a pixel, which is what people see as rings, it is held
    there.
    """
    if colours.shape[:2] == (height, width):
        return colours, alpha
    table = _to_linear(colours.dtype)
    wide = colours.dtype.itemsize == 2
    linear = _vips(colours).maplut(pyvips.Image.new_from_memory(table, table.size, 1, 1, "float"))
    across, down = width / colours.shape[1], height / colours.shape[0]
    if alpha is not None:
        full = float(np.iinfo(alpha.dtype).max)
        share = (_vips(alpha[..., None]) / full).cast("float")
        linear = (linear * share).cast("float").bandjoin(share)
    small = linear.resize(across, vscale=down, kernel=KERNEL)
    values = _sized(np.asarray(small.numpy(), np.float32), width, height)
    lows, highs = _reach(colours, width, height, np.minimum), _reach(colours, width, height, np.maximum)
    made = np.empty((height, width, 3), colours.dtype)
    seen = None if alpha is None else np.empty((height, width), alpha.dtype)
    step = max(1, STRIP_PIXELS // width)
    for top in range(0, height, step):
        rows = slice(top, min(height, top + step))
        part = values[rows, :, :3]
        if alpha is not None and seen is not None:
            weight = values[rows, :, 3:].clip(0, 1)
            part = part / np.maximum(weight, 1e-6)
            seen[rows] = (weight[..., 0] * full + 0.5).astype(alpha.dtype)
        part = part.clip(table[lows[rows]], table[highs[rows]])
        made[rows] = _from_linear(part, wide=wide)
    return made, seen


def _to_linear(kind: np.dtype[Any]) -> Floats:
    """sRGB's curve (IEC 61966-2-1) for each level, from 0 to 1."""
    levels = np.linspace(0, 1, np.iinfo(kind).max + 1)
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _from_linear(light: Floats, *, wide: bool) -> Samples:
    light = light.clip(0, 1)
    levels = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    kept: Samples = (levels * (65535 if wide else 255) + 0.5).astype(np.uint16 if wide else np.uint8)
    return kept


def _vips(values: Samples) -> Any:
    height, width, bands = values.shape
    kind = "ushort" if values.dtype.itemsize == 2 else "uchar"
    return pyvips.Image.new_from_memory(np.ascontiguousarray(values), width, height, bands, kind)


def _sized(values: Floats, width: int, height: int) -> Floats:
    """Exactly so large: by rounding, libvips may be one pixel off."""
    short = [(0, max(0, height - values.shape[0])), (0, max(0, width - values.shape[1])), (0, 0)]
    return np.pad(values[:height, :width], short, mode="edge") if any(map(any, short)) else values[:height, :width]


def _reach(colours: Samples, width: int, height: int, extreme: np.ufunc) -> Samples:
    """For each pixel of the small picture the lowest, or highest, level in the source about it."""
    down = np.arange(height) * colours.shape[0] // height
    across = np.arange(width) * colours.shape[1] // width
    values = extreme.reduceat(extreme.reduceat(colours, down, axis=0), across, axis=1)
    for axis in (0, 1):
        values = _neighbours(values, axis, extreme)
    return values


def _neighbours(values: Samples, axis: int, extreme: np.ufunc) -> Samples:
    around: npt.NDArray[Any] = values.copy()
    first: Any = [slice(None)] * 3
    last: Any = [slice(None)] * 3
    first[axis], last[axis] = slice(None, -1), slice(1, None)
    extreme(around[tuple(first)], values[tuple(last)], out=around[tuple(first)])
    extreme(around[tuple(last)], values[tuple(first)], out=around[tuple(last)])
    return around

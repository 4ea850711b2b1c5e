"""Where a result differs from its source, as a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from upscaler.fidelity import limits, verdict
from upscaler.fidelity.grids import CELL, boxed
from upscaler.fidelity.measure import Measured
from upscaler.imaging.samples import Floats

FROM = 0.3
"""Share of the limit from which on anything is shown."""
COLOURS = np.array([(255, 214, 10), (255, 140, 0), (224, 30, 55)], np.float32)
"""At ``FROM``, at the limit, and at twice the limit and beyond: yellow, orange, red."""
OPACITY = 0.1, 0.6, 0.8
"""At the same."""


def overlay(measured: Measured) -> Image.Image:
    """RGBA of the source's proportions, to be laid over source or result: transparent where they are the same."""
    heat = _heat(measured)
    stops = (FROM, 1.0, 2.0)
    channels = [np.interp(heat, stops, COLOURS[:, channel]) for channel in range(3)]
    opacity = np.interp(heat, (0.0, FROM, *stops[1:]), (0.0, *OPACITY)) * 255
    opacity[heat < FROM] = 0
    small = Image.fromarray(np.stack([*channels, opacity], axis=2).round().astype(np.uint8), "RGBA")
    height, width = measured.rgb.shape[:2]
    # Cells at the right and lower edge may reach beyond the picture.
    box = (0, 0, width / CELL, height / CELL)
    return small.resize((width, height), Image.Resampling.BILINEAR, box)


def over_picture(measured: Measured) -> Image.Image:
    """The same over the source in pale grey, RGB, so that no colour but the map's is there."""
    grey = Image.fromarray(measured.rgb).convert("L").point([round(96 + 0.62 * level) for level in range(256)])
    shown = grey.convert("RGBA")
    shown.alpha_composite(overlay(measured))
    return shown.convert("RGB")


def _heat(measured: Measured) -> Floats:
    """How far each cell is towards its limit."""
    found = measured.differences
    colour = found.delta_e / limits.COLOUR_REGION
    detail = verdict.detail_map(measured) / limits.DETAIL
    heat = np.where(found.seen, np.maximum(colour, detail), 0)
    heat = np.maximum(heat, boxed(measured.outline) / limits.OUTLINE)
    for region in verdict.judge(measured).regions:
        if region.reason in (verdict.TEXT, verdict.FACE):
            x, y, width, height = (at / measured.scale / CELL for at in region.box)
            part = heat[int(y) : int(y + height) + 1, int(x) : int(x + width) + 1]
            np.maximum(part, 1, out=part)
    return heat.astype(np.float32)

"""Pictures made small and put in Lab, so that two of them can be compared by what is seen of them.

Django-free; strangers' files come here in the sandbox.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from PIL import Image, ImageFile

from upscaler.imaging import previews
from upscaler.imaging.pixels import array
from upscaler.imaging.samples import Floats, Samples
from upscaler.imaging.vips import pyvips

PROFILE = "icc-profile-data"
"""What libvips calls an embedded profile."""


@dataclass(frozen=True)
class Reduced:
    """A picture, upright, averaged until it is of a size to be compared."""

    width: int
    """Of the picture itself, in pixels, upright."""
    height: int
    lab: Floats
    """(height, width, 3) of the small copy, CIE Lab relative to the picture's own white, D50."""
    rgb: Samples
    """The same in sRGB, 8 bits: for networks and for looking at."""
    alpha: Samples | None
    """(height, width), 8 bits; None where nothing can be seen through."""


def reduce(file: IO[bytes], image: ImageFile.ImageFile, *, side: int | None, max_area: int) -> Reduced:
    """Shrink an opened file, not loaded yet, to ``side`` pixels at its longest; without, to ``max_area`` pixels.

    A picture that is smaller stays as it is. Samples are averaged as they stand in the file, not in linear light: so
    were sources shrunk by whoever made them, and an enlarged edge, averaged in linear light, would come out lighter
    than the source's.

    Raises whatever the decoders raise for a damaged file.
    """
    width, height = image.size
    if side is None:
        side = math.ceil(max(width, height) * min(1.0, math.sqrt(max_area / (width * height))))
    is_streamed = previews.is_streamed(image)
    small = previews.streamed(file, image, side, quick=True) if is_streamed else previews.shrunk(image, side)
    upright = (width, height) if (width < height) == (small.width < small.height) else (height, width)
    values = array(small)
    alpha = np.ascontiguousarray(values[..., 3]) if values.shape[2] == 4 else None
    if alpha is not None and alpha.min() == 255:
        alpha = None
    lab, rgb = _seen(np.ascontiguousarray(values[..., :3]), small)
    return Reduced(*upright, lab, rgb, alpha)


def _seen(values: Samples, small: Image.Image) -> tuple[Floats, Samples]:
    height, width = values.shape[:2]
    image = pyvips.Image.new_from_memory(values, width, height, 3, "uchar").copy(interpretation="srgb")
    profile = small.info.get("icc_profile")
    try:
        if profile:
            with_profile = image.copy()
            with_profile.set_type(pyvips.GValue.blob_type, PROFILE, profile)
            return _converted(with_profile.icc_import(embedded=True, pcs="lab", intent="relative"))
    except pyvips.Error:
        # As browsers do: what can't be read is as good as none.
        pass
    return _converted(image.icc_import(input_profile="srgb", pcs="lab", intent="relative"))


def _converted(lab: Any) -> tuple[Floats, Samples]:
    # Once, before it is used twice.
    values: Floats = lab.numpy()
    kept = pyvips.Image.new_from_memory(values, lab.width, lab.height, 3, "float").copy(interpretation="lab")
    return values, kept.icc_export(output_profile="srgb", pcs="lab", intent="relative", depth=8).numpy()


def packed(reduced: Reduced) -> tuple[dict[str, Any], list[bytes]]:
    """To be sent to another process. Lab goes as float16: half a thousandth of a value is no colour."""
    told = {
        "size": [reduced.width, reduced.height],
        "shape": list(reduced.rgb.shape[:2]),
        "has_alpha": reduced.alpha is not None,
    }
    alpha = b"" if reduced.alpha is None else reduced.alpha.tobytes()
    return told, [reduced.lab.astype(np.float16).tobytes(), reduced.rgb.tobytes(), alpha]


def unpacked(told: dict[str, Any], parts: list[bytes]) -> Reduced:
    """What was `packed`. Raises ValueError for what was not."""
    height, width = (int(side) for side in told["shape"])
    lab = np.frombuffer(parts[0], np.float16).astype(np.float32).reshape(height, width, 3)
    if not np.isfinite(lab).all():
        raise ValueError("no colours")
    rgb = np.frombuffer(parts[1], np.uint8).reshape(height, width, 3)
    alpha = np.frombuffer(parts[2], np.uint8).reshape(height, width) if told["has_alpha"] else None
    return Reduced(int(told["size"][0]), int(told["size"][1]), lab, rgb, alpha)

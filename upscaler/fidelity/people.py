"""Faces: whether each of the source's is still there, with its features in their places, and still the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.engines.local.faces import CENTERFACE, Face, find_faces
from upscaler.engines.local.inference import Networks

Bytes = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

DETECTORS = (replace(CENTERFACE, side=320), CENTERFACE)
"""One for small pictures too, since each takes its time for all of its input."""
MIN_HEIGHT = 20
"""Pixels of a face as the network sees it; in smaller ones the places of eyes and mouth are guesses."""
SIDE = 24
"""Side to which faces are shrunk to be compared."""


@dataclass(frozen=True)
class Compared:
    """One face of the source."""

    box: Box
    """left, top, right, bottom, in pixels of the pictures that are compared."""
    moved: float
    """How far the feature that moved most did, as a share of the face's height; 1 where there is no face any more."""
    likeness: float
    """Correlation of the features with the source's, -1 to 1."""


def find(picture: Bytes, networks: Networks) -> list[Face]:
    """The faces that are large enough to be compared: sRGB of 8 bits, (height, width, 3)."""
    shrink = max(1.0, max(picture.shape[:2]) / CENTERFACE.side)
    return [face for face in _found(picture, networks) if face.height >= MIN_HEIGHT * shrink]


def compare(known: list[Face], source: Bytes, result: Bytes, networks: Networks) -> list[Compared]:
    """Each face that was found in ``source``, whose size ``result`` has too."""
    if not known:
        return []
    found = _found(result, networks)
    return [_compared(face, found, source, result) for face in known]


def _found(picture: Bytes, networks: Networks) -> list[Face]:
    longest = max(picture.shape[:2])
    detector = next((detector for detector in DETECTORS if longest <= detector.side), CENTERFACE)
    return find_faces(picture, networks, detector)


def _compared(face: Face, found: list[Face], source: Bytes, result: Bytes) -> Compared:
    height, width = source.shape[:2]
    left, top = max(0, round(face.centre_x - face.width / 2)), max(0, round(face.centre_y - face.height / 2))
    right, bottom = round(face.centre_x + face.width / 2), round(face.centre_y + face.height / 2)
    box = (left, top, min(width, max(right, left + 1)), min(height, max(bottom, top + 1)))
    same = next((other for other in found if face.holds(other)), None)
    moved = 1.0
    if same is not None:
        far = np.hypot(*(np.array(face.landmarks) - np.array(same.landmarks)).T)
        moved = float(far.max() / face.height)
    one, other = (_features(picture, box) for picture in (source, result))
    return Compared(box, moved, float((one * other).mean()))


def _features(picture: Bytes, box: Box) -> npt.NDArray[np.float32]:
    """A face in grey with a mean of 0 and a deviation of 1, whatever light falls on it from one side."""
    grey = Image.fromarray(picture).crop(box).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    values = np.asarray(grey, np.float32)
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)
    for axis in (ramp[:, None], ramp[None, :]):
        values = values - values.mean() - axis * ((values * axis).sum() / (SIDE * (ramp**2).sum()))
    return values / max(float(values.std()), 1.0)

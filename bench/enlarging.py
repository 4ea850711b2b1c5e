"""The engine as the desk calls it: pictures in, pictures out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from upscaler import upscaling_models
from upscaler.engines.base import Order
from upscaler.engines.local.engine import LocalEngine

Bytes = npt.NDArray[np.uint8]

SUBJECT_DETECTION = None
"""Topaz rebuilds detail everywhere, which no order can ask for, so that networks are measured and not masks."""


def settings(model: str, **chosen: Any) -> dict[str, Any]:
    """A model's settings in full."""
    defaults = upscaling_models.MODELS[model].defaults
    if "subject_detection" in defaults:
        defaults["subject_detection"] = SUBJECT_DETECTION
    return defaults | chosen


@contextmanager
def engine(precision: str = "auto") -> Iterator[LocalEngine]:
    """A local engine, whose child ends with the block, in ``auto``, ``f32`` or ``bf16``."""
    made = LocalEngine(precision=precision)
    try:
        yield made
    finally:
        made.close()


def enlarge(made_by: LocalEngine, source: Image.Image, model: str, **chosen: Any) -> Bytes:
    """The enlarged picture as RGB, (height, width, 3). A source that is a JPEG is handed over as one."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "source.jpg" if source.format == "JPEG" else "source.png")
        if source.format == "JPEG":
            # "keep" stores the same tables: the file tells its quality as the first one did
            source.save(path, quality="keep")
        else:
            source.save(path)
        work = Path(folder, "work")
        work.mkdir()
        order = Order(0, model, settings(model, **chosen), path, work, result_format="PNG")
        finished = made_by.advance(order, lambda fraction, text: None)
        with Image.open(finished.path) as result:
            return np.asarray(result.convert("RGB"))

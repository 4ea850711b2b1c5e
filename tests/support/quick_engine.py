"""In place of the local engine's networks in `make test-quick` and in PostgreSQL: files of the right size."""

from __future__ import annotations

from typing import Any

import numpy as np

from upscaler import upscaling_models
from upscaler.engines.base import Finished, Order, Report
from upscaler.imaging import codec


def advance(engine: Any, order: Order, report: Report) -> Finished:
    """What `LocalEngine.advance` does, with each pixel repeated."""
    source = codec.load(order.source_path)
    factor = upscaling_models.factor(order.model_name, order.settings)
    width, height = source.width * factor, source.height * factor
    written = codec.result_format(order.result_format or source.format, width, height)
    pixels = source.pixels[:, :, :1] if source.grey else source.pixels
    if source.alpha is not None:
        pixels = np.dstack([pixels, source.alpha])
    order.work_dir.mkdir(parents=True, exist_ok=True)
    path = order.work_dir / "result"
    report(0.5, "Enlarging")
    codec.save(pixels.repeat(factor, axis=0).repeat(factor, axis=1), path, written, source, generative=False)
    report(1.0, "Ready")
    return Finished(path, written, width, height, provenance={"networks": ["none"], "precision": "f32", "seconds": 0.1})

"""A look at a source comes to what its job does, so that the time told before is that of the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.engines.local.conftest import png
from tests.support import pictures
from upscaler.engines.base import Finished, Order
from upscaler.engines.local import tiles
from upscaler.engines.local.engine import LocalEngine
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.known import Known
from upscaler.engines.local.networks import PHOTO
from upscaler.upscaling_models import versioned

pytestmark = pytest.mark.engine


def done(engine: LocalEngine, order: Order) -> Finished:
    return engine.advance(order, lambda fraction, text: None)


def on_white() -> Image.Image:
    """A photograph with white beside it, in which a network has nothing to do."""
    canvas = Image.new("RGB", (560, 64), "white")
    canvas.paste(pictures.photograph("coffee", (80, 64)), (0, 0))
    return canvas


@pytest.mark.parametrize(
    ("content", "model", "settings"),
    [
        (png(on_white()), "recraft", {}),
        (pictures.encoded(on_white(), "JPEG", quality=96), "recraft", {}),
        (pictures.cut_out(), "topaz", {"enhance_model": "High Fidelity V2", "upscale_factor": "2x"}),
        (
            pictures.encoded(pictures.photograph(size=(96, 96)), "JPEG", quality=50),
            "topaz",
            {"enhance_model": "Standard V2", "upscale_factor": "2x"},
        ),
    ],
    ids=["white", "jpeg", "cut-out", "worn"],
)
def test_a_look_finds_what_the_job_does_and_spares_it_the_look(
    content: bytes, model: str, settings: dict[str, str], engine: LocalEngine, order: Callable[..., Order]
) -> None:
    asked = order(content, model, **settings)
    found = engine.look(asked.source_path, model, asked.settings, {}, seconds=300)
    made = done(engine, asked)
    assert found == made.source_facts
    alike = done(engine, replace(asked, source_facts=found, work_dir=asked.work_dir / "again"))
    assert alike.path.read_bytes() == made.path.read_bytes()
    assert alike.source_facts == made.source_facts
    assert made.timings is not None
    assert alike.timings is not None

    def looks(finished: Finished) -> int:
        assert finished.timings is not None
        return sum(step.name == "look at the source" for step in finished.timings.steps)

    assert looks(alike) == 0

    # What was told is what was done: the same networks, over as many megapixels.
    with Image.open(asked.source_path) as picture:
        size = picture.size
    told: dict[str, float] = {}
    for step in engine.steps(model, asked.settings, size, "a.png", "", source_facts=found):
        if not step.once:
            told[step.name] = told.get(step.name, 0) + step.work
    was = {step.name: step.work for step in alike.timings.steps if not step.once}
    assert told == pytest.approx(was, rel=0.001)


def test_a_look_that_takes_too_long_ends_and_finds_nothing(engine: LocalEngine, order: Callable[..., Order]) -> None:
    asked = order(pictures.jpeg(), "recraft")
    hurried = LocalEngine(precision=engine.precision)
    known = {"jpeg_quality": 92}
    try:
        assert hurried.look(asked.source_path, "recraft", {}, known, seconds=0.01) == known
    finally:
        hurried.close()


def test_tiles_are_counted_as_they_are_made() -> None:
    networks = Networks()
    source = np.asarray(on_white())
    for _ in tiles.enlarge(source, PHOTO, networks, lambda rows, columns: columns.start < 300):
        pass
    needed = tiles.needed(source, PHOTO, lambda rows, columns: columns.start < 300)
    assert networks.made == pytest.approx(needed)
    assert 0 < needed < tiles.work(*source.shape[:2], PHOTO)


def test_what_is_kept_comes_back_the_same() -> None:
    facts: dict[str, Any] = {
        "jpeg_quality": 92,
        "engine": "",
        "precision": "f32",
        "shrink": "bicubic",
        "is_averaged": False,
        "shares": {"a": 0.5},
    }
    assert Known.read(None) == Known.read({}) == Known()
    assert Known.read(facts) == Known(True, 92)
    facts["engine"] = versioned("local")
    assert Known.read(facts).kept() == facts

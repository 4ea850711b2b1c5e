"""Files as people have them, through the real networks: the same colours, and what is left out is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.engines.local.conftest import png
from tests.imaging.codec.test_cases import paths_of, shown
from tests.support import picture_cases, pictures
from upscaler.engines.base import Order
from upscaler.engines.local.engine import LocalEngine

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("name", ["gama_1.png", "p3_cicp.png", "bad_iccp_crc.png", "rgb16_alpha_mask.tif", "clip.jpg"])
def test_a_result_shows_what_its_source_does_and_says_what_it_lacks(
    name: str, engine: LocalEngine, order: Callable[..., Order]
) -> None:
    case = picture_cases.CASES[name]
    content = (picture_cases.FOLDER / name).read_bytes()
    made = engine.advance(order(content, "recraft"), lambda fraction, text: None)
    with Image.open(made.path) as result:
        result.load()
        assert result.size == (600, 400)
        assert np.abs(shown(result).mean((0, 1)) - case.mean).max() <= 2
        if name == "clip.jpg":
            assert set(paths_of(result)) >= {2000, 2999}
    assert case.note in " ".join(made.provenance.get("notes", []))


def test_a_lost_clipping_path_is_said(engine: LocalEngine, order: Callable[..., Order]) -> None:
    content = (picture_cases.FOLDER / "clip.jpg").read_bytes()
    made = engine.advance(replace(order(content, "recraft"), result_format="PNG"), lambda fraction, text: None)
    assert "clipping path is left out" in " ".join(made.provenance["notes"])


@pytest.mark.parametrize("kind", ["cut-out", "worn"])
def test_the_time_is_measured_by_the_steps_that_it_is_told_by(
    kind: str, engine: LocalEngine, order: Callable[..., Order]
) -> None:
    photograph = pictures.photograph(size=(96, 80))
    if kind == "cut-out":
        mask = Image.new("L", photograph.size)
        ImageDraw.Draw(mask).ellipse((9, 7, 80, 70), fill=255)
        photograph.putalpha(mask.filter(ImageFilter.GaussianBlur(1)))
        content, name, chosen = png(photograph), "a.png", {"upscale_factor": "2x", "enhance_model": "High Fidelity V2"}
        photograph.putalpha(mask)
    else:
        content, name = pictures.encoded(photograph, "JPEG", quality=40), "a.jpg"
        chosen = {"enhance_model": "Low Resolution V2", "subject_detection": "Background"}
    work = order(content, **chosen)
    made = engine.advance(work, lambda fraction, text: None)
    assert made.timings is not None
    planned: Counter[str] = Counter()
    for told in engine.steps("topaz", work.settings, photograph.size, name, "", source_facts=made.source_facts):
        planned[told.name] += told.work
    for step in made.timings.steps:
        assert step.once == step.name.startswith("compile ")
        if not step.once and step.name != "look at the source":
            assert step.work == pytest.approx(planned[step.name], rel=0.01), step.name

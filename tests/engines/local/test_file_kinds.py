"""Files as people have them, through the real networks: the same colours, and what is left out is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.imaging.codec.test_cases import paths_of, shown
from tests.support import picture_cases
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

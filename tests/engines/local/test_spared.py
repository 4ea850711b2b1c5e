"""What the restoring network is kept from: print and fine weaves."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.engines.local.conftest import png
from tests.support import pictures
from upscaler import upscaling_models
from upscaler.engines.local import text_map, weave
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.recipe import recipe
from upscaler.engines.local.source_facts import SourceFacts
from upscaler.engines.local.strength_map import find_strength_map
from upscaler.imaging import codec

pytestmark = pytest.mark.engine

REBUILT = {"enhance_model": "Low Resolution V2"}


@pytest.fixture(scope="module")
def warm() -> Networks:
    return Networks()


def everywhere(rows: slice, columns: slice) -> bool:
    return True


def line(size: tuple[int, int], at: tuple[int, int], height: int, text: str = "Made of wool 47") -> Image.Image:
    """A plain picture with one line of print."""
    picture = Image.new("RGB", size, (226, 220, 204))
    ImageDraw.Draw(picture).text(at, text, font=ImageFont.load_default(height), fill=(40, 34, 60))
    return picture


def inked(picture: Image.Image) -> np.ndarray:
    """The cells in which there is ink."""
    dark = np.asarray(picture.convert("L")) < 140
    height, width = (length // text_map.CELL for length in dark.shape)
    return dark.reshape(height, text_map.CELL, width, text_map.CELL).any(axis=(1, 3))


def printed(picture: Image.Image, warm: Networks) -> np.ndarray:
    return text_map.find_text(np.asarray(picture.convert("RGB")), everywhere, warm)


class Stopped(Exception):
    """What a report raises when nobody wants the picture any more."""


def test_the_search_can_be_stopped_in_its_middle(tmp_path: Path, warm: Networks) -> None:
    path = tmp_path / "a.png"
    pictures.photograph(size=(12, 120)).resize((48, 480)).save(path)
    source = codec.load(path)
    chosen = upscaling_models.MODELS["topaz"].defaults | REBUILT | {"subject_detection": "Auto"}
    plan = recipe("topaz", chosen, SourceFacts(48, 480, None, None))

    def said_until(stop_at: int) -> list[str]:
        said: list[str] = []

        def report(fraction: float, text: str) -> None:
            said.append(text)
            if len(said) == stop_at:
                raise Stopped

        with pytest.raises(Stopped) if stop_at else nullcontext():
            find_strength_map(source, replace(plan, faces=None), warm, report)
        return said

    # Two strips of the picture, then one look for print and four strips.
    said = said_until(0)
    assert said == ["Finding where detail is missing"] * 2 + ["Finding print and weaves"] * 5
    assert said_until(2) == said[:2]
    assert said_until(6) == said[:6]


@pytest.mark.parametrize("height", [8, 14, 24, 40])
def test_print_of_every_height_is_found_and_little_else(warm: Networks, height: int) -> None:
    picture = line((440, 160), (30, 50), height)
    found = printed(picture, warm)
    assert found.shape == (40, 110)
    assert found[inked(picture)].mean() > 0.95
    assert not found[32:].any()


def test_print_is_found_in_a_worn_jpeg(warm: Networks) -> None:
    picture = line((440, 160), (30, 50), 12)
    worn = Image.open(pictures.io.BytesIO(pictures.encoded(picture, "JPEG", quality=40)))
    assert printed(worn, warm)[inked(picture)].mean() > 0.9


def test_print_across_two_squares_of_a_large_picture_is_found(warm: Networks) -> None:
    picture = line((1100, 320), (860, 200), 20, "Wash cold, dry flat")
    assert printed(picture, warm)[inked(picture)].mean() > 0.95


@pytest.mark.parametrize("name", ["coffee", "chelsea", "gravel"])
def test_photographs_are_hardly_taken_for_print_or_cloth(warm: Networks, name: str) -> None:
    picture = pictures.photograph(name, (240, 240)).convert("RGB")
    assert printed(picture, warm).mean() < 0.05
    assert weave.find_weave(np.asarray(picture)).mean() < 0.02


def test_nobody_looks_where_nothing_would_be_rebuilt(warm: Networks) -> None:
    picture = np.asarray(line((440, 160), (30, 50), 20))
    asked = []

    def nowhere(rows: slice, columns: slice) -> bool:
        asked.append((rows.start, columns.start))
        return False

    assert not text_map.find_text(picture, nowhere, warm).any()
    assert asked == [(0, 0)]


def cloth(name: str, period: float, side: int = 96) -> np.ndarray:
    """A woven piece, (side, side, 3), under some noise."""
    down, across = np.mgrid[:side, :side]
    wave = {
        "rib": np.sin(2 * np.pi * (across + 0.1 * down) / period),
        "plaid": 0.5 * np.sin(2 * np.pi * across / period) + 0.5 * np.sin(2 * np.pi * down / period),
        "herringbone": np.sin(2 * np.pi * (down + np.abs(across % (12 * period) - 6 * period)) / (1.4 * period)),
    }[name]
    grey = 120 + 30 * wave + np.random.default_rng(0).normal(0, 6, wave.shape)
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("period", [3, 4, 6])
@pytest.mark.parametrize("name", ["rib", "plaid", "herringbone"])
def test_fine_weaves_are_found(name: str, period: float) -> None:
    assert weave.find_weave(cloth(name, period)).mean() > 0.8


def test_a_weave_ends_where_it_ends() -> None:
    picture = np.asarray(pictures.photograph("gravel", (192, 96)).convert("RGB")).copy()
    picture[:, :96] = cloth("rib", 4)
    found = weave.find_weave(picture)
    assert found.shape == (6, 12)
    assert found[:, :5].min() > 0.9
    assert found[:, 7:].max() < 0.1


def test_stripes_too_wide_to_lose_are_no_weave() -> None:
    assert weave.find_weave(cloth("rib", 24)).mean() < 0.1


def test_a_weave_in_sixteen_bits_is_the_same() -> None:
    eight = cloth("plaid", 4)
    assert np.allclose(weave.find_weave(eight), weave.find_weave(eight.astype(np.uint16) * 257), atol=0.01)


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (65, 2)])
def test_the_smallest_pictures_hold_neither(warm: Networks, size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 90, np.uint8)
    assert not text_map.find_text(pixels, everywhere, warm).any()
    assert not weave.find_weave(pixels).any()


def test_print_and_weave_get_nothing_of_the_restoring_network_and_the_rest_does(warm: Networks, tmp_path: Path) -> None:
    picture = pictures.photograph("gravel", (288, 96)).convert("RGB")
    picture.paste(Image.fromarray(cloth("rib", 4)), (0, 0))
    picture.paste(line((96, 96), (8, 40), 12, "Wool 47"), (192, 0))
    path = tmp_path / "source"
    path.write_bytes(png(picture))
    plan = replace(
        recipe("topaz", upscaling_models.MODELS["topaz"].defaults | REBUILT, SourceFacts(288, 96, None, None)),
        part=None,
    )
    mapped = find_strength_map(codec.load(path), plan, warm, lambda fraction, text: None)
    share = mapped.strength.within(slice(0, 96), slice(0, 288), 1)
    assert isinstance(share, np.ndarray)
    assert share[:, :72].max() < 0.02
    assert share[:, 110:180].min() == pytest.approx(0.6)
    assert share[42:52, 202:240].max() < 0.02
    assert share[:20, 210:270].min() == pytest.approx(0.6)
    unprinted = mapped.unprinted.within(slice(0, 96), slice(0, 288), 1)
    assert isinstance(unprinted, np.ndarray)
    assert unprinted[42:52, 202:240].min() == pytest.approx(0.6), "what takes a blur away may work on print"
    assert unprinted[:, :72].max() < 0.02
    assert mapped.found["notes"] == [
        "Print was found and kept as it is.",
        "A fine weave was found and kept as it is.",
    ]
    assert mapped.found["weave"] == pytest.approx(1 / 3, abs=0.1)

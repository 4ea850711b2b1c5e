"""Edges of cut-outs: against the same cut-out drawn at the larger size, and shown on white, black and a colour."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.engines.local.conftest import Enlarge, png
from tests.support import pictures
from upscaler.engines.local import alpha

pytestmark = pytest.mark.engine

SIDE = 72
"""Of the sources, in pixels."""
FINE = 4
"""Sub-pixels a side by which outlines are drawn smoothly."""


@cache
def outline(kind: str, side: int) -> np.ndarray:
    """The alpha of a cut-out at any size, from 0 to 255: a garment's corners and curves, or a cup over its shadow."""
    length = side * FINE
    at = length / 100
    sheet = Image.new("L", (length, length))
    draw = ImageDraw.Draw(sheet)
    if kind == "garment":
        corners = [(31, 11), (42, 18), (58, 18), (70, 12), (92, 33), (80, 43), (74, 37), (77, 88), (25, 91), (27, 37)]
        draw.polygon([(x * at, y * at) for x, y in [*corners, (20, 43), (8, 31)]], fill=255)
        draw.ellipse([43 * at, 10 * at, 57 * at, 24 * at], fill=0)
    else:
        draw.ellipse([8 * at, 58 * at, 92 * at, 92 * at], fill=110)
        sheet = sheet.filter(ImageFilter.GaussianBlur(4 * at))
        ImageDraw.Draw(sheet).ellipse([25 * at, 15 * at, 75 * at, 78 * at], fill=255)
    return np.asarray(sheet, np.float32).reshape(side, FINE, side, FINE).mean((1, 3))


def truth(kind: str, factor: int) -> np.ndarray:
    """A cut-out at its result's size: RGBA from 0 to 255, a photograph inside."""
    side = SIDE * factor
    inside = np.asarray(pictures.photograph("coffee", (side, side)), np.float32)
    return np.dstack([inside, outline(kind, side)])


def source(kind: str, factor: int) -> Image.Image:
    """The same as programs make it smaller: means of what shows, and nothing where nothing shows."""
    large = truth(kind, factor)
    shown = large[..., 3:] / 255
    parts = np.dstack([large[..., :3] * shown, shown]).reshape(SIDE, factor, SIDE, factor, 4).mean((1, 3))
    seen = (parts[..., 3:] * 255).round()
    colours = np.where(seen > 0, parts[..., :3] / np.maximum(parts[..., 3:], 1e-4), 0)
    return Image.fromarray(np.dstack([colours, seen]).clip(0, 255).round().astype(np.uint8))


def on(background: tuple[int, int, int], cut_out: np.ndarray) -> np.ndarray:
    """How a cut-out looks on a colour."""
    shown = cut_out[..., 3:] / 255
    return cut_out[..., :3] * shown + np.array(background, np.float32) * (1 - shown)


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, int], np.ndarray]:
    return {}


@pytest.fixture
def made(enlarge: Enlarge, results: dict[tuple[str, int], np.ndarray], kind: str, factor: int) -> np.ndarray:
    """The enlarged cut-out, RGBA."""
    if (kind, factor) not in results:
        result = enlarge(png(source(kind, factor)), factor=f"{factor}x", enhance_model="High Fidelity V2")
        results[kind, factor] = np.asarray(result, np.float32)
    return results[kind, factor]


CUT_OUTS = pytest.mark.parametrize(("kind", "factor"), [("garment", 4), ("garment", 6), ("shadow", 2)])


@CUT_OUTS
def test_an_outline_is_as_if_drawn_at_the_larger_size(made: np.ndarray, kind: str, factor: int) -> None:
    error = made[..., 3] - outline(kind, SIDE * factor)
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 32


@pytest.mark.parametrize(("kind", "factor"), [("garment", 4), ("garment", 6)])
def test_no_ghost_lies_around_an_outline(made: np.ndarray, kind: str, factor: int) -> None:
    seen, drawn = made[..., 3], outline(kind, SIDE * factor)
    ghost = (drawn < 0.5) & (seen > 0) & (seen <= 12)
    assert ghost.mean() < 0.004
    hole = (drawn > 254.5) & (seen < 255) & (seen >= 243)
    assert hole.mean() < 0.008


@CUT_OUTS
def test_what_is_clear_or_opaque_all_around_stays_exactly_so(made: np.ndarray, kind: str, factor: int) -> None:
    seen = np.asarray(source(kind, factor).getchannel("A"))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(seen, 1, mode="edge"), (3, 3))
    for value in (0, 255):
        inside = (windows == value).all(axis=(2, 3)).repeat(factor, axis=0).repeat(factor, axis=1)
        assert inside.sum() > 1000
        assert (made[..., 3][inside] == value).all()


@pytest.mark.parametrize(("kind", "factor"), [("shadow", 2)])
def test_a_soft_shadow_is_kept(made: np.ndarray, kind: str, factor: int) -> None:
    drawn = outline(kind, SIDE * factor)
    soft = (drawn > 2) & (drawn < 105)
    far = np.mgrid[: SIDE * factor, : SIDE * factor][0] > SIDE * factor * 0.82
    assert (soft & far).sum() > 500
    assert np.abs(made[..., 3] - drawn)[soft & far].mean() < 1
    assert made[..., 3][soft & far].mean() == pytest.approx(drawn[soft & far].mean(), abs=0.3)


@CUT_OUTS
def test_no_fringe_shows_on_any_background(made: np.ndarray, kind: str, factor: int) -> None:
    wanted = truth(kind, factor)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(wanted[..., 3], 2, mode="edge"), (5, 5))
    edge = windows.max(axis=(2, 3)) - windows.min(axis=(2, 3)) > 100
    for background in ((255, 255, 255), (0, 0, 0), (220, 20, 120)):
        difference = (on(background, made) - on(background, wanted))[edge]
        assert np.abs(difference.mean(axis=0)).max() < 2


def test_a_mask_in_steps_gets_no_ghost_and_stays_in_place(enlarge: Enlarge) -> None:
    cut_out = pictures.photograph("coffee", (SIDE, SIDE)).convert("RGBA")
    inside = outline("garment", SIDE) >= 128
    cut_out.putalpha(Image.fromarray((inside * 255).astype(np.uint8)))
    seen = np.asarray(enlarge(png(cut_out), factor="4x").getchannel("A"))
    assert ((seen > 0) & (seen <= 12)).mean() < 0.003
    assert seen.mean() == pytest.approx(inside.mean() * 255, rel=0.01)


@pytest.mark.parametrize("factor", [2, 6])
def test_sixteen_bits_of_alpha_are_enlarged_as_eight_are(factor: int) -> None:
    eight = np.asarray(source("garment", 2).getchannel("A"))
    sixteen = eight.astype(np.uint16) * np.uint16(257)
    area = slice(10, 50), slice(0, SIDE)
    one, other = (alpha.square(values, values, area, factor) for values in (eight, sixteen))
    assert one.shape == (40 * factor, SIDE * factor)
    assert np.abs(one - other).max() < 0.01

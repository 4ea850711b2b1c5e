"""SRMD: its layers computed without a runtime, its tiles, and what its planes are good for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.engines.local.conftest import BOTH_PRECISIONS, crop, decibels
from upscaler.engines.local import ncnn, srmd, tiles
from upscaler.engines.local.inference import Networks
from upscaler.engines.local.networks import SRMD_CLEAN_2X, SRMD_CLEAN_4X, Network, srmd_4x

pytestmark = pytest.mark.engine

WORN = srmd_4x(3.2, 4.0)
PATCH = np.asarray(crop(box=(200, 90, 230, 118)), np.float32)


@pytest.fixture(scope="module", params=BOTH_PRECISIONS)
def warm(request: pytest.FixtureRequest) -> Networks:
    return Networks(precision=request.param)


def enlarged(source: Image.Image, network: Network, warm: Networks) -> Image.Image:
    result = np.zeros((source.height * network.scale, source.width * network.scale, 3), np.float32)
    for block in tiles.enlarge(np.asarray(source), network, warm):
        result[block.area] = block.pixels
    return Image.fromarray(result.clip(0, 255).round().astype(np.uint8))


@cache
def by_the_paper(network: Network) -> np.ndarray:
    """What the network's file says of ``PATCH``, in numpy: the planes made in full and padded, as its authors did."""
    pixels = PATCH
    spec = find_spec(network.package)
    assert spec is not None and spec.submodule_search_locations
    stem = Path(next(iter(spec.submodule_search_locations)), "models", network.stem)
    blob = ncnn._Blob(stem.with_suffix(".bin").read_bytes())
    height, width = pixels.shape[:2]
    planes = [np.full((height, width), plane, np.float32) for plane in network.planes]
    values = np.stack([*np.moveaxis(pixels / np.float32(255), 2, 0), *planes])
    for number in range(12):
        outs = 3 * network.scale**2 if number == 11 else 128
        weights = blob.flagged(outs * len(values) * 9).reshape(outs, len(values), 3, 3)
        bias = blob.plain(outs)
        padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
        shifted = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
        sums = sum(np.tensordot(weights[:, :, at // 3, at % 3], part, 1) for at, part in enumerate(shifted))
        values = sums + bias[:, None, None]
        if number < 11:
            values = values.clip(0)
    assert blob.exhausted
    scale = network.scale
    spread = values.reshape(3, scale, scale, height, width).transpose(3, 1, 4, 2, 0)
    return spread.reshape(height * scale, width * scale, 3) * 255


@pytest.mark.parametrize("network", [SRMD_CLEAN_2X, SRMD_CLEAN_4X, WORN], ids=lambda network: network.name)
def test_the_layers_are_those_of_the_file(network: Network, warm: Networks) -> None:
    edge = network.crop * network.scale
    expected = by_the_paper(network)[edge:-edge, edge:-edge]
    made = warm.run(network, PATCH)
    assert made.shape == expected.shape == (4 * network.scale, 6 * network.scale, 3)
    difference = np.abs(made - expected)
    assert difference.max() < (0.02 if warm.precision == "f32" else 6)
    assert difference.mean() < (0.002 if warm.precision == "f32" else 2)


def test_tiles_give_what_the_whole_picture_gives(warm: Networks) -> None:
    source = crop(box=(170, 60, 250, 124))
    tiled = enlarged(source, replace(SRMD_CLEAN_4X, tile=56), warm)
    at_once = enlarged(source, SRMD_CLEAN_4X, warm)
    difference = np.abs(np.asarray(tiled, np.int16) - np.asarray(at_once, np.int16))
    assert difference.max() <= (1 if warm.precision == "f32" else 3)


def test_a_picture_that_was_only_shrunk_comes_back_truer_than_by_resampling(warm: Networks) -> None:
    truth = crop(box=(170, 60, 330, 220))
    for network in (SRMD_CLEAN_2X, SRMD_CLEAN_4X):
        size = (160 // network.scale,) * 2
        source = truth.resize(size, Image.Resampling.BICUBIC)
        rival = decibels(truth, source.resize(truth.size, Image.Resampling.BICUBIC))
        assert decibels(truth, enlarged(source, network, warm)) > rival + 2


def test_a_blurred_picture_comes_back_truest_where_its_blur_is_told(warm: Networks) -> None:
    truth = crop(box=(170, 60, 330, 220))
    source = truth.resize((40, 40), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.8))
    told = {blur: decibels(truth, enlarged(source, srmd_4x(blur, 2), warm)) for blur in (srmd.NO_BLUR, 3.2)}
    assert told[3.2] > told[srmd.NO_BLUR] + 0.5


def test_planes_are_mixed_between_the_known_blurs_and_end_with_them() -> None:
    assert len(srmd.planes(2.0)) == 15
    assert np.allclose(srmd.planes(2.2), np.mean([srmd.planes(2.0), srmd.planes(2.4)], axis=0))
    assert srmd.planes(9.0) == srmd.planes(srmd.MOST_BLUR)
    assert srmd.planes(2.0, 51.0) == (*srmd.planes(2.0), 0.2)

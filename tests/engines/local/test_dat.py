"""DAT-light: the graph against its authors' own, and tiles that can't be seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from tests.engines.local.conftest import BOTH_PRECISIONS
from tests.engines.local.test_networks import whole
from tests.support import pictures
from upscaler.engines.local import dat, inference, networks

pytestmark = pytest.mark.engine

EXPECTED = {
    networks.DAT_2X: [
        [[210.58, 217.99, 124.09], [38.76, 67.37, 206.31], [199.82, 109.93, 202.12]],
        [[99.71, 62.03, 165.75], [194.40, 117.26, 167.92], [39.46, 206.39, 39.65]],
        [[81.59, 125.02, 61.51], [129.67, 202.45, 115.31], [172.01, 43.73, 174.95]],
        [[216.30, 198.28, 212.87], [58.61, 40.70, 66.98], [159.09, 160.17, 151.41]],
    ],
    networks.DAT_4X: [
        [[208.40, 217.94, 131.03], [38.33, 66.58, 208.72], [202.90, 110.37, 200.27]],
        [[104.58, 61.46, 161.81], [190.85, 117.59, 169.86], [40.41, 206.41, 39.55]],
        [[77.31, 125.37, 62.56], [134.45, 202.25, 115.29], [167.44, 43.32, 172.92]],
        [[217.02, 197.92, 213.13], [55.66, 40.70, 64.68], [163.74, 160.51, 156.40]],
    ],
}
"""What the authors' network gives in PyTorch 2.13.0, in f32, for ``waves``: every 16th row from the second and every
11th column from the third, both times the factor."""


def waves() -> np.ndarray:
    y, x = np.mgrid[:64, :32].astype(np.float64)
    planes = np.sin(x / 3 + y / 7), np.cos(x / 5 - y / 4), np.sin((x - 16) * (y - 30) / 60)
    return (128 + 90 * np.stack(planes, 2)).round().astype(np.float32)


@pytest.mark.parametrize("precision", BOTH_PRECISIONS)
def test_it_gives_what_its_authors_network_gives(precision: str) -> None:
    warm = inference.Networks(precision=precision)
    # The two have all but their last layer's shape in common, and each takes seconds to compile.
    network = networks.DAT_2X if precision == "f32" else networks.DAT_4X
    made = warm.run(replace(network, crop=0, pads=False), waves())
    scale = network.scale
    error = np.abs(made[2 * scale :: 16 * scale, 3 * scale :: 11 * scale] - EXPECTED[network])
    if warm.precision == "f32":
        assert error.max() < 0.02
    else:
        assert np.sqrt(np.square(error).mean()) < 1


def test_tiles_see_the_same_picture_and_leave_no_line() -> None:
    warm = inference.Networks()
    source = np.asarray(pictures.photograph().crop((150, 60, 246, 108)))
    small = replace(networks.DAT_4X, tile=64)
    tiled, at_once = whole(source, small, warm), whole(source, networks.DAT_4X, warm)
    difference = np.abs(tiled - at_once).mean(axis=2)
    assert difference.mean() < 1
    # where tiles fade into one another, the difference is no larger than elsewhere, along a whole line
    lines = np.abs(np.diff(tiled.mean(axis=2) - at_once.mean(axis=2), axis=1)).mean(axis=0)
    assert lines.max() < 2


def test_nothing_that_is_summed_over_a_large_tile_leaves_the_range_of_f16() -> None:
    # As a GPU would store it. A GPU itself is not at hand, so the sums of the very graph are looked at.
    side = 160
    weights = networks.weights_path(networks.DAT_4X).with_suffix(".pth")
    model = dat.read(weights, side, side, pooling="asked")
    sums = [
        node.output(0)
        for node in model.get_ops()
        if node.get_type_name() in ("ReduceSum", "ReduceMean")
        or (node.get_type_name() == "MatMul" and list(node.get_output_shape(0)) == [dat.WIDTH] * 2)
    ]
    assert len(sums) == 5 * 9
    asked = ov.Model(sums, model.get_parameters(), "sums")
    compiled = ov.Core().compile_model(asked, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    source = np.asarray(pictures.photograph(size=(side, side)), np.float32)
    for found in compiled(source[None]).values():
        # Room for other pictures; and lengths that still have digits where f16 runs out of small numbers.
        assert np.abs(found).max() < np.finfo(np.float16).max / 8
        if found.shape == (1, dat.WIDTH):
            assert found.min() > 32 * np.finfo(np.float16).tiny


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"x\.pth"):
        dat.read(tmp_path / "x.pth", 32, 32)

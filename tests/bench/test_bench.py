"""The bench's own bookkeeping: what it writes, and what it counts."""

import re
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from bench import __main__ as bench
from bench import end_to_end, report, roofline

pytestmark = pytest.mark.engine


def test_a_part_that_ran_alone_leaves_the_others_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench, "README", tmp_path / "README.md")
    bench._write("fidelity", "## Fidelity\n\n51 dB\n")
    bench._write("speed", "## Speed\n\n1.0 MP/s\n")
    bench._write("speed", "## Speed\n\n2.0 MP/s\n")
    written = bench.README.read_text()
    assert "1.0 MP/s" not in written
    assert written.index("2.0 MP/s") < written.index("51 dB")


def test_seconds_are_found_before_notes():
    said = "b.png: PNG, 2x2 -> 8x8, waifu2x-cunet, waifu2x-photo, bf16, 1.5 s\nNo face was found to enhance.\n"
    told = re.search(end_to_end.TOLD, said, re.MULTILINE)
    assert told is not None
    assert told.groups() == ("bf16", "1.5")


def test_multiply_adds_leave_out_weights_that_are_zero():
    pixels = ops.parameter([1, 2, 10, 12], ov.Type.f32)
    weights = np.ones((4, 2, 3, 3), np.float32)
    weights[0] = 0
    result = ops.convolution(pixels, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    model = ov.Model([result.output(0)], [pixels], "one")
    assert roofline.multiply_adds(model) == 3 * 2 * 3 * 3 * 8 * 10


@pytest.mark.parametrize(
    ("value", "goal", "at_most", "said"),
    [
        (3.0, 3, False, "met"),
        (2.75, 3, False, "**missed** by 0.25"),
        (8, 9, True, "met"),
        (9.5, 9, True, "**missed** by 0.5"),
    ],
)
def test_a_goal_is_met_or_missed_by_how_much(value: float, goal: float, at_most: bool, said: str):
    assert report.verdict(value, goal, at_most=at_most) == said

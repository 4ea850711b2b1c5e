"""The bench's own bookkeeping: what it writes, and what it counts."""

import re
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from bench import __main__ as bench
from bench import end_to_end, machine, report, results, roofline, told
from upscaler.engines.local import processor

pytestmark = pytest.mark.engine


def keep(kind: str, part: str, found: object, folder: Path, monkeypatch: pytest.MonkeyPatch, when: str = "2026"):
    monkeypatch.setattr(results, "kind", lambda: kind)
    results.keep(part, when, found, folder=folder)


def test_a_part_that_ran_alone_leaves_the_others_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    keep("amx", "fidelity", "51 dB", tmp_path, monkeypatch)
    keep("amx", "quality", "1 dB", tmp_path, monkeypatch)
    keep("amx", "quality", "2 dB", tmp_path, monkeypatch)
    written = bench.written(results.load(folder=tmp_path))
    assert "1 dB\n\n" not in written.replace("51 dB", "")
    assert written.index("2 dB") < written.index("51 dB")


def test_kinds_of_processors_stand_side_by_side_and_the_newest_counts_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def row(seconds: str) -> dict[str, str]:
        return {
            "row": f"{end_to_end.RUNS[0].title}, bf16",
            "precision": "bf16",
            "seconds": seconds,
            "engine": "1",
            "megabytes": "9",
        }

    keep("avx2", "end_to_end", [row("8.0")], tmp_path, monkeypatch)
    # Older results tell no hour.
    keep("avx2", "quality", "newer", tmp_path, monkeypatch, "2026-11-27 20:15, 3.0 minutes")
    keep("amx", "quality", "older", tmp_path, monkeypatch, "2026-11-27, 9.0 minutes")
    keep("amx", "end_to_end", [row("2.5")], tmp_path, monkeypatch)
    written = bench.written(results.load(folder=tmp_path))
    (line,) = [line for line in written.splitlines() if line.startswith("| recraft")]
    assert line == f"| {end_to_end.RUNS[0].title}, bf16 | 2.5 | 1 | 9 | 8.0 | 1 | 9 | 3 s: met |"
    assert "newer" in written
    assert "older" not in written
    assert written.index("### AMX") < written.index("### AVX2")


@pytest.mark.parametrize(
    ("flags", "most", "kind"),
    [
        ("avx2 avx512f avx512_bf16 amx_bf16", "", "amx"),
        ("avx2 avx512f avx512_bf16 amx_bf16", "AVX2", "avx2_capped"),
        ("avx2 avx512f avx512_bf16 amx_bf16", "AVX512_CORE", "avx512"),
        ("avx2", "", "avx2"),
        ("avx2", "AVX2", "avx2"),
        ("sse4_1", "AVX2", "other"),
    ],
)
def test_a_processor_that_is_held_back_is_a_kind_of_its_own(
    flags: str, most: str, kind: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", most)
    monkeypatch.setattr(processor, "_flags", lambda: tuple(flags.split()))
    monkeypatch.setattr(machine, "flags", lambda: set(flags.split()))
    assert results.kind() == kind


def test_the_readme_is_what_the_kept_figures_give():
    assert bench.README.read_text() == bench.written(results.load())


def test_orders_off_by_more_than_a_quarter_are_counted():
    orders = [{"order": f"{told}", "told": told, "took": 10.0} for told in (10, 12, 20)]
    said = told.render({"amx": [*orders, {"order": "all", "told": 42, "took": 30}]})
    assert "| 12 | 12.0 | 10.0 | +20% |" in said
    assert "AMX: 2 of 3 within 25%, half of them within 20%; goal, all: **missed** by 1" in said


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

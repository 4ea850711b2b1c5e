"""``manage.py upscale_file`` as a person runs it: seconds from start to end, and the memory of the engine's child."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from bench import report, results
from bench.enlarging import settings
from bench.photographs import gravel, mosaic
from upscaler import upscaling_models

PROJECT = Path(__file__).parents[1]
TOLD = r", (\w+), ([\d.]+) s$"
"""The end of the line in which ``upscale_file`` tells the precision and the seconds; notes may follow it."""
LOOK = 0.05
"""Seconds between two looks at the memory. The kernel keeps the peak, so only growth at the very end can be missed."""


@dataclass(frozen=True)
class Run:
    """One picture to enlarge."""

    width: int
    height: int
    model: str
    chosen: tuple[tuple[str, str], ...] = ()
    ending: str = "jpg"
    precision: str = "auto"
    seconds: float | None = None
    """The goal for a processor with AMX: the whole process, at most."""
    megabytes: float | None = None
    """The goal for the child's memory, at most."""

    @property
    def title(self) -> str:
        given = dict(self.chosen)
        factor = upscaling_models.factor(self.model, settings(self.model, **given))
        how = given.get("enhance_model", self.model)
        return f"{how}, {self.width} × {self.height} to {self.width * factor} × {self.height * factor}, {self.ending}"

    @property
    def picture(self) -> Image.Image:
        """Gravel has no subject, so that topaz enhances all of it: nothing is spared."""
        return (gravel if self.chosen == LOW else mosaic)(self.width, self.height)


LOW = (("enhance_model", upscaling_models.LOW_RESOLUTION_V2), ("upscale_factor", "4x"))
HIGH_2X = (("enhance_model", upscaling_models.HIGH_FIDELITY_V2), ("upscale_factor", "2x"))
RUNS = (
    Run(512, 512, upscaling_models.RECRAFT, seconds=3),
    Run(1024, 1024, upscaling_models.RECRAFT, seconds=9),
    Run(1024, 1024, upscaling_models.RECRAFT, ending="png"),
    Run(1024, 1024, upscaling_models.TOPAZ, LOW, seconds=30, megabytes=1000),
    Run(3000, 4000, upscaling_models.TOPAZ, HIGH_2X, seconds=22, megabytes=600),
    Run(2500, 2500, upscaling_models.RECRAFT),
    Run(512, 512, upscaling_models.RECRAFT, precision="f32"),
    Run(1024, 1024, upscaling_models.RECRAFT, precision="f32"),
)


def run() -> list[dict[str, Any]]:
    """All runs, each once, in a process of its own: a row for each."""
    rows, worked = [], ""
    with TemporaryDirectory() as folder:
        for order in RUNS:
            report.progress(f"{order.title}, {order.precision}")
            row = _measured(order, Path(folder))
            if order.precision == "auto":
                worked = row["precision"]
            elif row["precision"] == worked:
                continue
            rows.append(row)
    return rows


def render(by_kind: Mapping[str, list[dict[str, Any]]]) -> str:
    """The rows of each kind of processor, side by side."""
    columns = {"seconds": "seconds", "in the engine": "engine", "peak MB": "megabytes"}
    heads, cells = results.side_by_side(by_kind, columns)
    goals = {run.title: run for run in RUNS if run.precision == "auto"}
    rows = [
        [name, *found, _verdicts(goals.get(name.rpartition(", ")[0]), name, by_kind)] for name, found in cells.items()
    ]
    return "\n".join(
        [
            "`manage.py upscale_file`, started anew each time: starting Python, reading and compiling the networks, "
            "reading the picture and writing the result are all inside. Sources are laid out of photographs (for Low "
            "Resolution V2 of gravel, in which there is no subject, so that all of it is enhanced), at JPEG quality "
            "95 or as PNG; the result has the source's format. The peak is the kernel's VmHWM of the process "
            "that enlarges; it counts pages of the canvas files, which the system may write out and take back. The "
            "goals for seconds are set for two cores with AMX and judged there alone, those for memory everywhere.",
            "",
            report.table(["order, precision", *heads, "goal"], rows),
        ]
    )


def _verdicts(run: Run | None, name: str, by_kind: Mapping[str, list[dict[str, Any]]]) -> str:
    found = {kind: row for kind, rows in by_kind.items() for row in rows if row["row"] == name}
    if run is None or not name.endswith(", bf16"):
        return ""
    said = []
    if run.seconds is not None:
        verdict = (
            report.verdict(float(found["amx"]["seconds"]), run.seconds, at_most=True) if "amx" in found else "open"
        )
        said.append(f"{run.seconds:g} s: {verdict}")
    if run.megabytes is not None:
        most = max(float(row["megabytes"]) for row in found.values())
        said.append(f"{run.megabytes:g} MB: {report.verdict(most, run.megabytes, at_most=True)}")
    return "; ".join(said)


def _measured(order: Run, folder: Path) -> dict[str, Any]:
    """A row of the table."""
    source, target = folder / f"source.{order.ending}", folder / f"result.{order.ending}"
    order.picture.save(source, quality=95)
    command = [sys.executable, "manage.py", "upscale_file", str(source), str(target), "--model", order.model]
    for key, value in order.chosen:
        command += ["--set", f"{key}={value}"]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=os.environ | {"LOCAL_PRECISION": order.precision},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, *(_megabytes(child) for child in _children(process.pid)), 0.0)
        time.sleep(LOOK)
    seconds = time.monotonic() - began
    said, _ = process.communicate()
    told = re.search(TOLD, said, re.MULTILINE)
    if process.returncode or told is None:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode} and said: {said}")
    return {
        "row": f"{order.title}, {told[1]}",
        "precision": told[1],
        "seconds": f"{seconds:.1f}",
        "engine": told[2],
        "megabytes": f"{peak:.0f}",
    }


def _children(pid: int) -> list[int]:
    """The process ids of all that a process has started, and what those have."""
    try:
        lists = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    children = [int(child) for text in lists for child in text.split()]
    return children + [below for child in children for below in _children(child)]


def _megabytes(pid: int) -> float:
    """The peak of a process's resident memory so far; 0 where it is gone."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0

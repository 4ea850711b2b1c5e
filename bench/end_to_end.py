"""``manage.py upscale_file`` as a person runs it: seconds from start to end, and the memory of the engine's child."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from bench import report
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
    Run(1024, 1024, upscaling_models.TOPAZ, LOW, precision="f32"),
    Run(3000, 4000, upscaling_models.TOPAZ, HIGH_2X, precision="f32"),
)


def run() -> str:
    """All runs, each once, in a process of its own."""
    rows, worked = [], ""
    with TemporaryDirectory() as folder:
        for order in RUNS:
            report.progress(f"{order.title}, {order.precision}")
            row, precision = _measured(order, Path(folder))
            if order.precision == "auto":
                worked = precision
            elif precision == worked:
                continue
            rows.append(row)
    head = ["order", "precision", "seconds, whole process", "seconds, engine", "peak MB of the child", "goal"]
    return "\n".join(
        [
            "`manage.py upscale_file`, started anew each time: starting Python, reading and compiling the networks, "
            "reading the picture and writing the result are all inside. Sources are laid out of photographs (for Low "
            "Resolution V2 of gravel, in which there is no subject, so that all of it is enhanced), at JPEG quality "
            "95 or as PNG; the result has the source's format. The peak is the kernel's VmHWM of the process "
            "that enlarges; it counts pages of the canvas files, which the system may write out and take back. The "
            "goals for seconds are set for two cores with AMX.",
            "",
            report.table(head, rows),
        ]
    )


def _measured(order: Run, folder: Path) -> tuple[list[str], str]:
    """A row of the table, and the precision that the engine worked in."""
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
    goals = []
    if order.seconds is not None:
        goals.append(f"{order.seconds:g} s: {report.verdict(seconds, order.seconds, at_most=True)}")
    if order.megabytes is not None:
        goals.append(f"{order.megabytes:g} MB: {report.verdict(peak, order.megabytes, at_most=True)}")
    row = [order.title, told[1], f"{seconds:.1f}", told[2], f"{peak:.0f}", "; ".join(goals)]
    return row, told[1]


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

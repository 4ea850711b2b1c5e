"""How near the time that an order is told comes to what it takes: twenty orders on an idle desk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import report, results

NEAR = 0.25
"""How far the seconds may be off, as a share of what it took."""


def run() -> list[dict[str, Any]]:
    """Each order: what it was, and the seconds that it was told and took; last, all of them told as one batch."""
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{Path(folder) / 'desk.sqlite3'}",
            "MEDIA_ROOT": str(Path(folder) / "media"),
            "SECRET_KEY": "for-the-bench-only",
            "ENGINE": "local",
            "CPU_SLOTS": "1",
            "LOOK_SECONDS": "60",
            "LOG_LEVEL": "ERROR",
        }
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        measure = [sys.executable, "-m", "bench.told_orders"]
        done = subprocess.run(measure, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def render(by_kind: Mapping[str, list[dict[str, Any]]]) -> str:
    """The orders of each kind of processor, side by side."""
    shown, sums = {}, []
    for kind, found in by_kind.items():
        shown[kind] = [
            {
                "row": order["order"],
                "told": f"{order['told']:.1f}",
                "took": f"{order['took']:.1f}",
                "off": f"{order['told'] / order['took'] - 1:+.0%}",
            }
            for order in found
        ]
        off = [abs(order["told"] / order["took"] - 1) for order in found[:-1]]
        near = sum(share <= NEAR for share in off)
        sums.append(
            f"{results.title(kind)}: {near} of {len(off)} within {NEAR:.0%}, half of them within {median(off):.0%}; "
            f"goal, all: {report.verdict(near, len(off))}"
        )
    heads, cells = results.side_by_side(shown, {"told, s": "told", "took, s": "took", "off": "off"})
    return "\n".join(
        [
            "Twenty orders of several models, sizes and formats, one after the other on an idle desk that has done "
            "six others before: the seconds of the quote, and those from the order to the stored result, by one "
            "worker. The last line is what a quote for all twenty as one batch says, and what they took together.",
            "",
            report.table(["order", *heads], [[row, *found] for row, found in cells.items()]),
            "",
            ". ".join(sums) + ".",
        ]
    )

"""How long the web server takes from its start to its first answer."""

from __future__ import annotations

import os
import statistics
import time

from bench import report
from bench.whole_desk import in_each_mode, web_seconds, whole_desk

MODES = tuple(os.environ.get("START_MODES", "embedded,cluster").split(","))
STARTS = 7
GOAL = 10.0
PATHS = {"healthz": "/healthz", "readyz": "/readyz", "sign-in page": "/accounts/login/"}


def run() -> str:
    """Measure all; Markdown."""
    about = (
        f"`make bench PART=start`. The web server is stopped and started {STARTS} times for each address, and asked "
        "from the first moment on, every 20 ms; seconds until it answers 200. The tables are made. The system still "
        "has in its memory the files that Python reads, but for those of the very first start. "
        "`READY_WITHOUT_WORKERS` is set, since no worker runs. Seconds of one core are what all its processes used "
        "until then."
    )
    return "\n\n".join([about, *in_each_mode(MODES, _measured)])


def _measured(mode: str) -> str:
    rows = []
    with whole_desk(mode, credits=1, READY_WITHOUT_WORKERS="true") as desk:
        for name, path in PATHS.items():
            seconds, used = [], []
            for _ in range(STARTS):
                desk.stop_web()
                began = time.monotonic()
                desk.start_web(path, every=0.02)
                seconds.append(time.monotonic() - began)
                used.append(web_seconds(desk))
                report.progress(f"{mode}: {name} after {seconds[-1]:.2f} s")
            rows.append(
                [
                    name,
                    f"{statistics.median(seconds):.2f}",
                    f"{max(seconds):.2f}",
                    f"{statistics.median(used):.2f}",
                    f"{GOAL:g} s: {report.verdict(max(seconds), GOAL, at_most=True)}",
                ]
            )
    return report.table(["first answer", "s, half of them", "s, the slowest", "of one core, s", "goal"], rows)

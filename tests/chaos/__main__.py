"""`make chaos`: prints what a run came to, one table for each mode, and ends with 1 where anything was wrong."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.chaos.run import Report


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    # They read Django's settings when they are imported.
    from tests.chaos.run import run

    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", action="append", choices=("embedded", "cluster"))
    parser.add_argument("--upscales", type=int, default=300)
    parser.add_argument("--kills", type=int, default=30, help="at least")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    wrong = 0
    for mode in told.mode or ("embedded", "cluster"):
        with tempfile.TemporaryDirectory(prefix="upscaler-chaos-", ignore_cleanup_errors=True) as folder:
            place = Path(folder) / mode
            place.mkdir()
            try:
                report = run(
                    mode, place, upscales=told.upscales, least_kills=told.kills, pause=told.pause, seed=told.seed
                )
            except BaseException:
                log = place / "desk.log"
                print(log.read_text()[-6000:] if log.exists() else "", file=sys.stderr)
                raise
            wrong += len(report.problems)
            print(_told(report), flush=True)
            if report.problems:
                kept = Path(tempfile.gettempdir()) / f"chaos-{mode}.log"
                kept.write_bytes((place / "desk.log").read_bytes())
                print(f"The desk's log: {kept}", flush=True)
    sys.exit(1 if wrong else 0)


def _told(report: Report) -> str:
    resumed = f"{len(report.resumed)} upscales: median {report.median:.1f} s, p95 {report.p95:.1f} s"
    rows = [
        ("upscales", f"{report.upscales}, in {report.seconds:.0f} s"),
        ("kills", str(report.kills)),
        *((name, "once" if count == 1 else f"{count} times") for name, count in sorted(report.done.items())),
        *((name, str(count)) for name, count in sorted(report.ended.items())),
        ("clients and vendor: failed calls", str(sum(report.answers.values()))),
        ("from the loss of a worker to the next claim", resumed),
        ("wrong", str(len(report.problems))),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    answers = ", ".join(f"{name}: {count}" for name, count in sorted(report.answers.items()))
    wrong = "".join(f"\n- {problem}" for problem in report.problems)
    return f"\n| {report.mode} | |\n|---|---|\n{table}\n\nFailed calls: {answers}{wrong}"


if __name__ == "__main__":
    main()

"""`make chaos`: prints what a run came to, one table for each mode, and ends with 1 where anything was wrong."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.chaos.run import Report

OWN_MOUNTS = "CHAOS_HAS_OWN_MOUNTS"


def main() -> None:
    _have_mounts_of_our_own()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    # They read Django's settings when they are imported.
    from tests.chaos import namespaces
    from tests.chaos.run import HOSTS, MODES, run

    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", action="append", choices=MODES)
    parser.add_argument("--upscales", type=int, default=300)
    parser.add_argument("--kills", type=int, default=30, help="at least")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    wrong = 0
    for mode in told.mode or MODES:
        if mode == HOSTS and (reason := namespaces.why_not()):
            print(f"!!! NO HOSTS CAN BE MADE HERE, SO NONE ARE CUT OFF: {reason} !!!", flush=True)
            wrong += bool(told.mode)
            continue
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


def _have_mounts_of_our_own() -> None:
    """Go on where what is mounted ends with us, SIGKILL or not, and nobody else sees it."""
    may = os.geteuid() == 0 and shutil.which("unshare") and not os.environ.get(OWN_MOUNTS)
    if may and subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0:
        again = ["unshare", "--mount", sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
        os.execvpe(again[0], again, {**os.environ, OWN_MOUNTS: "1"})


def _told(report: Report) -> str:
    resumed = f"{len(report.resumed)} upscales: median {report.median:.1f} s, p95 {report.p95:.1f} s"
    rows = [
        ("upscales", f"{report.upscales}, in {report.seconds:.0f} s"),
        ("cuts" if report.mode == "hosts" else "kills", str(report.kills)),
        *((name, "once" if count == 1 else f"{count} times") for name, count in sorted(report.done.items())),
        *((name, str(count)) for name, count in sorted(report.ended.items())),
        ("clients and vendor: failed calls", str(sum(report.answers.values()))),
        ("from the loss of a worker to the next claim", resumed),
        ("attempts that came back too late, and wrote nothing", str(report.too_late)),
        ("wrong", str(len(report.problems))),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    answers = ", ".join(f"{name}: {count}" for name, count in sorted(report.answers.items()))
    wrong = "".join(f"\n- {problem}" for problem in report.problems)
    return f"\n| {report.mode} | |\n|---|---|\n{table}\n\nFailed calls: {answers}{wrong}"


if __name__ == "__main__":
    main()

"""``python -m bench [PART ...]``: runs the parts and writes each into its place in README.md."""

from __future__ import annotations

import argparse
import importlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine, results

README = Path(__file__).parent / "README.md"
PARTS = {
    "speed": "Speed of the networks",
    "end_to_end": "From file to file",
    "told": "Time told before",
    "quality": "Quality",
    "wear": "Blurred, or always soft",
    "pairs": "Earlier and today, side by side",
    "kinds": "Kinds of source",
    "fidelity": "Fidelity",
    "fidelity_check": "The fidelity check",
    "text": "Print and weaves",
    "desk": "Pages of a busy desk",
    "batches": "Many pictures at once",
    "load": "Calls and pages a second",
    "scale": "A thousand and a million upscales",
    "waiting": "Ten thousand waiting",
    "crowd": "Fifty open pages",
    "workers": "Two workers",
    "start": "From start to first answer",
    "memory": "Memory over an hour",
}
"""Modules of this package, in the order of the README, and their titles.

Each has a function ``run``, which gives Markdown or what JSON can hold, and for the latter a function ``render``: from
what was found on each kind of processor to Markdown.
"""
OF_THE_DESK = ("desk", "batches", "load", "scale", "waiting", "crowd", "workers", "start", "memory")
"""Parts that say nothing of the engine and take long by themselves: they run when they are asked for."""
HEAD = """# Bench

Written by `make bench`, which measures the engine in some 30 minutes of two idle cores; `make bench PART=quality` runs
one part. Parts that measure pages, queues and processes run by themselves: `make bench PART=desk`, and in its place
`batches`, `load`, `scale`, `waiting`, `crowd`, `workers`, `start` and `memory`.
What depends on the processor stands side by side for each kind that was measured, elsewhere the newest figures count.
They are kept in `bench/results/`, by kind of processor; `ONEDNN_MAX_CPU_ISA=AVX2 make bench PART=speed` measures a
newer one as an AVX2 one, and keeps that apart.
"""


def main() -> None:
    # What opens pictures has the desk's limits.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the local engine and the desk.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + "; none: the engine's")
    parser.add_argument("--write", action="store_true", help="measure nothing, write README.md from what is kept")
    given = parser.parse_args()
    asked = [] if given.write else given.parts or [part for part in PARTS if part not in OF_THE_DESK]
    if unknown := set(asked) - set(PARTS):
        parser.error(f"There is no part {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}.")
    for part in asked:
        busy, began = machine.load(), time.monotonic()
        found = importlib.import_module(f"bench.{part}").run()
        minutes = (time.monotonic() - began) / 60
        ended = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
        when = f"{ended}, {minutes:.1f} minutes, load before: {busy:.1f} on {machine.cores()} cores"
        results.keep(part, when, found)
        README.write_text(written(results.load()))
        print(_section(part, results.load()), flush=True)
    if given.write:
        README.write_text(written(results.load()))


def written(kept: dict[str, dict[str, Any]]) -> str:
    """The whole README, from what is kept."""
    machines = [f"### {results.title(kind)}\n\n{found['machine']}" for kind, found in kept.items()]
    sections = [_section(part, kept) for part in PARTS]
    return "\n\n".join([HEAD.strip(), "## Machines", *machines, *filter(None, sections)]) + "\n"


def _section(part: str, kept: dict[str, dict[str, Any]]) -> str:
    """One part's section; empty where it was never run."""
    by_kind = {kind: found["parts"][part] for kind, found in kept.items() if part in found["parts"]}
    if not by_kind:
        return ""
    rendered = {kind: measured for kind, measured in by_kind.items() if not isinstance(measured["found"], str)}
    if rendered:
        shown = rendered
        body = importlib.import_module(f"bench.{part}").render(
            {kind: measured["found"] for kind, measured in rendered.items()}
        )
    else:
        newest = max(by_kind, key=lambda kind: by_kind[kind]["when"].partition(",")[0])
        shown = {newest: by_kind[newest]}
        body = by_kind[newest]["found"]
    when = "; ".join(f"{results.title(kind)}: {measured['when']}" for kind, measured in shown.items())
    return f"## {PARTS[part]}\n\n*{when}*\n\n{body.strip()}"


if __name__ == "__main__":
    main()

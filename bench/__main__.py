"""``python -m bench [PART ...]``: runs the parts and writes each into its place in README.md."""

from __future__ import annotations

import argparse
import importlib
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import machine

README = Path(__file__).parent / "README.md"
PARTS = {
    "speed": "Speed of the networks",
    "end_to_end": "From file to file",
    "quality": "Quality",
    "kinds": "Kinds of source",
    "fidelity": "Fidelity",
    "text": "Print and weaves",
    "desk": "Pages of a busy desk",
    "batches": "Many pictures at once",
}
"""Modules of this package with a function ``run`` that gives Markdown, in the order of the README, and their titles."""
HEAD = """# Bench

Written by `make bench`, which runs all of it; `make bench PART=quality` runs one part. Each part says when it was
measured and how busy the machine was before; figures of different dates are from the same kind of machine if the table
below still fits.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures the local engine and the desk.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args().parts or list(PARTS)
    if unknown := set(asked) - set(PARTS):
        parser.error(f"There is no part {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}.")
    for part in asked:
        busy, began = machine.load(), time.monotonic()
        body = importlib.import_module(f"bench.{part}").run()
        minutes = (time.monotonic() - began) / 60
        when = (
            f"{datetime.now(UTC):%Y-%m-%d}, {minutes:.1f} minutes, load before: {busy:.1f} on {machine.cores()} cores"
        )
        _write(part, f"## {PARTS[part]}\n\n*{when}*\n\n{body.strip()}\n")
        print(body, flush=True)


def _write(part: str, section: str) -> None:
    """Put one section into the README; the others stay as they are."""
    sections = (
        dict(re.findall(r"<!-- (\w+) -->\n(.*?)<!-- end -->", README.read_text(), re.S)) if README.exists() else {}
    )
    sections[part] = section
    body = "\n".join(f"<!-- {name} -->\n{sections[name]}<!-- end -->\n" for name in PARTS if name in sections)
    README.write_text(f"{HEAD}\n{machine.described()}\n\n{body}")


if __name__ == "__main__":
    main()

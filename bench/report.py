"""Markdown for the results, and a word on the way there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; every column but the first is set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def link(package: str) -> str:
    """The package on PyPI."""
    return f"[{package}](https://pypi.org/project/{package}/)"


def verdict(value: float, goal: float, *, at_most: bool = False) -> str:
    """Whether a goal was met, and by how much it was missed."""
    missed = value - goal if at_most else goal - value
    return "met" if missed <= 0 else f"**missed** by {missed:.2g}"


def progress(text: str) -> None:
    """Tell the person at the terminal what is going on; not part of the report."""
    print(text, file=sys.stderr, flush=True)

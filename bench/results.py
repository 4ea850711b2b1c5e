"""What was measured, kept by kind of processor: ``bench/results/KIND.json``, from which README.md is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import machine
from upscaler.engines.local import processor

FOLDER = Path(__file__).parent / "results"
KINDS = {
    "amx": ("amx_bf16", "AMX"),
    "avx512_bf16": ("avx512_bf16", "AVX-512 bf16"),
    "avx512": ("avx512f", "AVX-512"),
    "avx2": ("avx2", "AVX2"),
    "avx2_capped": ("avx2", "AVX2 (capped)"),
    "other": ("", "other"),
}
"""The instruction, as the kernel names it, that makes a processor of that kind, and what people call it: best first.

A newer processor that ``ONEDNN_MAX_CPU_ISA=AVX2`` makes work like an older one is a kind of its own: its registers are
as wide, its memory and its clock are not those of an old machine.
"""


def kind() -> str:
    """This machine's, as far as the environment lets it."""
    flags = processor.instructions()
    found = next(kind for kind, (needed, _) in KINDS.items() if not needed or needed in flags)
    return f"{found}_capped" if f"{found}_capped" in KINDS and "avx512f" in machine.flags() else found


def title(kind: str) -> str:
    """What people call it."""
    return KINDS[kind][1]


def keep(part: str, when: str, found: Any, *, folder: Path = FOLDER) -> None:
    """Put one part's figures in the place of older ones of this kind of processor; the others stay as they are.

    ``found``: Markdown, or the numbers that the part makes its tables of, as JSON can hold them.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"{kind()}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"parts": {}}
    kept["machine"] = machine.described()
    kept["parts"][part] = {"when": when, "found": found}
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def load(*, folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """For each kind that was ever measured, best first, its ``machine`` and ``parts``."""
    paths = {kind: folder / f"{kind}.json" for kind in KINDS}
    return {kind: json.loads(path.read_text()) for kind, path in paths.items() if path.exists()}


def side_by_side(
    by_kind: Mapping[str, list[dict[str, Any]]], columns: Mapping[str, str]
) -> tuple[list[str], dict[str, list[str]]]:
    """The heads and, for each ``row`` of any kind, the cells of a table with columns for each kind.

    ``columns``: what each column is called, and the key of its cell in a row.
    """
    heads = [f"{title(kind)}: {column}" for kind in by_kind for column in columns]
    names = dict.fromkeys(row["row"] for rows in by_kind.values() for row in rows)
    cells = {}
    for name in names:
        cells[name] = []
        for rows in by_kind.values():
            row = next((row for row in rows if row["row"] == name), {})
            cells[name] += [str(row.get(key, "")) for key in columns.values()]
    return heads, cells

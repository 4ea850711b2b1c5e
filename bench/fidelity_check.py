"""How much of what a model might do to a product the fidelity check sees, and how often it doubts a faithful result.

The table goes to docs/fidelity.md too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import fidelity_pictures as pictures
from bench import fidelity_scores, photographs
from bench.alterations import ALTERATIONS
from bench.fidelity_scores import Row
from bench.report import progress, table, verdict
from upscaler.fidelity import limits
from upscaler.fidelity.verdict import reasons_of, scores

DOCS = Path(__file__).parents[1] / "docs" / "fidelity.md"
BEGIN, END = "<!-- Written by make bench PART=fidelity_check. -->", "<!-- End of what is written. -->"
CATCH, FALSE_ALARMS = 95, 2
"""Percent: of the plain alterations at least, of faithful results at most."""
LIMITS: dict[str, tuple[str, float, bool]] = {
    "colour_region": ("colour of a region, Delta E", limits.COLOUR_REGION, True),
    "colour_whole": ("colour of the whole, mean Delta E", limits.COLOUR_WHOLE, True),
    "detail": ("detail", limits.DETAIL, True),
    "text": ("a letter that is still read, 0 to 1", limits.LETTER_GONE, False),
    "face_moved": ("a feature of a face moved, share of its height", limits.FEATURE_MOVED, True),
    "face_likeness": ("likeness of a face", limits.FACE_LIKENESS, False),
    "shape": ("outline", limits.OUTLINE, True),
    "shape_frame": ("frame, px", limits.FRAME[0], True),
}
"""By the number's name: what it is, its limit, and whether more is worse."""


def run() -> str:
    """Measure what is not measured yet, and write the table."""
    try:
        rows = [row for photograph in fidelity_scores.EVERYONE for row in fidelity_scores.scored(photograph)]
        cuts = [row for photograph in fidelity_scores.EVERYONE for row in fidelity_scores.scored_cuts(photograph)]
    finally:
        pictures.close()
    text = f"{report(rows)}\n\n{report_of_cuts(cuts)}"
    page = DOCS.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    DOCS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    progress(f"written to {DOCS}")
    return text


def report(rows: list[Row]) -> str:
    """Markdown for what was measured."""
    names = {half: {photograph.name for photograph in part} for half, part in _halves().items()}
    chosen, held = ([row for row in rows if row["photograph"] in names[half]] for half in names)
    return "\n".join(
        [
            f"{len(names['chosen'])} photographs to choose the limits on, {len(names['held out'])} others to try them "
            f"(cuts of one photograph are never in both halves), {pictures.SIDE} × {pictures.SIDE} pixels, each with a "
            "label of three lines and a button. Every second column is of the photographs that no limit has seen.",
            "",
            "**False alarms**: of faithful results, those for which the verdict was *look*.",
            "",
            _false_alarms(chosen, held),
            "",
            "**Catch**: of results that were altered, those for which the verdict was *look*; three strengths, the "
            "last of which is plain to see. The last column: plain ones, held out, caught for a reason that fits.",
            "",
            _catch(chosen, held),
            "",
            "**Limits**: the worst that any faithful result had of the photographs that limits were chosen on, and on "
            "the others, beside the limit.",
            "",
            _limits(chosen, held),
        ]
    )


def report_of_cuts(rows: list[Row]) -> str:
    """Markdown for the restoring network's rate on more photographs than it could enlarge in full."""
    names = {half: {photograph.name for photograph in part} for half, part in _halves().items()}
    lines = []
    for order in pictures.RESTORING:
        mine = [row for row in rows if row["kind"] == order]
        parts = [[row for row in mine if row["photograph"] in part] for part in names.values()]
        lines.append([order, *map(_looked, parts), _looked(mine)])
    lines.append(["both", *([""] * len(names)), _looked(rows)])
    return (
        f"**The restoring network on small cuts**: false alarms on the middle {pictures.CUT} × {pictures.CUT} pixels "
        f"of each photograph, without label and button.\n\n{table(['', *names, 'all'], lines)}"
    )


def _halves() -> dict[str, tuple[photographs.Photograph, ...]]:
    return {"chosen": pictures.CHOSEN, "held out": pictures.HELD_OUT}


def _false_alarms(chosen: list[Row], held: list[Row]) -> str:
    kinds = [kind for kind in dict.fromkeys(row["kind"] for row in chosen) if kind not in ALTERATIONS]
    lines = []
    for kind in kinds:
        parts = [[row for row in half if row["kind"] == kind] for half in (chosen, held)]
        lines.append([kind, *map(_looked, parts)])
    everything = [[row for row in half if row["kind"] in pictures.ORDERS] for half in (chosen, held)]
    share = 100 * _share(everything[1])
    lines.append(["the engine's four together", *map(_looked, everything)])
    told = table(["", "chosen on", "held out"], lines)
    return f"{told}\n\nAt most {FALSE_ALARMS} %, held out, the engine's: {verdict(share, FALSE_ALARMS, at_most=True)}."


def _catch(chosen: list[Row], held: list[Row]) -> str:
    lines = []
    plain: list[Row] = []
    for kind, (_, strengths, told) in ALTERATIONS.items():
        cells: list[Any] = []
        for strength in range(len(strengths)):
            for half in (chosen, held):
                part = [row for row in half if row["kind"] == kind and row["strength"] == strength]
                cells.append(f"{100 * _share(part):.0f} %" if part else "-")
        last = [row for row in held if row["kind"] == kind and row["strength"] == len(strengths) - 1]
        plain += last
        fitting = sum(bool(set(reasons_of(scores(row))) & FITTING[kind]) for row in last)
        words = told if "{" not in told else ", ".join(told.format(strength) for strength in strengths)
        lines.append([f"{kind} ({words})", len(last), *cells, f"{fitting} of {len(last)}"])
    heads = [f"{name}, {half}" for name in ("weak", "middle", "plain") for half in ("chosen on", "held out")]
    told = table(["", "held out photographs", *heads, "for a fitting reason"], lines)
    share = 100 * _share(plain)
    return (
        f"{told}\n\nPlain ones, held out, all kinds together: {share:.1f} % of {len(plain)}; at least {CATCH} %: "
        f"{verdict(share, CATCH)}."
    )


FITTING: dict[str, set[str]] = {
    "one garment's colour": {"colour"},
    "colour of the whole": {"colour"},
    "logo erased": {"text", "detail"},
    "logo redrawn": {"text", "detail"},
    "one letter changed": {"text"},
    "button removed": {"detail"},
    "weave smoothed": {"detail"},
    "pattern scaled": {"detail"},
    "face replaced": {"face"},
    "eyes moved": {"face"},
    "halo around the subject": {"detail", "shape", "colour"},
    "cropped": {"shape"},
    "JPEG blocks": {"detail", "colour"},
    "sharpening halos": {"detail", "colour"},
    "waist slimmed": {"detail", "shape"},
}
"""The reasons that a person would expect, by kind."""


def _limits(chosen: list[Row], held: list[Row]) -> str:
    lines = []
    for name, (told, limit, more_is_worse) in LIMITS.items():
        cells = []
        for half in (chosen, held):
            values = [row[name] for row in half if row["kind"] not in ALTERATIONS]
            cells.append(f"{max(values) if more_is_worse else min(values):.2f}")
        lines.append([told, *cells, f"{limit:g}"])
    return table(["", "chosen on", "held out", "limit"], lines)


def _share(rows: Iterable[Row]) -> float:
    looked = [bool(reasons_of(scores(row))) for row in rows]
    return sum(looked) / len(looked) if looked else 0.0


def _looked(rows: list[Row]) -> str:
    return f"{100 * _share(rows):.1f} % of {len(rows)}"

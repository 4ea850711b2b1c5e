"""The check as others call it."""

from __future__ import annotations

from pathlib import Path

from upscaler.fidelity import heat_map as drawing
from upscaler.fidelity.measure import Cancel, measure
from upscaler.fidelity.verdict import Verdict, judge


def check(source: Path, result: Path, *, cancel: Cancel | None = None, heat_map: Path | None = None) -> Verdict:
    """Compare a result with its source, both picture files in any format that the desk reads.

    ``cancel`` is asked between the steps. ``heat_map``: a file to write the map to, a transparent PNG of at most
    `measure.MAX_AREA` pixels to be laid over either picture.

    Raises PublicError for a file that can't be read (codes as `intake.examine`; ``busy`` may pass), with code
    ``cancelled`` where ``cancel`` says so, EngineError where a network is missing, and OSError.
    """
    measured = measure(source, result, cancel=cancel)
    if heat_map is not None:
        drawing.overlay(measured).save(heat_map, "PNG")
    return judge(measured)

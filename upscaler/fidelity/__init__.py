"""Whether a result shows what its source shows: measured, judged, and drawn as a heat map. Knows no database."""

from upscaler.fidelity.check import check
from upscaler.fidelity.verdict import FAITHFUL, LOOK, REASONS, Region, Verdict

__all__ = ["FAITHFUL", "LOOK", "REASONS", "Region", "Verdict", "check"]

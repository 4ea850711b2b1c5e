"""Whose approval results have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from upscaler.models import ReviewDecision, Upscale

NONE = {"review": "none", "decided_by": "", "decided_at": None, "note": ""}


def of(upscales: Sequence[Upscale]) -> dict[int, dict[str, Any]]:
    """For each upscale, by its number, how its review stands, and who decided it last, when and with which note."""
    decisions: dict[int, ReviewDecision] = {}
    for decision in ReviewDecision.objects.filter(upscale__in=upscales).order_by("pk"):
        decisions[decision.upscale_id] = decision
    return {upscale.pk: _told(upscale, decisions.get(upscale.pk)) for upscale in upscales}


def _told(upscale: Upscale, decision: ReviewDecision | None) -> dict[str, Any]:
    told = {**NONE, "review": str(upscale.review)}
    # What was taken back decides nothing.
    if decision is None or told["review"] != decision.kind:
        return told
    return told | {"decided_by": decision.who, "decided_at": decision.created_at, "note": decision.note}

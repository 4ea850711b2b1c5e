"""One decision about many results: those that wait get it, and of the others is said why they did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from upscaler.errors import PublicError
from upscaler.models import Upscale
from upscaler.review import decisions

MOST = 500
"""Results that one click decides."""
Review = Upscale.Review


@dataclass
class Decided:
    """How many were decided; and of those that were not, why, in words for people, and how many."""

    done: int = 0
    left: Counter[str] = field(default_factory=Counter)


def waiting_among(upscales: Iterable[Upscale]) -> tuple[list[Upscale], Counter[str]]:
    """Those whose results wait, and of the others why they do not, in words for people."""
    waits, left = [], Counter[str]()
    for upscale in upscales:
        why = _why_not(upscale)
        if why:
            left[why] += 1
        else:
            waits.append(upscale)
    return waits, left


def decide(
    upscales: Iterable[Upscale],
    *,
    approve: bool,
    note: str = "",
    reason: str = "",
    user: Any,
    request: HttpRequest | None = None,
) -> Decided:
    """Approve or reject those that wait, each for itself: one that is refused holds up no other.

    ``note`` and ``reason`` go with each rejection, as in `decisions.decide`.
    """
    waits, left = waiting_among(upscales)
    decided = Decided(left=left)
    for upscale in waits:
        try:
            decisions.decide(upscale=upscale, approve=approve, note=note, reason=reason, user=user, request=request)
            decided.done += 1
        except PublicError as refusal:
            decided.left[refusal.message] += 1
    return decided


def _why_not(upscale: Upscale) -> str:
    if not upscale.gives_result:
        return upscale.why_closed or "There is no result to decide about."
    return {
        Review.PENDING: "",
        Review.NONE: "It does not wait for approval.",
        Review.APPROVED: "It is approved already.",
        Review.REJECTED: "It is rejected already. Its page can take that back.",
    }[Review(upscale.review)]

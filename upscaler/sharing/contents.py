"""What a share link shows. Its pictures have numbers of the link's own, so that no other id leaves the team.

The number of a batch's picture is its place among everything that was ordered in the batch, from 1 on: rows are never
removed and new tries come last, so a number never comes to mean another picture while somebody looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from upscaler.batches import pairs
from upscaler.models import ShareLink, Upscale
from upscaler.models.upscale_queries import UpscaleQuerySet

MAX_PLACE = 1_000_000
"""More than any batch has; a larger number is no place."""


@dataclass(frozen=True)
class Place:
    """One of the link's pictures among the others, in the page's order."""

    number: int
    previous: int | None
    next: int | None


def numbered(link: ShareLink, start: int, size: int) -> tuple[list[tuple[int, Upscale]], int]:
    """``size`` of the pictures from ``start`` on, with their numbers, what is doubted first; and how many there are."""
    found = _shown(link)
    rows = list(found[start : start + size])
    numbers = _numbers(link)
    return [(numbers[row.pk], row) for row in rows], found.count()


def find(link: ShareLink, number: int) -> Upscale | None:
    """The picture of this number; None where there is none, or none (any more) that may be seen."""
    if not 1 <= number <= MAX_PLACE:
        return None
    if link.batch is None:
        return _shown(link).first() if number == 1 else None
    pks = list(_ordered(link)[number - 1 : number])
    return _shown(link).filter(pk=pks[0]).first() if pks else None


def place(link: ShareLink, upscale: Upscale) -> Place:
    """Where a picture of the link's stands among the others."""
    numbers = _numbers(link)
    order = list(_shown(link).values_list("pk", flat=True))
    at = order.index(upscale.pk) if upscale.pk in order else 0
    return Place(
        number=numbers[upscale.pk],
        previous=numbers[order[at - 1]] if at > 0 else None,
        next=numbers[order[at + 1]] if at + 1 < len(order) else None,
    )


def _shown(link: ShareLink) -> UpscaleQuerySet:
    """What was deleted, withdrawn or put into the archive since is not among them."""
    if link.batch is not None:
        return pairs.pairs(link.batch).filter(archived_at__isnull=True).select_related("team")
    mine = Upscale.objects.with_result().filter(pk=link.upscale_id or 0, archived_at__isnull=True)
    return mine.select_related("source_result", "fidelity", "team").defer("fidelity__report")


def _numbers(link: ShareLink) -> dict[int, int]:
    """The number of each of the link's pictures, by its id: of as many as a batch may have."""
    pks = _ordered(link) if link.batch is not None else [link.upscale_id or 0]
    return {pk: number for number, pk in enumerate(pks, 1)}


def _ordered(link: ShareLink) -> Any:
    return Upscale.objects.filter(batch=link.batch_id).order_by("pk").values_list("pk", flat=True)

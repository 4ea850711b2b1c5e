"""The places that the check doubts: in words, and as two small pictures beside each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from upscaler.errors import PublicError
from upscaler.models import FidelityCheck, Upscale
from upscaler.storage import tile_crops, tiles
from upscaler.views import files, server_errors
from upscaler.views.access import TeamRequest, team_required

SIDES = ("before", "after")
MAX_PICTURED = 6
"""Places that are shown as pictures, the worst first; the others in words alone."""
LEAST_SIDE = 64
"""Pixels of the source around a place that is smaller."""
LONGEST = 480
WORDS = {
    "colour": "another colour, Delta E {value:.1f}",
    "detail": "other detail",
    "text": "print that reads differently",
    "face": "a face that looks different",
    "shape": "another outline",
}


@dataclass(frozen=True)
class Place:
    """A place to look at."""

    words: str
    pictures: tuple[str, ...]
    """Addresses of the part before and after; none where the words have to do."""


def places(check: FidelityCheck, upscale: Upscale, *, address: Callable[[int, str], str]) -> list[Place]:
    """The places that a check tells, the worst first. ``address`` of the picture of a place's number and side."""
    # What was turned has its places elsewhere.
    can_show = settings.TILE_CACHE_DIR is not None and upscale.can_compare and not check.report.get("turned")
    return [
        Place(
            _in_words(region, upscale),
            tuple(address(number, side) for side in SIDES) if can_show and number < MAX_PICTURED else (),
        )
        for number, region in enumerate(check.report.get("regions", []))
    ]


@require_safe
@team_required
def place(request: TeamRequest, pk: int, number: int, side: str) -> HttpResponse:
    """One side of one place as a small JPEG: the source pixel by pixel where it fits, the result the same part."""
    check = get_object_or_404(
        FidelityCheck.objects.select_related("upscale__source_result"),
        upscale__team__memberships__user=request.user,
        upscale=pk,
    )
    return place_answer(check, check.upscale, number, side)


def place_answer(check: FidelityCheck, upscale: Upscale, number: int, side: str) -> HttpResponse:
    """One side of one place, for whoever may see it. Raises Http404."""
    regions = check.report.get("regions", [])
    if side not in SIDES or number >= min(len(regions), MAX_PICTURED) or not upscale.can_compare:
        raise Http404("There is no such place to look at.")
    part = _part(regions[number]["box"], upscale)
    try:
        if side == "before":
            made = tiles.of_picture(upscale.source_file.name or "", upscale.source_size or (1, 1))
        else:
            part = _in_result(part, check.report.get("lost") or (0, 0, 0, 0))
            size = upscale.result_width or 1, upscale.result_height or 1
            made = tiles.of_picture(upscale.result_file.name or "", size)
        content = tile_crops.crop(made, part, longest=LONGEST)
    except FileNotFoundError:
        raise Http404("This picture is not there (any more).") from None
    except (PublicError, OSError) as error:
        return server_errors.no_picture(error)
    headers = {"Cache-Control": f"private, max-age={files.A_WEEK}"}
    return HttpResponse(content, content_type="image/jpeg", headers=headers)


def _part(box: list[int], upscale: Upscale) -> tuple[float, float, float, float]:
    """The box with something around it, as shares of the source."""
    width, height = upscale.source_size or (1, 1)
    shares = []
    for at, length, whole in ((box[0], box[2], width), (box[1], box[3], height)):
        wanted = min(whole, max(LEAST_SIDE, length * 1.5))
        start = min(max(0.0, at + length / 2 - wanted / 2), whole - wanted)
        shares.append((start / whole, (start + wanted) / whole))
    (left, right), (top, bottom) = shares
    return left, top, right, bottom


def _in_result(part: tuple[float, float, float, float], lost: Any) -> tuple[float, float, float, float]:
    """The same part of a result that lacks some of the source at its left, top, right and bottom."""
    width, height = max(0.01, 1 - lost[0] - lost[2]), max(0.01, 1 - lost[1] - lost[3])
    moved = (
        (part[0] - lost[0]) / width,
        (part[1] - lost[1]) / height,
        (part[2] - lost[0]) / width,
        (part[3] - lost[1]) / height,
    )
    left, top, right, bottom = (min(1.0, max(0.0, at)) for at in moved)
    return left, top, right, bottom


def _in_words(region: dict[str, Any], upscale: Upscale) -> str:
    what = WORDS[region["reason"]].format(value=region["value"])
    left, top, width, height = region["box"]
    across = (left + width / 2) / max(upscale.source_width or 1, 1)
    down = (top + height / 2) / max(upscale.source_height or 1, 1)
    row = "top" if down < 1 / 3 else "bottom" if down > 2 / 3 else ""
    column = "left" if across < 1 / 3 else "right" if across > 2 / 3 else ""
    where = " ".join(part for part in (row, column) if part) or "middle"
    return f"{where.capitalize()}: {what}, {width:,} × {height:,} pixels of the original"

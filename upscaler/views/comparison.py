"""Before and after on a page of their own, and the tiles in which large pictures are looked at."""

from __future__ import annotations

import logging
import mimetypes
import shutil
import tempfile
from pathlib import PurePath
from typing import IO, Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from upscaler import file_names, no_room
from upscaler.batches import pairs
from upscaler.errors import PublicError
from upscaler.imaging import decoding, intake, previews, pyramid
from upscaler.models import Batch, Upscale, media_storage
from upscaler.storage import tiles as stored_tiles
from upscaler.views import fidelity, history_filters, server_errors
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.files import A_WEEK, closed, is_open
from upscaler.views.history import PAGE_SIZE, mine
from upscaler.views.query import number
from upscaler.views.trail import trail

logger = logging.getLogger(__name__)

KINDS = {"before": "source_file", "after": "result_file"}
"""The field of the file that is seen on each side."""
PASSING = (decoding.BUSY,)
PAIRS_SIZE = 60
NO_TILES = "The picture could not be read just now. The download has every pixel; try again in a minute."


@require_safe
@team_required
def compare(request: TeamRequest, pk: int) -> HttpResponse:
    """Before and after in the whole window."""
    row = get_object_or_404(mine(request).defer(None), pk=pk)
    if row.deleted_at is not None or row.withdrawn_at is not None:
        return render(request, "410.html", {"message": row.why_closed}, status=410)
    if not row.can_compare:
        return redirect(row)
    filters = history_filters.read(request.GET)
    rows = history_filters.apply(mine(request), filters, request.team).filter(status=Upscale.Status.DONE)
    way = trail(rows, pk, request.GET, filters, PAGE_SIZE, page="compare")
    query = request.META["QUERY_STRING"]
    one_url = row.get_absolute_url() + (f"?{query}" if query else "")
    if way["back_to"] != "batch":
        way["back_url"] = one_url
    return render(request, "history/compare.html", {"u": row, **way, "one_url": one_url, **fidelity.context_of(row)})


@require_safe
@team_required
def batch(request: TeamRequest, pk: int) -> HttpResponse:
    """All results of a batch beside their sources."""
    found = get_object_or_404(Batch, team=request.team, pk=pk, ordered_at__isnull=False)
    rows = pairs.pairs(found)
    total = rows.count()
    last_page = max(1, -(-total // PAIRS_SIZE))
    page = min(max(number(request.GET, "page") or 1, 1), last_page)
    return render(
        request,
        "batches/compare.html",
        {
            "batch": found,
            "rows": rows[(page - 1) * PAIRS_SIZE : page * PAIRS_SIZE],
            "total": total,
            "page_number": page,
            "newer_url": f"?page={page - 1}" if page > 1 else None,
            "older_url": f"?page={page + 1}" if page < last_page else None,
        },
    )


@require_safe
@team_required
def picture(request: TeamRequest, pk: int) -> HttpResponseBase:
    """Before, after and their difference as one PNG, to be sent to somebody."""
    upscale = get_object_or_404(
        Upscale.objects.select_related("team", "source_result"), team=request.team, pk=pk, status=Upscale.Status.DONE
    )
    if upscale.why_closed:
        return closed(request, upscale)
    if not upscale.can_compare:
        raise Http404("There are not two pictures to compare.")
    try:
        return picture_answer(upscale, upscale.result_name)
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect(upscale)


def picture_answer(upscale: Upscale, name: str) -> HttpResponseBase:
    """Before, after and difference as one PNG called after ``name``, for whoever may see them.

    Raises PublicError and Http404.
    """
    made = _panels(upscale)
    name = f"{PurePath(name).stem} before and after.png"
    response = FileResponse(made, content_type="image/png")
    response.headers["Content-Disposition"] = file_names.content_disposition(name, as_attachment=True)
    return response


@require_safe
@team_required
def tiles(request: TeamRequest, pk: int, side: str) -> HttpResponseBase:
    """In which tiles the picture of one side is to be had, as JSON; the first who asks waits until they are cut."""
    upscale = _mine_of_any_team(request, pk, side)
    if not is_open(upscale, KINDS[side]):
        return JsonResponse({"detail": upscale.why_closed}, status=410)
    # Of a made-up tile, whose numbers the page replaces.
    return tiles_answer(upscale, side, url=reverse("tile", args=[upscale.pk, side, stored_tiles.VERSION, 0, 0, 0]))


def tiles_answer(upscale: Upscale, side: str, *, url: str) -> HttpResponseBase:
    """In which tiles one side is to be had, for whoever may see it. ``url``: the address of any tile, at 0/0/0/."""
    try:
        made = _pyramid(upscale, side)
    except PublicError as refusal:
        return JsonResponse({"detail": refusal.message}, status=503 if refusal.code in PASSING else 422)
    except OSError as error:
        doing = f"upscale {upscale.pk}: its tiles could not be cut"
        detail = no_room.sentence(error, NO_TILES, logger=logger, doing=doing)
        return JsonResponse({"detail": detail}, status=503)
    return JsonResponse(
        {
            "width": made.width,
            "height": made.height,
            "levels": made.levels,
            "side": pyramid.TILE_SIDE,
            "transparent": made.extension != ".jpg",
            "url": url.removesuffix("0/0/0/"),
        }
    )


@require_safe
@team_required
def tile(request: TeamRequest, pk: int, side: str, version: int, level: int, column: int, row: int) -> HttpResponseBase:
    """One tile. ``version`` only keeps a browser from showing those of an earlier layout."""
    upscale = _mine_of_any_team(request, pk, side)
    if not is_open(upscale, KINDS[side]):
        return closed(request, upscale)
    return tile_answer(upscale, side, level, column, row)


def tile_answer(upscale: Upscale, side: str, level: int, column: int, row: int) -> HttpResponse:
    """One tile, for whoever may see it. Raises Http404."""
    try:
        made = _pyramid(upscale, side)
        content = made.tile(level, column, row)
    except (PublicError, OSError) as error:
        return server_errors.no_picture(error)
    if content is None:
        raise Http404("There is no such tile.")
    return HttpResponse(
        content,
        content_type=mimetypes.types_map[made.extension],
        headers={"Cache-Control": f"private, max-age={A_WEEK}"},
    )


def _panels(upscale: Upscale) -> IO[bytes]:
    """An open file, at its start. Raises PublicError and Http404."""
    target: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    with tempfile.TemporaryFile() as both:
        try:
            for preview in (upscale.before_preview, upscale.after_preview):
                split = both.tell()
                with media_storage().open(preview.name or "") as file:
                    shutil.copyfileobj(file, both)
        except FileNotFoundError:
            raise Http404("A picture of these is not there (any more).") from None
        both.seek(0)
        size = 2 * previews.PREVIEW_SIDE, previews.PREVIEW_SIDE
        patience = decoding.Patience()
        named = "The comparison"
        intake.convert("imaging.panels", both, target, {"split": split}, named=named, size=size, patience=patience)
    target.seek(0)
    return target


def _mine_of_any_team(request: HttpRequest, pk: int, side: str) -> Upscale:
    if side not in KINDS:
        raise Http404("A comparison has the sides before and after.")
    rows = Upscale.objects.select_related("source_result")
    return get_object_or_404(rows, team__memberships__user=request.user, pk=pk)


def _pyramid(upscale: Upscale, side: str) -> Any:
    gone = Http404("This picture is not there (any more).")
    file = getattr(upscale, KINDS[side])
    width, height = (
        (upscale.source_width, upscale.source_height)
        if side == "before"
        else (upscale.result_width, upscale.result_height)
    )
    if not file.name:
        raise gone
    try:
        return stored_tiles.of_picture(file.name, (width or 1, height or 1))
    except FileNotFoundError:
        raise gone from None

"""Results as one ZIP: of a batch, or of what somebody has selected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from upscaler import file_names
from upscaler.accounts import audit_log
from upscaler.batches import results_zip
from upscaler.models import ApiToken, AuditEvent, Batch, Team, Upscale, batch_queries
from upscaler.views.access import TeamRequest, team_required

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


@require_safe
@team_required
def of_batch(request: TeamRequest, pk: int) -> HttpResponseBase:
    """All results of a batch with the manifest."""
    batch = get_object_or_404(Batch, team=request.team, pk=pk, ordered_at__isnull=False)
    return zip_of_batch(request, batch, user=request.user)


def zip_of_upscales(request: TeamRequest, numbers: Sequence[int]) -> HttpResponseBase:
    """The answer with the ZIP of the team's upscales of these numbers. Raises Http404 where there is none of them."""
    mine = Upscale.objects.present().filter(team=request.team, pk__in=numbers)
    rows = list(mine.select_related("team", "created_by", "fidelity").defer("fidelity__report").order_by("pk"))
    about = f"{len(rows):,} selected pictures"
    return _answer(request, rows, name=f"{request.team.name} {len(rows)} pictures", about=about, user=request.user)


def zip_of_batch(request: HttpRequest, batch: Batch, *, user: Any, token: ApiToken | None = None) -> HttpResponseBase:
    """The answer with a batch's ZIP, for its page and for the API. Raises Http404 where all of it was deleted."""
    found = batch_queries.pictures(batch).present().select_related("team", "created_by", "fidelity")
    rows = list(found.defer("fidelity__report"))
    if not rows:
        raise Http404("The files of this batch were deleted.")
    places = batch_queries.places(batch)
    rows.sort(key=lambda upscale: places[upscale.pk])
    about = f"the batch “{batch}”"
    return _answer(request, rows, name=str(batch), about=about, user=user, token=token, places=places)


def _answer(
    request: HttpRequest,
    rows: list[Upscale],
    *,
    name: str,
    about: str,
    user: Any,
    token: ApiToken | None = None,
    places: Mapping[int, int] | None = None,
) -> HttpResponseBase:
    if not rows:
        raise Http404("None of these pictures is there (any more).")
    team: Team = rows[0].team
    made = results_zip.build(rows, name=name, template=team.result_template, places=places)
    start, stop = _range(request, made)
    if start >= made.length:
        made.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{made.length}"})
    response = StreamingHttpResponse(made.read(start, stop), content_type="application/zip")
    if request.method == "HEAD":
        made.close()
        response.streaming_content = []
    elif not start:
        sentence = f"{made.results:,} results of {about}, as a ZIP"[:500]
        action = AuditEvent.Action.DOWNLOADED
        audit_log.record(action, team=team, user=user, about=sentence, token=token, request=request)
    response.headers["Content-Length"] = str(stop - start)
    response.headers["Content-Disposition"] = file_names.content_disposition(made.name, as_attachment=True)
    response.headers["Cache-Control"] = "private, no-store"
    if made.etag:
        response.headers["ETag"], response.headers["Accept-Ranges"] = made.etag, "bytes"
    if (start, stop) != (0, made.length):
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{made.length}"
    return response


def _range(request: HttpRequest, made: results_zip.ResultsZip) -> tuple[int, int]:
    """The part that is asked for: where it begins, and where what follows it does. All of it where the ZIP is another
    one by now, or can't be made again alike."""
    asked = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if asked is None or not made.etag or request.headers.get("If-Range", made.etag) != made.etag:
        return 0, made.length
    start, last = int(asked[1]), int(asked[2]) if asked[2] else made.length - 1
    return (start, min(last, made.length - 1) + 1) if start <= last or not asked[2] else (0, made.length)

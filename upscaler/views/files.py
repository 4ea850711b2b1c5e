"""Serving pictures: to their own team by session or token, or to anyone who holds a signed link."""

from __future__ import annotations

import mimetypes
from pathlib import PurePath
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from upscaler import file_names
from upscaler.accounts import download_log, tokens
from upscaler.errors import PublicError
from upscaler.models import WITHDRAWN, ApiToken, Upscale, media_storage
from upscaler.review.files import why_withheld, withheld_with
from upscaler.storage import signed_links
from upscaler.views.access import TeamRequest, team_required

A_WEEK = 7 * 24 * 60 * 60
WHOLE = ("result_file", "source_file")
"""Pictures that are files to take away. The others are for looking, which reviewers must."""


@require_safe
@team_required
def picture(request: TeamRequest, pk: int, kind: str) -> HttpResponseBase:
    """One of an upscale's pictures, for the pages."""
    # Of any team of the person's: a page that is still loading keeps its pictures when they switch to another one.
    upscale = get_object_or_404(Upscale, team__memberships__user=request.user, pk=pk)
    if not is_open(upscale, kind):
        return closed(request, upscale)
    path = getattr(upscale, kind).name
    if kind in WHOLE and (held := withheld_with(path)) is not None:
        return withheld(request, held, is_source=kind == "source_file")
    # A thumbnail changes once, from the source's to the result's. The other pictures never do.
    settled = upscale.is_final or kind != "thumbnail"
    name = upscale.result_name if kind == "result_file" else ""
    # A decision may be taken back, so a browser asks each time for what it closes.
    return serve(path, name=name, max_age=A_WEEK if settled and kind not in WHOLE else 0)


@require_safe
@team_required
def download(request: TeamRequest, pk: int) -> HttpResponseBase:
    """The result as a file under the source's own name."""
    upscale = get_object_or_404(Upscale, team=request.team, pk=pk, status=Upscale.Status.DONE)
    if not upscale.gives_result:
        return closed(request, upscale)
    if upscale.why_withheld:
        return withheld(request, upscale)
    response = serve(upscale.result_file.name, name=upscale.result_name, as_attachment=True)
    download_log.note(upscale, user=request.user, request=request)
    return response


@login_not_required
@require_safe
def signed(request: HttpRequest, signed: str, name: str) -> HttpResponseBase:
    """A picture by its signed link. Once the link has run out, the team's own people and tokens still get it."""
    link = signed_links.read(signed)
    if link is None:
        raise Http404
    user, token = _holder(request, link.team_id)
    if not link.is_alive and user is None:
        detail = (
            f"This link ran out at {link.expires_at.isoformat()}. The desk keeps the picture: "
            "sign in and open it in the history, or send your API token with this request."
        )
        return JsonResponse({"detail": detail}, status=410)
    if why := signed_links.why_closed(link):
        return JsonResponse({"detail": why}, status=410)
    # Asked at each request: the link may be older than the decision. An engine needs it as the source of an order.
    if not link.for_engine and (why := why_withheld(link.picture.path)):
        return JsonResponse({"detail": why}, status=403)
    response = serve(link.picture.path, name=link.name)
    if user is not None and link.upscale_id is not None:
        upscale = Upscale.objects.filter(pk=link.upscale_id, team_id=link.team_id).first()
        if upscale is not None:
            download_log.note(upscale, user=user, token=token, request=request)
    return response


def is_open(upscale: Upscale, kind: str) -> bool:
    """Whether the team may see this one of its pictures. `Upscale.thumbnail` sees to itself."""
    if upscale.deleted_at is not None:
        return False
    if kind in ("result_file", "after_preview"):
        return upscale.withdrawn_at is None
    return kind == "thumbnail" or upscale.gives_source


def closed(request: HttpRequest, upscale: Upscale) -> HttpResponseBase:
    """The answer in place of a picture that was deleted or withdrawn."""
    return render(request, "410.html", {"message": upscale.why_closed or WITHDRAWN}, status=410)


def withheld(request: HttpRequest, held: Upscale, *, is_source: bool = False) -> HttpResponseBase:
    """The answer in place of a file that is the result of ``held``, which waits for approval or was rejected.

    ``is_source``: asked for as the source of another order.
    """
    context = {"message": held.why_withheld, "held": held, "is_source": is_source}
    return render(request, "withheld.html", context, status=403)


def _holder(request: HttpRequest, team_id: int) -> tuple[Any, ApiToken | None]:
    """Who of the team asks, and with which token; (None, None) for anybody else who holds the link."""
    scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        try:
            token = tokens.find_token(clear.strip())
        except PublicError:
            return None, None
        return (token.user, token) if token.team_id == team_id else (None, None)
    memberships = request.memberships  # type: ignore[attr-defined]
    return (request.user if any(m.team_id == team_id for m in memberships) else None), None


def serve(path: str | None, *, name: str = "", as_attachment: bool = False, max_age: int = 0) -> HttpResponseBase:
    """A stored picture. Whoever calls has seen to it that the person may have it. Raises Http404 where it is gone."""
    gone = Http404("This picture is not there (any more).")
    if not path:
        raise gone
    try:
        file = media_storage().open(path)
    except FileNotFoundError:
        raise gone from None
    response = FileResponse(file, content_type=mimetypes.guess_type(path)[0] or "application/octet-stream")
    response.headers["Content-Disposition"] = file_names.content_disposition(
        name or PurePath(path).name, as_attachment=as_attachment
    )
    # Private, because it belongs to one team.
    response.headers["Cache-Control"] = f"private, max-age={max_age}"
    return response

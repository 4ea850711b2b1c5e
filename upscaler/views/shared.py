"""What whoever holds a share link sees, without an account and without a cookie."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, wraps
from pathlib import PurePath
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from upscaler.accounts import guesses
from upscaler.errors import PublicError
from upscaler.models import FidelityCheck, ShareLink, Upscale
from upscaler.sharing import contents, guests, links
from upscaler.storage import tiles as stored_tiles
from upscaler.views import comparison as compared
from upscaler.views import fidelity_places, files
from upscaler.views.query import number

PAGE_SIZE = 60
KINDS = {
    "before": "before_preview",
    "after": "after_preview",
    "before-thumbnail": "source_thumbnail",
    "after-thumbnail": "result_thumbnail",
}
"""Pictures for the pages, and the field that each is in."""
UNKNOWN = "This link opens nothing here. It may be mistyped or cut off: ask who sent it for the whole link."
ENDED = "This link has ended. Ask who sent it for a new one."
GONE = "This picture is not there (any more). Ask who sent the link."
NO_DECISION = "This link shows pictures, and nobody approves or rejects by it. Ask who sent it."
WITHHELD = "This result is not given out now, because it waits for approval or was rejected. Ask who sent the link."
NO_DOWNLOAD = "This link shows pictures and gives no files. Ask who sent it."

View = Callable[..., HttpResponseBase]


def opened_by_link(view: View) -> View:
    """Give the view the link in place of the secret; else say that it opens nothing, or has ended."""

    @wraps(view)
    def guarded(request: HttpRequest, secret: str, **kwargs: Any) -> HttpResponseBase:
        link = links.find(secret)
        if link is None:
            # After the look: an office is one address, and its right links must go on working.
            seconds = guesses.note(request, guesses.SHARE_LINK)
            return _slowed(request, seconds) if seconds else refused(request, UNKNOWN, status=404)
        if links.state_of(link, timezone.now()) != links.State.LIVE:
            return refused(request, ENDED, status=410)
        try:
            return view(request, link, Addresses(secret), **kwargs)
        except Http404:
            return refused(request, GONE, status=404)

    return login_not_required(guarded)


class Addresses:
    """The addresses under one link."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    @property
    def page(self) -> str:
        """Of the link itself."""
        return self.of("shared")

    def of(self, name: str, *arguments: Any) -> str:
        """Of the view called ``name``."""
        return reverse(name, args=[self.secret, *arguments])

    def pictures(self, index: int, link: ShareLink) -> dict[str, str]:
        """Of all that the comparison of one picture asks for; templates have it as ``shared_urls``."""
        return {
            "before": self.of("shared-picture", index, "before"),
            "after": self.of("shared-picture", index, "after"),
            "before_thumbnail": self.of("shared-picture", index, "before-thumbnail"),
            "after_thumbnail": self.of("shared-picture", index, "after-thumbnail"),
            "before_tiles": self.of("shared-tiles", index, "before"),
            "after_tiles": self.of("shared-tiles", index, "after"),
            "heat_map": self.of("shared-heat-map", index),
            "one_picture": self.of("shared-comparison-picture", index) if link.may_download else "",
        }


@require_safe
@opened_by_link
def page(request: HttpRequest, link: ShareLink, addresses: Addresses) -> HttpResponseBase:
    """All pictures of a batch's link, or the comparison of one."""
    if request.method == "GET":
        links.note_opened(link)
    if link.batch is None:
        return _comparison(request, link, addresses, _picture(link, 1))
    wanted = max(number(request.GET, "page") or 1, 1)
    rows, total = contents.numbered(link, (wanted - 1) * PAGE_SIZE, PAGE_SIZE)
    last = max(1, math.ceil(total / PAGE_SIZE))
    if wanted > last:
        wanted = last
        rows, total = contents.numbered(link, (wanted - 1) * PAGE_SIZE, PAGE_SIZE)
    context = {
        "link": link,
        "rows": [
            {"u": row, "url": addresses.of("shared-comparison", index), "urls": addresses.pictures(index, link)}
            for index, row in rows
        ],
        "total": total,
        "may_decide": guests.may_decide(link),
        "newer_url": f"?page={wanted - 1}" if wanted > 1 else None,
        "older_url": f"?page={wanted + 1}" if wanted < last else None,
    }
    return render(request, "sharing/batch.html", context)


@require_safe
@opened_by_link
def comparison(request: HttpRequest, link: ShareLink, addresses: Addresses, index: int) -> HttpResponseBase:
    """Before and after of one picture of the link."""
    return _comparison(request, link, addresses, _picture(link, index))


@require_safe
@opened_by_link
def picture(request: HttpRequest, link: ShareLink, addresses: Addresses, index: int, kind: str) -> HttpResponseBase:
    """A picture for the pages, at most as large as a screen."""
    if kind not in KINDS:
        raise Http404
    upscale = _seen(link, index, kind)
    path = getattr(upscale, KINDS[kind]).name
    return files.serve(path, name=f"{kind}{PurePath(path or '').suffix}")


@require_safe
@opened_by_link
def tiles(request: HttpRequest, link: ShareLink, addresses: Addresses, index: int, side: str) -> HttpResponseBase:
    """In which tiles one side of a picture is to be had."""
    if side not in compared.KINDS:
        raise Http404
    url = addresses.of("shared-tile", index, side, stored_tiles.VERSION, 0, 0, 0)
    return compared.tiles_answer(_seen(link, index, side), side, url=url)


@require_safe
@opened_by_link
def tile(
    request: HttpRequest,
    link: ShareLink,
    addresses: Addresses,
    index: int,
    side: str,
    version: int,
    level: int,
    column: int,
    row: int,
) -> HttpResponseBase:
    """One tile of a picture."""
    if side not in compared.KINDS:
        raise Http404
    return compared.tile_answer(_seen(link, index, side), side, level, column, row)


@require_safe
@opened_by_link
def heat_map(request: HttpRequest, link: ShareLink, addresses: Addresses, index: int) -> HttpResponseBase:
    """Where a result differs from its original: a transparent PNG of the original's proportions."""
    check = _check(_seen(link, index, "before"))
    if not check.heat_map:
        raise Http404
    return files.serve(check.heat_map, name="what changed.png")


@require_safe
@opened_by_link
def doubted_place(
    request: HttpRequest, link: ShareLink, addresses: Addresses, index: int, at: int, side: str
) -> HttpResponseBase:
    """One side of a place that the check doubts, as a small JPEG."""
    upscale = _seen(link, index, "before")
    return fidelity_places.place_answer(_check(upscale), upscale, at, side)


@require_safe
@opened_by_link
def comparison_picture(request: HttpRequest, link: ShareLink, addresses: Addresses, index: int) -> HttpResponseBase:
    """Before, after and difference as one PNG, where the link gives files."""
    if not link.may_download:
        return refused(request, NO_DOWNLOAD, status=403)
    upscale = _picture(link, index)
    if not upscale.can_compare:
        raise Http404
    try:
        return compared.picture_answer(upscale, upscale.source_name or "picture")
    except PublicError as refusal:
        return refused(request, refusal.message, status=503)


@require_safe
@opened_by_link
def file(request: HttpRequest, link: ShareLink, addresses: Addresses, index: int) -> HttpResponseBase:
    """The result itself, where the link gives files."""
    if not link.may_download:
        return refused(request, NO_DOWNLOAD, status=403)
    upscale = _picture(link, index)
    if not upscale.gives_file:
        return refused(request, WITHHELD, status=409)
    path = upscale.result_file.name or ""
    # Not the team's own name of it, which may hold what is the team's alone.
    name = PurePath(upscale.source_name or "picture").stem + PurePath(path).suffix
    return files.serve(path, name=name, as_attachment=True)


@csrf_exempt
@require_POST
@opened_by_link
def decide(request: HttpRequest, link: ShareLink, addresses: Addresses, index: int) -> HttpResponseBase:
    """Approve or reject a picture, where the link lets its holder.

    Its address is the secret, so nobody can have a browser send this who has not got the link; and the browser names
    no origin (`no-referrer`), which the usual check would ask for.
    """
    if not guests.may_decide(link):
        return refused(request, NO_DECISION, status=403)
    upscale = _picture(link, index)
    form = guests.DecisionForm(request.POST)
    if form.is_valid():
        try:
            guests.decide(link, upscale, form, request=request)
        except PublicError as refusal:
            upscale.refresh_from_db(fields=["review"])
            form.add_error(None, refusal.message)
        else:
            return redirect(addresses.page if link.batch is None else addresses.of("shared-comparison", index))
    return _comparison(request, link, addresses, upscale, form=form)


def refused(request: HttpRequest, message: str, *, status: int) -> HttpResponse:
    """The plain page in place of what is not shown; JSON for the scripts that ask for tiles."""
    if request.headers.get("Accept", "").startswith("application/json"):
        return JsonResponse({"detail": message}, status=status)
    return render(request, "sharing/closed.html", {"message": message}, status=status)


def _picture(link: ShareLink, index: int) -> Upscale:
    found = contents.find(link, index)
    if found is None:
        raise Http404
    return found


def _seen(link: ShareLink, index: int, kind: str) -> Upscale:
    """The picture, where this side of it may be seen: its source may have been withdrawn since."""
    found = _picture(link, index)
    if kind.startswith("before") and not found.gives_source:
        raise Http404
    return found


def _check(upscale: Upscale) -> FidelityCheck:
    check = FidelityCheck.of(upscale)
    if check is None:
        raise Http404
    return check


def _verdict(upscale: Upscale, number: int, addresses: Addresses) -> dict[str, Any]:
    """What the check says, as on the desk; nothing of why one could not be made, which is the desk's own matter."""
    check = FidelityCheck.of(upscale)
    if check is None or not upscale.can_compare:
        return {"check": check}
    return {
        "check": check,
        "places": fidelity_places.places(check, upscale, address=partial(addresses.of, "shared-place", number)),
        "heat_map_url": addresses.of("shared-heat-map", number) if check.heat_map else "",
    }


def _comparison(
    request: HttpRequest, link: ShareLink, addresses: Addresses, upscale: Upscale, form: Any = None
) -> HttpResponse:
    place = contents.place(link, upscale)
    steps = {"previous": place.previous, "next": place.next}
    context = {
        "link": link,
        "u": upscale,
        "shared_urls": addresses.pictures(place.number, link),
        "back_url": addresses.page if link.batch is not None else "",
        "file_url": addresses.of("shared-file", place.number) if link.may_download and upscale.gives_file else "",
        "decide_url": addresses.of("shared-decide", place.number) if guests.may_decide(link) else "",
        "is_open": upscale.review in (Upscale.Review.NONE, Upscale.Review.PENDING),
        "form": form or guests.DecisionForm(),
        **_verdict(upscale, place.number, addresses),
        **{f"{way}_url": addresses.of("shared-comparison", index) if index else "" for way, index in steps.items()},
    }
    return render(request, "sharing/comparison.html", context, status=422 if form else 200)


def _slowed(request: HttpRequest, seconds: int) -> HttpResponse:
    minutes = math.ceil(seconds / 60)
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    response = refused(
        request, f"Too many wrong links came from your address. Wait {wait}, then try again.", status=429
    )
    response.headers["Retry-After"] = str(seconds)
    return response

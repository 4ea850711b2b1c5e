"""The team's share links: make one for a comparison or a batch, see them, revoke one."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from upscaler.batches import pairs
from upscaler.errors import PublicError
from upscaler.models import Batch, ShareLink, Upscale
from upscaler.sharing import links
from upscaler.sharing.forms import NOT_COMPARABLE, ShareForm
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.query import number

PAGE_SIZE = 50
MADE_ALREADY = (
    "This form has made its link already, and a link is shown only once. If you did not copy it, revoke it and make "
    "another."
)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@team_required
def share_upscale(request: TeamRequest, pk: int) -> HttpResponse:
    """Make a link to the comparison of one result."""
    rows = Upscale.objects.with_result().select_related("source_result", "team")
    found = get_object_or_404(rows, team=request.team, pk=pk)
    if request.method != "POST" and not ShareForm.can_share(found):
        messages.error(request, NOT_COMPARABLE)
        return redirect(found)
    return _share(request, found, name=found.source_name, back_url=found.get_absolute_url())


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@team_required
def share_batch(request: TeamRequest, pk: int) -> HttpResponse:
    """Make a link to all results of a batch."""
    found = get_object_or_404(Batch, team=request.team, pk=pk, ordered_at__isnull=False)
    return _share(request, found, name=str(found), back_url=found.get_absolute_url(), count=pairs.pairs(found).count())


@require_safe
@team_required
def listing(request: TeamRequest) -> HttpResponse:
    """The links that the person may see, the newest first."""
    now = timezone.now()
    found = links.visible_to(request.membership)
    shown = Paginator(found, PAGE_SIZE).get_page(number(request.GET, "page"))
    context = {
        "page": shown,
        "rows": [_row(link, now) for link in shown],
        "live": found.filter(links.are_live(now)).count(),
        "most": settings.SHARE_LINKS_PER_TEAM,
    }
    return render(request, "sharing/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def revoke(request: TeamRequest, pk: int) -> HttpResponse:
    """Ask whether the link shall be revoked, or revoke it."""
    link = get_object_or_404(links.visible_to(request.membership), pk=pk)
    if request.method != "POST":
        return render(request, "sharing/revoke.html", _row(link, timezone.now()))
    if links.revoke(link, by=request.user, request=request):
        messages.success(request, f"“{link.label}” is revoked. Whoever opens it reads that it has ended.")
    else:
        messages.warning(request, f"“{link.label}” was revoked before.")
    return redirect("share-links")


def _share(request: TeamRequest, shows: Upscale | Batch, *, name: str, **about: Any) -> HttpResponse:
    context = {"name": name or "Picture from the web", "form_key": uuid.uuid4(), **about}
    if request.method != "POST":
        form = ShareForm(shows=shows, initial={"label": name[: links.MAX_LABEL_LENGTH]})
        return render(request, "sharing/make.html", {**context, "form": form})
    form = ShareForm(request.POST, shows=shows)
    if not form.is_valid():
        return render(request, "sharing/make.html", {**context, "form": form}, status=422)
    try:
        link, address = links.make(
            team=request.team,
            user=request.user,
            shows=shows,
            form_key=_form_key(request),
            request=request,
            **form.options,
        )
    except PublicError as refusal:
        form.add_error(None, refusal.message)
        return render(request, "sharing/make.html", {**context, "form": form}, status=422)
    except IntegrityError:
        # The page was reloaded, or the button pressed twice.
        messages.warning(request, MADE_ALREADY)
        return redirect("share-links")
    # In this very answer and nowhere else: a redirect would have to keep the address somewhere in between.
    return render(request, "sharing/made.html", {**context, "link": link, "address": address, "may": links.may(link)})


def _form_key(request: TeamRequest) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.POST.get("form_key", ""))
    except ValueError:
        return None


def _row(link: ShareLink, now: Any) -> dict[str, Any]:
    return {"link": link, "state": links.state_of(link, now), "shows": links.shown_by(link), "may": links.may(link)}

"""The verdict on a result: as a part of its page, and its heat map."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from upscaler.models import FidelityCheck, Upscale
from upscaler.processing import fidelity_checks
from upscaler.queue import dispatch
from upscaler.views import fidelity_places, files
from upscaler.views.access import TeamRequest, team_required


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def fidelity(request: TeamRequest, pk: int) -> HttpResponse:
    """What the check says of a result, for its page; or have a result checked that never was."""
    upscale = get_object_or_404(Upscale.objects.filter(team=request.team, status=Upscale.Status.DONE), pk=pk)
    if not upscale.gives_result:
        raise Http404
    if request.method == "POST":
        fidelity_checks.request(upscale)
        dispatch.fidelity_checks()
        return redirect("upscale", pk)
    return render(request, "history/_fidelity.html", {"u": upscale, **context_of(upscale)})


@require_safe
@team_required
def heat_map(request: TeamRequest, pk: int) -> HttpResponseBase:
    """Where a result differs from its source: a transparent PNG of the source's proportions."""
    check = get_object_or_404(
        FidelityCheck.objects.exclude(heat_map="").select_related("upscale"),
        upscale__team__memberships__user=request.user,
        upscale=pk,
    )
    if not check.upscale.gives_result:
        raise Http404
    return files.serve(check.heat_map, max_age=files.A_WEEK)


def context_of(upscale: Upscale) -> dict[str, Any]:
    """What the template of the verdict shows. It needs no query where ``fidelity`` was selected along."""
    check: FidelityCheck | None = getattr(upscale, "fidelity", None)
    places = fidelity_places.places(check, upscale, address=partial(_place_url, upscale)) if check is not None else []
    has_map = check is not None and check.heat_map
    return {"check": check, "places": places, "heat_map_url": reverse("heat-map", args=[upscale.pk]) if has_map else ""}


def _place_url(upscale: Upscale, number: int, side: str) -> str:
    return reverse("fidelity-place", args=[upscale.pk, number, side])

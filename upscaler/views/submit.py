"""The submit page and "try again"."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from upscaler import catalog, credits, images, links
from upscaler.engines import get_engine
from upscaler.forms import UpscaleForm
from upscaler.models import Upscale, result_hours
from upscaler.services import remote, submission
from upscaler.services.submission import NewUpscale
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.query import number

logger = logging.getLogger(__name__)

RECENT_RESULTS = 12
STORAGE_TROUBLE = (
    "The desk could not store the pictures just now. Nothing was charged. Try again in a while; "
    "if it stays so, tell an admin."
)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def submit(request: TeamRequest) -> HttpResponse:
    """Show the page, or take the order of one or several pictures."""
    if request.method != "POST":
        return render(request, "submit/page.html", _context(request, **_prefilled(request)))

    orders, problems = _orders(request)
    sent: list[Upscale] = []
    if orders:
        try:
            sent = submission.submit(orders, team=request.team, user=request.user)
        except credits.CreditsRefused as error:
            problems.insert(0, {"name": "", "message": error.message})
        except OSError:
            logger.exception("an upload could not be stored")
            problems.insert(0, {"name": "", "message": STORAGE_TROUBLE})
    if sent and not problems:
        return _to_history(request, sent)
    return _refusal(request, sent, problems)


@require_POST
@team_required
def retry(request: TeamRequest, pk: int) -> HttpResponse:
    """Order a failed upscale anew, with the same source, model and settings."""
    mine = Upscale.objects.filter(team=request.team).select_related("team")
    failed = get_object_or_404(mine, pk=pk, status=Upscale.Status.ERROR)
    try:
        upscale = submission.retry(failed, user=request.user, request=request)
    except credits.CreditsRefused as error:
        messages.error(request, error.message)
        return redirect(failed)
    messages.success(request, "We are trying again. The picture is in the history.")
    return redirect(upscale)


def _orders(request: TeamRequest) -> tuple[list[NewUpscale], list[dict[str, str]]]:
    """One order for each picture that keeps the rules, one problem for each rule that is broken."""
    uploads = request.FILES.getlist("image")
    if len(uploads) > settings.MAX_FILES:
        message = f"These are {len(uploads)} pictures; send at most {settings.MAX_FILES} at once."
        return [], [{"name": "", "message": message}]
    orders: list[NewUpscale] = []
    problems: list[dict[str, str]] = []
    for files in [{"image": upload} for upload in uploads] or [{}]:
        form = UpscaleForm(request.POST, files, team=request.team)
        if form.is_valid() and form.order is not None:
            orders.append(form.order)
            continue
        for field, errors in form.errors.items():
            # A rule about the picture is shown with its name, a rule about the order once.
            name = files["image"].name if files and field in ("image", "__all__") else ""
            problems += [{"name": str(name), "message": str(message)} for message in errors]
    return orders, [problem for i, problem in enumerate(problems) if problem not in problems[:i]]


def _to_history(request: TeamRequest, sent: list[Upscale]) -> HttpResponse:
    count = f"{len(sent)} pictures are" if len(sent) > 1 else "Your picture is"
    messages.success(request, f"{count} on the way.")
    address = reverse("history")
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)  # type: ignore[attr-defined]


def _refusal(request: TeamRequest, sent: list[Upscale], problems: list[dict[str, str]]) -> HttpResponse:
    request.team.refresh_from_db(fields=["balance"])
    context = {"problems": problems, "sent": sent, **_money(request)}
    if request.htmx:  # type: ignore[attr-defined]
        # Only the problems: the page keeps its files and choices, so nothing has to be entered twice.
        response = render(request, "submit/_problems.html", context, status=422)
        if sent:
            names = [upscale.source_name for upscale in sent]
            response.headers["HX-Trigger"] = json.dumps({"files-sent": {"names": names}})
        return response
    chosen = _chosen(request.POST)
    return render(request, "submit/page.html", _context(request, chosen=chosen, **context), status=422)


def _prefilled(request: TeamRequest) -> dict[str, Any]:
    """The page as a link from another page asks for it: with an earlier result or its original as the source."""
    chosen = _chosen({})
    mine = Upscale.objects.filter(team=request.team)
    if (pk := number(request.GET, "result")) is not None:
        upscale = get_object_or_404(mine.filter(status=Upscale.Status.DONE), pk=pk)
        if upscale.is_referable and upscale.engine == settings.ENGINE:
            chosen["generation_result_id"] = upscale.result_id
            return {"chosen": chosen, "asked_for": upscale}
        return {"chosen": chosen, "kept_copy": _kept(request, upscale, links.result_of(upscale), "result")}
    if (pk := number(request.GET, "source")) is not None:
        upscale = get_object_or_404(mine, pk=pk)
        if upscale.source_file:
            return {
                "chosen": chosen,
                "kept_copy": _kept(request, upscale, links.source_of(upscale), "source"),
            }
        chosen["image_url"] = upscale.source_url
    return {"chosen": chosen}


def _kept(request: HttpRequest, upscale: Upscale, picture: links.StoredPicture, what: str) -> dict[str, Any]:
    link = links.make(request, picture, name=upscale.source_name, team_id=upscale.team_id)
    return {"link": link, "upscale": upscale, "what": what, "width": picture.width, "height": picture.height}


def _chosen(data: Any) -> dict[str, Any]:
    """What the page's controls show: the request's own values where it has them, else the defaults."""
    values = {setting.key: data.get(setting.key, setting.default) for setting in catalog.MODELS[catalog.TOPAZ].settings}
    values["face_enhancement"] = values["face_enhancement"] in (True, "true")
    return {
        "model_name": data.get("model_name", catalog.RECRAFT),
        "settings": values,
        "result_format": data.get("result_format", ""),
        "image_url": data.get("image_url", ""),
        "generation_result_id": data.get("generation_result_id", ""),
    }


def _money(request: TeamRequest) -> dict[str, Any]:
    standing = credits.standing(team_id=request.team.pk, user=request.user)
    return {"standing": standing, "ways_out": credits.ways_out(request.team.pk, request.user)}


def _context(request: TeamRequest, **more: Any) -> dict[str, Any]:
    recent = Upscale.objects.filter(team=request.team, engine=settings.ENGINE).referable()[:RECENT_RESULTS]
    recent_results = list(recent)
    asked_for = more.pop("asked_for", None)
    if asked_for is not None and asked_for not in recent_results:
        recent_results = [asked_for, *recent_results[: RECENT_RESULTS - 1]]
    return {
        "models": list(catalog.MODELS.values()),
        "advice": get_engine(settings.ENGINE).advice,
        "result_formats": catalog.RESULT_FORMATS,
        "recent_results": recent_results,
        "kept_copy": None,
        "uploads_refused": remote.why_no_uploads(),
        "limits": {
            "result_hours": result_hours(),
            "max_upload_mb": settings.MAX_UPLOAD_BYTES // 1_000_000,
            "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
            "max_files": settings.MAX_FILES,
            "max_source_megapixels": settings.MAX_SOURCE_PIXELS // 1_000_000,
            "max_result_megapixels": settings.MAX_RESULT_PIXELS // 1_000_000,
            "formats": images.FORMATS_IN_WORDS,
            "accept": images.ACCEPT,
        },
        "problems": [],
        "sent": [],
        **(more if "standing" in more else {**_money(request), **more}),
    }

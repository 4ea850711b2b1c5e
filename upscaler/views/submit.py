"""The submit page and "try again"."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from upscaler import credits, file_names, no_room, picture_formats, upscaling_models
from upscaler.batches import drafts
from upscaler.channels import teams
from upscaler.engines import get_engine, offer
from upscaler.errors import PublicError
from upscaler.models import Upscale, result_hours
from upscaler.ordering import for_channels, reorder, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.new_batches import NewBatch
from upscaler.ordering.submission import Known, NewUpscale
from upscaler.processing import source_reference
from upscaler.storage import pictures, signed_links
from upscaler.storage.pictures import StoredPicture
from upscaler.views import model_choice, submit_draft
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.query import as_number, number
from upscaler.views.submit_draft import STORAGE_TROUBLE, Outcome

logger = logging.getLogger(__name__)

RECENT_RESULTS = 12
MANY_AT_ONCE = ".zip,.csv,.tsv,.xlsx"
"""Endings of what brings many pictures at once."""


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def submit(request: TeamRequest) -> HttpResponse:
    """Show the page, or take the order of one or several pictures."""
    if request.method != "POST":
        return render(request, "submit/page.html", _context(request, **_prefilled(request)))

    outcome = Outcome()
    if request.FILES.getlist("image") or (submit_draft.waiting(request) and not submit_draft.names_source(request)):
        submit_draft.send(request, outcome)
    else:
        _send(request, _orders(request, outcome), outcome)
    return _answer(request, outcome)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def again(request: TeamRequest) -> HttpResponse:
    """Order anew what was offered as made before: one of the offers, or all of them.

    ``offered`` names the upscales that the page offers, ``upscale`` the one that is wanted anew, or ``all``.
    """
    if request.method != "POST":
        return redirect("submit")  # Without scripts the answer has this address.
    numbers = [pk for text in request.POST.getlist("offered")[: settings.MAX_FILES] if (pk := as_number(text))]
    mine = Upscale.objects.filter(team=request.team, pk__in=numbers)
    mine = mine.select_related("created_by", "team", "source_result")
    wanted = request.POST.get("upscale", "")
    outcome = Outcome()
    orders = []
    for upscale in sorted(mine, key=lambda upscale: numbers.index(upscale.pk)):
        name = file_names.cleaned(request.POST.get(f"name-{upscale.pk}", ""), upscale.source_name)
        if wanted not in ("all", str(upscale.pk)):
            if upscale.deleted_at is not None:
                continue
            outcome.known.append(Known(upscale, name, upscale.model.credits))
        else:
            try:
                anew = replace(reorder.reorder(upscale), source_name=name, seen=upscale.pk)
                orders.append(replace(anew, channels=_channels(request)))
            except PublicError as error:
                outcome.refuse(error.message, name=name)
    _send(request, orders, outcome)
    return _answer(request, outcome)


@require_POST
@team_required
def retry(request: TeamRequest, pk: int) -> HttpResponse:
    """Order a failed upscale anew, with the same source, model and settings."""
    mine = Upscale.objects.filter(team=request.team).select_related("team")
    failed = get_object_or_404(mine, pk=pk, status=Upscale.Status.ERROR)
    try:
        retried = reorder.retry(failed, user=request.user, request=request)
    except PublicError as error:
        messages.error(request, error.message)
        return redirect(failed)
    if retried.is_new:
        messages.success(request, "We are trying again. The picture is in the history.")
    else:
        messages.info(request, "This was tried again before, and is charged once: here it is.")
    return redirect(retried.upscale)


def _channels(request: TeamRequest) -> tuple[str, ...]:
    known = teams.channels(request.team)
    return tuple(id_ for id_ in dict.fromkeys(request.POST.getlist("channels")) if id_ in known)


def _orders(request: TeamRequest, outcome: Outcome) -> list[NewUpscale]:
    """The order of one picture that is here already or on the web, or a problem for each rule that is broken."""
    form = UpscaleForm(request.POST, team=request.team, host=request.get_host())
    if form.is_valid() and form.order is not None:
        return [form.order]
    for errors in form.errors.values():
        for message in errors:
            outcome.refuse(str(message))
    return []


def _send(request: TeamRequest, orders: Sequence[NewUpscale], outcome: Outcome) -> None:
    """Submit what is new as one batch; what the team has already is offered instead."""
    waiting = list(orders)
    while waiting:
        first = waiting[0]
        shared = for_channels.common_settings(first.settings, first.channels, is_factor_given=not first.is_factor_open)
        batch = NewBatch(first.model_name, shared, requested_format=first.requested_format, channels=first.channels)
        try:
            outcome.sent += submission.submit(waiting, team=request.team, user=request.user, once=True, batch=batch)
            return
        except submission.OrderedBefore as before:
            outcome.known += before.known
            waiting = before.others
        except PublicError as error:
            outcome.problems.insert(0, {"name": "", "message": error.message})
            return
        except OSError as error:
            said = no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing="an upload could not be stored")
            outcome.problems.insert(0, {"name": "", "message": said})
            return


def _to_batch(request: TeamRequest, sent: list[Upscale]) -> HttpResponse:
    count = f"{len(sent)} pictures are" if len(sent) > 1 else "Your picture is"
    messages.success(request, f"{count} on the way.")
    return redirect("batch", sent[0].batch_id)


def _answer(request: TeamRequest, outcome: Outcome) -> HttpResponse:
    """The batch's page, or this one where something is left to be said."""
    if outcome.sent and not outcome.problems and not outcome.known:
        return _to_batch(request, outcome.sent)
    request.team.refresh_from_db(fields=["balance"])
    context = {
        "problems": outcome.problems,
        "sent": outcome.sent,
        "known": outcome.known,
        "known_credits": sum(known.credits for known in outcome.known),
        **_money(request),
    }
    status = 422 if outcome.problems else 200
    chosen = _chosen(request.POST)
    return render(request, "submit/page.html", _context(request, chosen=chosen, **context), status=status)


def _prefilled(request: TeamRequest) -> dict[str, Any]:
    """The page as a link from another page asks for it: with an earlier result or its original as the source."""
    chosen = _chosen({})
    chosen["channels"] = drafts.usual_channels(request.team, request.user)
    if chosen["channels"]:
        chosen["settings"][upscaling_models.FACTOR_KEY] = ""
    mine = Upscale.objects.present().filter(team=request.team)
    if (pk := number(request.GET, "result")) is not None:
        upscale = get_object_or_404(mine.with_result(), pk=pk)
        if upscale.is_referable and upscale.engine == settings.ENGINE:
            chosen["generation_result_id"] = upscale.result_id
            return {"chosen": chosen, "asked_for": upscale}
        return {"chosen": chosen, "kept_copy": _kept(request, upscale, pictures.result_of(upscale), "result")}
    if (pk := number(request.GET, "source")) is not None:
        upscale = get_object_or_404(mine, pk=pk)
        if upscale.source_file and upscale.gives_source:
            return {
                "chosen": chosen,
                "kept_copy": _kept(request, upscale, pictures.source_of(upscale), "source"),
            }
        chosen["image_url"] = upscale.source_url
    return {"chosen": chosen}


def _kept(request: HttpRequest, upscale: Upscale, picture: StoredPicture, what: str) -> dict[str, Any]:
    link = signed_links.make(request, picture, name=upscale.source_name, team_id=upscale.team_id)
    return {"link": link, "upscale": upscale, "what": what, "width": picture.width, "height": picture.height}


def _chosen(data: Any) -> dict[str, Any]:
    """What the page's controls show: the request's own values where it has them, else the defaults."""
    return {
        **model_choice.chosen(data),
        "image_url": data.get("image_url", ""),
        "generation_result_id": data.get("generation_result_id", ""),
    }


def _money(request: TeamRequest) -> dict[str, Any]:
    status = credits.spending_status(team_id=request.team.pk, user=request.user)
    return {"spending_status": status, "remedies": credits.remedies(request.team.pk, request.user)}


def _context(request: TeamRequest, **more: Any) -> dict[str, Any]:
    recent = Upscale.objects.filter(team=request.team, engine=settings.ENGINE).referable().order_by("-completed_at")
    recent_results = list(recent[:RECENT_RESULTS])
    asked_for = more.pop("asked_for", None)
    if asked_for is not None and asked_for not in recent_results:
        recent_results = [asked_for, *recent_results[: RECENT_RESULTS - 1]]
    draft = drafts.find_draft(request.team, request.user)
    return {
        "draft": draft,
        "waiting": drafts.items_of(draft).count() if draft is not None else 0,
        "models": offer.models(),
        "shown_models": model_choice.shown_models(get_engine(settings.ENGINE), more["chosen"]["settings"]),
        "result_formats": picture_formats.RESULT_FORMATS,
        "channels": list(teams.channels(request.team).values()),
        "recent_results": recent_results,
        "kept_copy": None,
        "asked_for": asked_for,
        "uploads_refused": source_reference.why_no_uploads(),
        "address_caveat": source_reference.address_caveat(),
        "limits": {
            "result_hours": result_hours(),
            "max_upload_mb": settings.MAX_UPLOAD_BYTES // 1_000_000,
            "max_upload_bytes": settings.MAX_UPLOAD_BYTES,
            "max_files": settings.MAX_FILES,
            "max_batch": settings.MAX_BATCH,
            "max_archive_bytes": settings.MAX_ARCHIVE_BYTES,
            "max_source_megapixels": settings.MAX_SOURCE_PIXELS // 1_000_000,
            "max_result_megapixels": settings.MAX_RESULT_PIXELS // 1_000_000,
            "formats": picture_formats.FORMATS_IN_WORDS,
            "accept": f"{picture_formats.ACCEPT},{MANY_AT_ONCE}",
        },
        "problems": [],
        "sent": [],
        "known": [],
        **(more if "spending_status" in more else {**_money(request), **more}),
    }

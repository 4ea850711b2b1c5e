"""The results that wait for approval, and what people decide about them."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from upscaler import no_room
from upscaler.errors import PublicError
from upscaler.models import Batch, Reason, ReviewDecision, Team, Upscale
from upscaler.ordering import gentler
from upscaler.queue import dispatch
from upscaler.review import decisions, many, policy, waiting
from upscaler.text import format_credits
from upscaler.views.access import TeamRequest, admin_required, team_required
from upscaler.views.query import as_number, number
from upscaler.views.submit_draft import STORAGE_TROUBLE

logger = logging.getLogger(__name__)

PAGE_SIZE = 200
CONFLICTS = ("decided_before", "not_decided", "no_result")
DONE_WORDS = {
    ReviewDecision.Kind.APPROVED: "Approved",
    ReviewDecision.Kind.REJECTED: "Rejected",
    ReviewDecision.Kind.TAKEN_BACK: "Waits again",
}


@require_safe
@team_required
def queue(request: TeamRequest) -> HttpResponse:
    """What waits for approval, the worst first, of all or of one batch."""
    batch_number = number(request.GET, "batch")
    batch = get_object_or_404(Batch, team=request.team, pk=batch_number) if batch_number is not None else None
    rows = waiting.waiting(request.team, batch)
    total = rows.count()
    last_page = max(1, -(-total // PAGE_SIZE))
    page = min(max(number(request.GET, "page") or 1, 1), last_page)
    query = f"batch={batch.pk}&" if batch is not None else ""
    return render(
        request,
        "review/queue.html",
        {
            "batch": batch,
            "rows": rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
            "total": total,
            "being_checked": waiting.count_being_checked(request.team),
            "newer_url": f"?{query}page={page - 1}" if page > 1 else None,
            "older_url": f"?{query}page={page + 1}" if page < last_page else None,
            "reasons": Reason.choices,
            "may_review": decisions.is_reviewer(request.membership, request.team),
        },
    )


@require_POST
@team_required
def decide(request: TeamRequest, pk: int) -> HttpResponseBase:
    """Approve or reject a result, or take the last decision about it back."""
    upscale = get_object_or_404(Upscale.objects.present().select_related("team"), team=request.team, pk=pk)
    try:
        made = _decided(request, upscale)
    except PublicError as refusal:
        if _wants_json(request):
            status = 403 if refusal.code == "not_reviewer" else 409 if refusal.code in CONFLICTS else 422
            return JsonResponse({"detail": refusal.message}, status=status)
        messages.error(request, refusal.message)
        return _back(request, upscale)
    dispatch.reviews()
    if _wants_json(request):
        return JsonResponse({"review": upscale.review, "words": DONE_WORDS[ReviewDecision.Kind(made.kind)]})
    words = DONE_WORDS[ReviewDecision.Kind(made.kind)].lower()
    messages.success(request, f"{upscale.source_name or 'The picture'}: {words}.")
    return _back(request, upscale)


@require_POST
@team_required
def approve_many(request: TeamRequest) -> HttpResponse:
    """Approve those of the ``chosen`` results that still wait."""
    given = {pk for text in request.POST.getlist("chosen")[: many.MOST] if (pk := as_number(text)) is not None}
    rows = waiting.waiting(request.team).filter(pk__in=given).select_related("team")
    decided = many.decide(rows, approve=True, user=request.user, request=request)
    if decided.done:
        dispatch.reviews()
        messages.success(request, f"{decided.done:,} result{'s are' if decided.done > 1 else ' is'} approved.")
    for why in decided.left:
        messages.error(request, why)
    if not decided.done and not decided.left:
        messages.warning(request, "None of the ticked results waits any more. Tick some that do.")
    return redirect(_queue_url(request))


@require_POST
@team_required
def wrong(request: TeamRequest, pk: int) -> HttpResponse:
    """Mark a rejected result of a paid engine as that engine's fault."""
    upscale = get_object_or_404(Upscale.objects.present().select_related("team"), team=request.team, pk=pk)
    reason, note = request.POST.get("reason", ""), request.POST.get("note", "")
    try:
        decisions.mark_wrong(upscale=upscale, reason=reason, note=note, user=request.user, request=request)
    except PublicError as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, "Marked as a wrong result. The month’s usage page counts it.")
    return redirect(upscale)


@require_POST
@team_required
def order_gentler(request: TeamRequest, pk: int) -> HttpResponse:
    """Order a rejected result's picture again, with the next gentler choice."""
    upscale = get_object_or_404(
        Upscale.objects.present().select_related("team", "source_result", "batch"), team=request.team, pk=pk
    )
    try:
        again = gentler.order_again(upscale, user=request.user, request=request)
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect(upscale)
    except OSError as error:
        said = no_room.sentence(
            error, STORAGE_TROUBLE, logger=logger, doing=f"upscale {pk}: its gentler order could not be stored"
        )
        messages.error(request, said)
        return redirect(upscale)
    if again.is_new:
        messages.success(request, f"Ordered again, more gently, for {format_credits(again.upscale.credits)}.")
    else:
        messages.info(request, "This was ordered again before, and charged once.")
    return redirect(again.upscale)


@require_POST
@admin_required
def team_reviews(request: TeamRequest) -> HttpResponse:
    """What of the team's results waits for approval from now on, and who approves."""
    reviews, reviewers = request.POST.get("reviews", ""), request.POST.get("reviewers", "")
    try:
        team = policy.change(request.team, reviews=reviews, reviewers=reviewers, by=request.user, request=request)
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect("team")
    waits = {
        Team.Reviews.NOBODY: "New results wait for nobody. What waits already goes on waiting until somebody decides.",
        Team.Reviews.DOUBTS: "New results that the check doubts wait for approval.",
        Team.Reviews.EVERYTHING: "All new results wait for approval.",
    }
    messages.success(request, waits[Team.Reviews(team.reviews)])
    return redirect("team")


def context_of(upscale: Upscale, request: TeamRequest) -> dict[str, Any]:
    """What an upscale's page shows of its review. It is quicker where ``wrong_result`` was selected along."""
    if upscale.status != Upscale.Status.DONE:
        return {}
    is_rejected = upscale.review == Upscale.Review.REJECTED
    is_decided = is_rejected or upscale.review == Upscale.Review.APPROVED
    is_used = request.team.reviews != Team.Reviews.NOBODY or upscale.review != Upscale.Review.NONE
    choice = gentler.of(upscale.model_name, upscale.settings) if is_rejected and not upscale.is_only_fitted else None
    return {
        "decision": upscale.decisions.first() if is_decided else None,
        "is_reviewed": is_used,
        "may_review": is_used and decisions.is_reviewer(request.membership, request.team),
        "gentler": choice,
        "reasons": Reason.choices,
        "can_be_wrong": is_rejected and decisions.is_paid(upscale),
        "wrong": getattr(upscale, "wrong_result", None) if is_rejected else None,
    }


def _decided(request: TeamRequest, upscale: Upscale) -> ReviewDecision:
    chosen = request.POST.get("decision", "")
    if chosen == ReviewDecision.Kind.TAKEN_BACK:
        return decisions.take_back(upscale=upscale, user=request.user, request=request)
    if chosen not in (ReviewDecision.Kind.APPROVED, ReviewDecision.Kind.REJECTED):
        raise PublicError("Choose to approve or to reject. Nothing was decided.", code="unknown_decision")
    return decisions.decide(
        upscale=upscale,
        approve=chosen == ReviewDecision.Kind.APPROVED,
        note=request.POST.get("note", ""),
        reason=request.POST.get("reason", ""),
        user=request.user,
        request=request,
    )


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _back(request: TeamRequest, upscale: Upscale) -> HttpResponse:
    """Where the form was: in the queue, or on the upscale's page."""
    if request.POST.get("from") == "queue":
        return redirect(_queue_url(request))
    return redirect(upscale)


def _queue_url(request: TeamRequest) -> str:
    batch = as_number(request.POST.get("batch", ""))
    return reverse("review") + (f"?batch={batch}" if batch is not None else "")

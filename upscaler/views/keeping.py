"""How long a team keeps files, deleting a whole batch, and a copy of what the desk knows of a person."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from upscaler.errors import PublicError
from upscaler.models import Batch, Upscale
from upscaler.ordering import removal, retention
from upscaler.views.access import TeamRequest, admin_required, team_required
from upscaler.views.team import tells_refusals


@require_POST
@admin_required
@tells_refusals
def keeping_rule(request: TeamRequest) -> HttpResponse:
    """For how many days the team keeps files. A rule is asked for once more, with what it deletes."""
    days = retention.read_days(request.POST.get("keep_days", ""))
    if days is not None and not request.POST.get("confirmed"):
        found = retention.count_over_age(request.team, days)
        return render(
            request,
            "team/keeping.html",
            {"days": days, "over_age": min(found, retention.COUNTED), "has_more": found > retention.COUNTED},
        )
    retention.change(request.team, days, by=request.user, request=request)
    kept = "for good" if days is None else f"for {days:,} days after a picture has ended"
    messages.success(request, f"Files are kept {kept} from now on.")
    return redirect("team")


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def delete_batch(request: TeamRequest, pk: int) -> HttpResponse:
    """Ask, and then delete all of a batch that the person may delete."""
    batch = get_object_or_404(Batch, team=request.team, pk=pk, ordered_at__isnull=False)
    if request.method == "POST":
        try:
            outcome = removal.delete_batch(batch, membership=request.membership, request=request)
        except PublicError as refusal:
            messages.error(request, refusal.message)
            return redirect(batch)
        for why, left in outcome.refused.items():
            messages.warning(request, f"{left:,} left: {why}")
        if outcome.done:
            messages.success(request, f"{outcome.done:,} of the batch deleted for good.")
        return redirect("history" if outcome.done and not outcome.refused else batch)
    rows = Upscale.objects.listed().filter(batch=batch).only("pk", "status", "created_by", "batch")
    refusals = [removal.why_not_delete(row, request.membership) for row in rows]
    context = {
        "batch": batch,
        "total": refusals.count(""),
        "is_open": removal.UNDER_WAY in refusals,
        "left": refusals.count(removal.NOT_YOURS),
        "why_left": removal.NOT_YOURS,
    }
    return render(request, "batches/delete.html", context)

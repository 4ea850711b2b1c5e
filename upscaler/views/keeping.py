"""How long a team keeps files, deleting a whole batch, and a copy of what the desk knows of a person."""

from __future__ import annotations

import tempfile

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from upscaler import file_names
from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.keeping import export
from upscaler.models import AuditEvent, Batch, Upscale
from upscaler.ordering import removal, retention
from upscaler.views.access import TeamRequest, admin_required, team_required
from upscaler.views.team import tells_refusals

MAX_IN_MEMORY = 10_000_000
"""Bytes of a person's data; more of it waits in a temporary file."""


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


@require_POST
def account_data(request: HttpRequest) -> FileResponse:
    """What the desk knows of the person, as a ZIP without picture files; of their teams of today."""
    teams = [one.team_id for one in request.memberships]  # type: ignore[attr-defined]
    made = tempfile.SpooledTemporaryFile(MAX_IN_MEMORY)  # noqa: SIM115 - the answer closes it
    export.write(request.user, made, teams=teams)
    audit_log.record_in_all_teams(AuditEvent.Action.DATA_TAKEN, user=request.user, request=request)
    made.seek(0)
    name = f"{request.user.get_username()} {timezone.localdate().isoformat()}.zip"
    response = FileResponse(made, content_type="application/zip")
    response.headers["Content-Disposition"] = file_names.content_disposition(name, as_attachment=True)
    response.headers["Cache-Control"] = "private, no-store"
    return response


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

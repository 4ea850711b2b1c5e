"""Who did what in the team, for its admins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from upscaler.models import AuditEvent
from upscaler.views.access import TeamRequest, admin_required
from upscaler.views.csv_export import csv_response
from upscaler.views.paging import in_batches, keyset_page
from upscaler.views.query import as_number

PAGE_SIZE = 50
HEADER = ["When", "Person", "Action", "About", "Upscale", "Token", "Address"]


@require_safe
@admin_required
def activity(request: TeamRequest) -> HttpResponse:
    """The team's audit log, the newest first."""
    filters = _filters(request)
    page = keyset_page(_events(request, filters).select_related("upscale", "token"), request.GET, PAGE_SIZE)
    if page.is_beyond:
        return redirect("activity")
    chosen = {key: value for key, value in filters.items() if value}
    context = {
        "events": page.rows,
        **page.urls(reverse("activity"), chosen),
        "csv_url": reverse("activity-csv") + (f"?{urlencode(chosen)}" if chosen else ""),
        "filters": filters,
        "actions": AuditEvent.Action.choices,
        "people": _people(request),
        "is_filtered": bool(chosen),
    }
    return render(request, "team/activity.html", context)


@require_safe
@admin_required
def activity_csv(request: TeamRequest) -> HttpResponseBase:
    """The same, all pages at once, as a file."""
    events = _events(request, _filters(request)).select_related("token")

    def rows() -> Iterator[list[Any]]:
        for event in in_batches(events):
            yield [
                timezone.localtime(event.created_at).isoformat(timespec="seconds"),
                event.user_name,
                event.get_action_display(),
                event.about,
                event.upscale_id,
                event.token.name if event.token else "",
                event.address or "",
            ]

    return csv_response(f"activity-{request.team.slug}.csv", HEADER, rows())


def _filters(request: TeamRequest) -> dict[str, str]:
    return {key: request.GET.get(key, "").strip() for key in ("person", "action")}


def _events(request: TeamRequest, filters: dict[str, str]) -> Any:
    events = AuditEvent.objects.filter(team=request.team)
    if filters["action"] in AuditEvent.Action.values:
        events = events.filter(action=filters["action"])
    if (person := as_number(filters["person"])) is not None:
        events = events.filter(user_id=person)
    return events


def _people(request: TeamRequest) -> Any:
    """Everybody who did something in the team, also those who are no longer in it."""
    deeds = AuditEvent.objects.filter(team=request.team, user=OuterRef("pk"))
    return get_user_model().objects.filter(Exists(deeds)).order_by("username")

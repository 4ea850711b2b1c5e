"""The team's history, one upscale's page, and what keeps both live."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from upscaler import upscaling_models
from upscaler.engines import get_engine
from upscaler.models import MonthlySpend, Upscale
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.model_choice import settings_that_matter
from upscaler.views.paging import keyset_page
from upscaler.views.query import as_number, number
from upscaler.views.trail import carried_query, cursor, trail

PAGE_SIZE = 24
MAX_LIVE_ROWS = 100


@require_safe
@team_required
def history(request: TeamRequest) -> HttpResponse:
    """The team's upscales, the newest first, by keyset pages: the thousandth is as fast as the first."""
    filters = _filters(request)
    upscales = _filtered(request, filters)
    page = keyset_page(upscales, request.GET, PAGE_SIZE)
    chosen = {key: value for key, value in filters.items() if value}
    if page.is_beyond:
        return redirect(f"{reverse('history')}?{urlencode(chosen)}" if chosen else "history")
    first_page = not page.has_newer
    newest_id = page.rows[0].pk if page.rows else 0
    return render(
        request,
        "history/page.html",
        {
            "page": page.rows,
            **page.urls(reverse("history"), chosen),
            "filters": filters,
            "statuses": Upscale.Status.choices,
            "model_choices": Upscale.MODEL_CHOICES,
            # Whoever ordered was charged: a row for each person and month, where the upscales may be a million.
            "people": get_user_model()
            .objects.filter(pk__in=MonthlySpend.objects.filter(team=request.team).values("user"))
            .order_by("username"),
            "is_filtered": bool(chosen),
            "newest_id": newest_id,
            "is_first_page": first_page,
            "row_query": carried_query(request.GET, filters),
            "live_url": _live_url({**chosen, **cursor(request.GET), **({"newest": newest_id} if first_page else {})}),
        },
    )


@require_safe
@team_required
def upscale(request: TeamRequest, pk: int) -> HttpResponse:
    """One upscale: how it stands, or the result beside its source."""
    row = get_object_or_404(_mine(request).select_related("retry_of", "source_result", "token", "handover"), pk=pk)
    filters = _filters(request)
    way = trail(_filtered(request, filters), pk, request.GET, filters, PAGE_SIZE)
    return render(request, "history/upscale.html", {**_detail(row), **way})


@require_safe
@team_required
def live(request: TeamRequest) -> HttpResponse:
    """The rows that a page asks about, as they stand now, to be swapped into it."""
    given = map(as_number, request.GET.getlist("id")[:MAX_LIVE_ROWS])
    rows = _mine(request).filter(pk__in=[pk for pk in given if pk is not None])
    if request.GET.get("view") == "upscale":
        row = rows.select_related("retry_of", "source_result", "token", "handover").first()
        return render(request, "history/_live_upscale.html", {**_detail(row), "oob": True} if row else {})
    newest = number(request.GET, "newest")
    filters = _filters(request)
    new_count = _filtered(request, filters).filter(pk__gt=newest).count() if newest is not None else 0
    row_query = carried_query(request.GET, filters)
    return render(
        request, "history/_live.html", {"rows": rows, "oob": True, "new_count": new_count, "row_query": row_query}
    )


def _mine(request: TeamRequest) -> Any:
    return (
        Upscale.objects.filter(team=request.team)
        .select_related("created_by", "source_result")
        .prefetch_related("retries")
    )


def _filters(request: TeamRequest) -> dict[str, str]:
    return {key: request.GET.get(key, "").strip() for key in ("status", "model", "person")}


def _filtered(request: TeamRequest, filters: dict[str, str]) -> Any:
    upscales = _mine(request)
    if filters["status"] in Upscale.Status.values:
        upscales = upscales.filter(status=filters["status"])
    if filters["model"] in upscaling_models.MODELS:
        upscales = upscales.filter(model_name=filters["model"])
    if (person := as_number(filters["person"])) is not None:
        upscales = upscales.filter(created_by_id=person)
    return upscales


def _detail(row: Upscale) -> dict[str, Any]:
    duration = row.completed_at - row.created_at if row.completed_at else None
    return {
        "upscale": row,
        "can_compare": row.gives_result and row.gives_source and bool(row.before_preview and row.after_preview),
        "settings": settings_that_matter(get_engine(row.engine), row),
        "seconds": round(duration.total_seconds(), 1) if duration else None,
        "live_url": _live_url({"view": "upscale", "id": row.pk}),
    }


def _live_url(query: dict[str, Any]) -> str:
    return f"{reverse('live')}?{urlencode(query)}"

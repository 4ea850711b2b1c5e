"""The team's history, one upscale's page, and what keeps both live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from upscaler.channels import files as channel_files
from upscaler.channels import teams
from upscaler.engines import get_engine
from upscaler.models import Batch, MonthlySpend, Upscale
from upscaler.ordering import removal
from upscaler.views import fidelity, history_filters, live_state, reviews
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.model_choice import settings_that_matter
from upscaler.views.paging import keyset_page, sku_page
from upscaler.views.query import as_number, number
from upscaler.views.trail import carried_query, cursor, trail

PAGE_SIZE = 24
LIST_SIZE = 60
"""Rows of a page in the dense list."""
MAX_LIVE_ROWS = 100
MAX_NEW = 10_000
"""New upscales that an open page counts."""
LAYOUT_COOKIE = "history_layout"
COOKIE_LIFETIME = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class Group:
    """Rows of a page that stand under one head."""

    title: str
    url: str
    rows: list[Upscale]
    batch: Batch | None = None


@require_safe
@team_required
def history(request: TeamRequest) -> HttpResponse:
    """The team's upscales, the newest first, by keyset pages: the thousandth is as fast as the first."""
    filters = history_filters.read(request.GET)
    layout = _layout(request, filters)
    # Before the rows are read, so that none is missed in between.
    newest = Upscale.objects.filter(team=request.team).order_by("-pk").values_list("pk", flat=True).first() or 0
    upscales = _filtered(request, filters).to_show(*OF_OTHERS)
    size = LIST_SIZE if layout == "list" else PAGE_SIZE
    if filters["group"] == "sku":
        page = sku_page(upscales, request.GET, size, anchors=Upscale.objects.filter(team=request.team))
    else:
        page = keyset_page(upscales, request.GET, size)
    chosen = {key: value for key, value in filters.items() if value}
    if page.is_beyond:
        return redirect(f"{reverse('history')}?{urlencode(chosen)}" if chosen else "history")
    first_page = not page.has_newer
    response = render(
        request,
        "history/page.html",
        {
            "page": page.rows,
            "groups": _groups(page.rows, filters),
            **page.urls(reverse("history"), chosen),
            "filters": filters,
            "complaints": history_filters.complaints(filters),
            "batch": history_filters.batch_of(filters, request.team),
            "layout": layout,
            "layouts": [
                (name, title, f"{reverse('history')}?{urlencode({**chosen, 'layout': name})}")
                for name, title in history_filters.LAYOUTS.items()
            ],
            "group_choices": history_filters.GROUPS,
            "statuses": Upscale.Status.choices,
            "verdicts": history_filters.VERDICTS,
            "model_choices": Upscale.MODEL_CHOICES,
            # Whoever ordered was charged: a row for each person and month, where the upscales may be a million.
            "people": get_user_model()
            .objects.filter(pk__in=MonthlySpend.objects.filter(team=request.team).values("user"))
            .only("username", "first_name", "last_name")
            .order_by("username"),
            "is_filtered": history_filters.are_narrowing(filters),
            "has_more_filters": any(filters[key] for key in history_filters.MORE),
            "newest_id": newest,
            "is_first_page": first_page,
            "is_whole": first_page and not page.has_older,
            "row_query": carried_query(request.GET, filters),
            "live_url": _live_url({**chosen, **cursor(request.GET), **({"newest": newest} if first_page else {})}),
        },
    )
    if filters["layout"]:
        response.set_cookie(
            LAYOUT_COOKIE, layout, max_age=COOKIE_LIFETIME, httponly=True, samesite="Lax", secure=request.is_secure()
        )
    return response


@require_safe
@team_required
def upscale(request: TeamRequest, pk: int) -> HttpResponse:
    """One upscale: how it stands, or the result beside its source."""
    row = get_object_or_404(_whole(mine(request)), pk=pk)
    if not row.is_listed:
        return render(request, "410.html", {"message": row.why_closed}, status=410)
    filters = history_filters.read(request.GET)
    way = trail(_filtered(request, filters), pk, request.GET, filters, PAGE_SIZE)
    return render(
        request,
        "history/upscale.html",
        {**_shown(row, request), **way, **(_fitted(row, request.channels) if row.gives_result else {})},
    )


@require_safe
@team_required
def live(request: TeamRequest) -> HttpResponse:
    """The rows that a page asks about, as they stand now, to be swapped into it; 204 where it has ``seen`` all that."""
    given = [as_number(text) for text in request.GET.getlist("id")[:MAX_LIVE_ROWS]]
    numbers = [pk for pk in given if pk is not None]
    rows = mine(request).listed().filter(pk__in=numbers)
    if request.GET.get("view") == "upscale":
        row = _whole(rows).first()
        return render(request, "history/_live_upscale.html", {**_shown(row, request), "oob": True} if row else {})
    newest = number(request.GET, "newest")
    # Before the rows are read, so that no change in between is taken for one that was shown.
    state = live_state.of_history(request, numbers, newest)
    if state and state == request.GET.get("seen"):
        return HttpResponse(status=204)
    filters = history_filters.read(request.GET)
    new_count = _filtered(request, filters).filter(pk__gt=newest)[:MAX_NEW].count() if newest is not None else 0
    row_query = carried_query(request.GET, filters)
    shown_url = reverse("history") + carried_query(QueryDict(), filters)
    context = {"rows": rows.to_show(*OF_OTHERS), "oob": True, "new_count": new_count, "row_query": row_query}
    return render(request, "history/_live.html", {**context, "shown_url": shown_url, "state": state})


def mine(request: TeamRequest) -> Any:
    """The team's upscales with what their pages show."""
    return (
        Upscale.objects.filter(team=request.team)
        .select_related("created_by", "source_result", "batch", "fidelity")
        .defer("fidelity__report")
    )


def _whole(rows: Any) -> Any:
    """Each with all that its own page shows."""
    return rows.select_related("handover", "wrong_result").defer(None).with_later_try()


OF_OTHERS = (
    *("created_by__username", "created_by__first_name", "created_by__last_name"),
    *("batch__name", "batch__channels", "batch__ordered_at"),
)
"""What a card shows of other rows, beside what a batch's row does too."""


def _filtered(request: TeamRequest, filters: Mapping[str, str]) -> Any:
    return history_filters.apply(mine(request), filters, request.team)


def _layout(request: TeamRequest, filters: Mapping[str, str]) -> str:
    kept = request.COOKIES.get(LAYOUT_COOKIE, "")
    return filters["layout"] or (kept if kept in history_filters.LAYOUTS else "cards")


def _groups(rows: list[Upscale], filters: Mapping[str, str]) -> list[Group]:
    """The rows under one head each run; one group without a head where nothing is grouped."""
    if filters["group"] == "sku":
        return [Group(f"SKU {sku}", "", list(of)) for sku, of in groupby(rows, key=lambda row: row.sku)]
    if filters["group"] == "batch":
        runs = [(batch, list(of)) for batch, of in groupby(rows, key=lambda row: row.batch_id)]
        batches = Batch.objects.in_bulk([batch for batch, _ in runs if batch is not None])
        return [Group(*_head(batches.get(batch or 0)), of, batches.get(batch or 0)) for batch, of in runs]
    return [Group("", "", rows)] if rows else []


def _head(batch: Batch | None) -> tuple[str, str]:
    return (str(batch), batch.get_absolute_url()) if batch is not None else ("Single orders", "")


def _shown(row: Upscale, request: TeamRequest) -> dict[str, Any]:
    of_result = {**fidelity.context_of(row), **reviews.context_of(row, request)} if row.gives_result else {}
    return {**_detail(row), **of_result, "may_delete": not removal.why_not_delete(row, request.membership)}


def _fitted(row: Upscale, channels: Sequence[teams.Listed]) -> dict[str, Any]:
    return {"channels": teams.used(channels).values(), "channel_files": channel_files.shown(row, channels)}


def _detail(row: Upscale) -> dict[str, Any]:
    duration = row.completed_at - row.created_at if row.completed_at else None
    return {
        "upscale": row,
        "settings": [] if row.is_only_fitted else settings_that_matter(get_engine(row.engine), row),
        "seconds": round(duration.total_seconds(), 1) if duration else None,
        "live_url": _live_url({"view": "upscale", "id": row.pk}),
    }


def _live_url(query: dict[str, Any]) -> str:
    return f"{reverse('live')}?{urlencode(query)}"

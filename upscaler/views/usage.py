"""The report on a month: figures, charts, and the same as a file."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from upscaler.models import Team
from upscaler.usage import charts
from upscaler.usage.report import Figures, Report, Span, duration, report_on
from upscaler.usage.reviews import reviews_of
from upscaler.views.access import admin_or_staff_required, sees_all_teams
from upscaler.views.csv_export import csv_response
from upscaler.views.query import number

ALL_TEAMS = "all"
FIGURES = ("Ready", "Failed", "Credits used", "Credits refunded", "Megapixels")


@dataclass(frozen=True)
class Tile:
    """One figure at the top of the page, in words."""

    label: str
    now: str
    before: str
    change: str
    """By how many percent it is more or less; empty where there is nothing to compare with."""
    whole: str
    """In the whole month before."""


@require_safe
@admin_or_staff_required
def usage(request: HttpRequest) -> HttpResponse:
    """A month of the team; staff choose among all teams, or see them together."""
    found = _asked(request)
    span = found.span
    return render(
        request,
        "team/usage.html",
        {
            "report": found,
            "tiles": _tiles(found),
            "chart": charts.day_chart(found.days, calendar.monthrange(span.first.year, span.first.month)[1]),
            "review_lines": reviews_of(found.team, span),
            "tables": [table for table in _tables(found) if table["lines"]],
            "teams": Team.objects.order_by("name", "pk").only("pk", "name") if sees_all_teams(request.user) else None,
            "earlier_url": _address(request, found, f"{span.before_first:%Y-%m}") if found.has_earlier else None,
            "later_url": _address(request, found, f"{span.next_first:%Y-%m}") if span.is_over else None,
            "csv_url": _address(request, found, f"{span.first:%Y-%m}", "usage-csv"),
        },
    )


@require_safe
@admin_or_staff_required
def usage_csv(request: HttpRequest) -> StreamingHttpResponse:
    """What the page shows, as one table."""
    found = _asked(request)
    span = found.span
    name = f"usage-{found.team.slug if found.team else 'all-teams'}-{span.first:%Y-%m}.csv"
    header = ["Part", "Name", "From", "To", *FIGURES, "Compared from", "Compared to"]
    header += [f"{figure}, compared" for figure in FIGURES]
    header += ["Median seconds", "95th percentile seconds", "Median seconds, compared", "95th percentile, compared"]
    return csv_response(name, header, _csv_rows(found))


def _asked(request: HttpRequest) -> Report:
    return report_on(team=_team(request), span=Span.of(request.GET.get("month", "")))


def _team(request: HttpRequest) -> Team | None:
    """Their own team for admins. Staff may name another; None for all."""
    own: Team | None = request.team or None  # type: ignore[attr-defined]
    if not sees_all_teams(request.user):
        return own
    if request.GET.get("team") == ALL_TEAMS:
        return None
    asked = number(request.GET, "team")
    return (Team.objects.filter(pk=asked).first() if asked is not None else None) or own


def _address(request: HttpRequest, found: Report, month: str, page: str = "usage") -> str:
    query = {"month": month}
    if sees_all_teams(request.user):
        query["team"] = str(found.team.pk) if found.team else ALL_TEAMS
    return f"{reverse(page)}?{urlencode(query)}"


def _tiles(found: Report) -> list[Tile]:
    total, times = found.total, found.times[0]
    figures = (
        ("Pictures ready", lambda sums: sums.done),
        ("Failed", lambda sums: sums.failed),
        ("Credits used", lambda sums: sums.used),
        ("Credits refunded", lambda sums: sums.refunded),
        ("Megapixels made", lambda sums: round(sums.megapixels)),
    )
    tiles = []
    for label, read in figures:
        now, before, whole = read(total.now), read(total.before), read(total.whole)
        percent = round(100 * (now - before) / before) if before else 0
        change = f"{percent:+,}\N{NO-BREAK SPACE}%".replace("-", "−") if percent else ""
        tiles.append(Tile(label, f"{now:,}", f"{before:,}", change, f"{whole:,}"))
    tiles.append(Tile("Time to result", duration(times.median), duration(times.median_before), "", ""))
    return tiles


def _tables(found: Report) -> Iterator[dict[str, Any]]:
    for title, head, lines in (
        ("By team", "Team", found.teams),
        ("By person", "Person", found.people),
        ("By model", "Model", found.models),
        ("By engine", "Engine", found.engines),
        ("By status", "Status", found.statuses),
    ):
        longest = max((line.now.ended for line in lines), default=0)
        with_bars = [(line, charts.share(line.now.ended, longest)) for line in lines]
        yield {"title": title, "head": head, "lines": with_bars, "of_status": lines is found.statuses}


def _csv_rows(found: Report) -> Iterator[list[Any]]:
    span = found.span
    compared = [f"{span.before_first:%Y-%m-%d}", f"{span.before_last:%Y-%m-%d}"]
    month = [f"{span.first:%Y-%m-%d}", f"{span.last:%Y-%m-%d}"]

    def row(part: str, name: str, now: Figures, before: Figures, times: list[Any] | None = None) -> list[Any]:
        return [part, name, *month, *_cells(now), *compared, *_cells(before), *(times or [""] * 4)]

    yield row("Total", found.team.name if found.team else "All teams", found.total.now, found.total.before)
    if span.is_partial:
        whole = [f"{span.before_first:%Y-%m-%d}", f"{span.whole_last:%Y-%m-%d}"]
        yield ["The whole month before", "", *whole, *_cells(found.total.whole), *[""] * 11]
    for part, lines in (
        ("Team", found.teams),
        ("Person", found.people),
        ("Model", found.models),
        ("Engine", found.engines),
        ("Status", found.statuses),
        ("Day, compared with the same day of the month before", found.days),
    ):
        for line in lines:
            yield row(part, line.name, line.now, line.before)
    for failure in found.failures:
        yield row("Failure", f"{failure.code}: {failure.message}", failure.now, failure.before)
    for reviewed in reviews_of(found.team, span):
        for part, count in (("Rejected results", reviewed.rejected), ("Wrong results", reviewed.wrong)):
            yield [part, f"{reviewed.model}: {reviewed.reason}", *month, count, *[""] * 15]
    for times in found.times:
        figures = (times.median, times.p95, times.median_before, times.p95_before)
        cells = ["" if seconds is None else round(seconds, 1) for seconds in figures]
        yield ["Time to result", times.name, *month, *[""] * 5, *compared, *[""] * 5, *cells]


def _cells(figures: Figures) -> list[Any]:
    return [figures.done, figures.failed, figures.used, figures.refunded, round(figures.megapixels, 1)]

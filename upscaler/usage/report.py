"""What a month came to, for the usage page: read from the counts alone, so that a long history costs nothing."""

from __future__ import annotations

import calendar
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from upscaler.accounts.audit_log import name_of
from upscaler.models import Team, Upscale, UsageDay, UsageTime
from upscaler.usage import counts

MAX_LINES = 100
"""Lines of one table; the rest is summed up in one more."""
SUMS = ("done", "failed", "credits", "refunded", "pixels")
MONTH = re.compile(r"(2[0-9]{3})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Span:
    """A month as far as it has come, and what it is compared with. All days are inclusive."""

    first: date
    last: date
    """Today, or the month's last day."""
    before_first: date
    before_last: date
    """As many days into the month before; its last day where it is shorter, or where this month is over."""
    whole_last: date
    """The last day of the month before."""
    is_over: bool
    """Whether the month's last day has passed."""

    @classmethod
    def of(cls, month: str) -> Span:
        """The month that an address names as ``2026-11``; this month for anything else, and for the future."""
        today = timezone.localdate()
        match = MONTH.fullmatch(month)
        first = date(int(match[1]), int(match[2]), 1) if match else today.replace(day=1)
        first = min(first, today.replace(day=1))
        end = first.replace(day=calendar.monthrange(first.year, first.month)[1])
        whole_last = first - timedelta(days=1)
        before_first = whole_last.replace(day=1)
        is_over = end < today
        return cls(
            first=first,
            last=end if is_over else today,
            before_first=before_first,
            before_last=whole_last if is_over else before_first.replace(day=min(today.day, whole_last.day)),
            whole_last=whole_last,
            is_over=is_over,
        )

    @property
    def next_first(self) -> date:
        """The first day of the month after."""
        return self.first + timedelta(days=calendar.monthrange(self.first.year, self.first.month)[1])

    @property
    def is_partial(self) -> bool:
        """Whether the month before is counted in part only, and its whole is worth a word of its own."""
        return self.before_last != self.whole_last


@dataclass(frozen=True)
class Figures:
    """Sums over some days."""

    done: int = 0
    failed: int = 0
    credits: int = 0
    """What was charged for them."""
    refunded: int = 0
    pixels: int = 0

    @property
    def ended(self) -> int:
        """Done and failed."""
        return self.done + self.failed

    @property
    def used(self) -> int:
        """Credits that were paid in the end."""
        return self.credits - self.refunded

    @property
    def megapixels(self) -> float:
        """Of the results."""
        return self.pixels / 1e6

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, name) + getattr(other, name) for name in SUMS))


@dataclass(frozen=True)
class Line:
    """One line of a table: the month, and the days it is compared with."""

    name: str
    now: Figures = Figures()
    before: Figures = Figures()
    whole: Figures = Figures()

    @property
    def is_failed(self) -> bool:
        """Whether there is nothing but failures."""
        return self.now.done == 0 < self.now.failed


@dataclass(frozen=True)
class Failure:
    """One reason for which upscales failed."""

    code: str
    message: str
    """What people were told, the last time."""
    example: Upscale | None
    now: Figures
    before: Figures


@dataclass(frozen=True)
class Times:
    """Seconds from order to result: of half of the results, and of 19 in 20. None without results. To 5 %."""

    name: str
    median: float | None
    p95: float | None
    median_before: float | None
    p95_before: float | None

    @property
    def texts(self) -> list[str]:
        """The four times, for people."""
        return [duration(value) for value in (self.median, self.p95, self.median_before, self.p95_before)]


def duration(seconds: float | None) -> str:
    """A time for people, as exact as it is known: ``4.2 s``, ``35 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, seconds_left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {seconds_left} s" if minutes < 10 else f"{minutes} min"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min"


@dataclass
class Report:
    """Everything that the page and its file show."""

    span: Span
    team: Team | None
    """None for all teams."""
    total: Line = field(default_factory=lambda: Line(""))
    days: list[Line] = field(default_factory=list)
    people: list[Line] = field(default_factory=list)
    teams: list[Line] = field(default_factory=list)
    models: list[Line] = field(default_factory=list)
    engines: list[Line] = field(default_factory=list)
    statuses: list[Line] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    times: list[Times] = field(default_factory=list)
    """All results first, then those of each model."""
    has_earlier: bool = False
    is_empty: bool = True
    """Nothing has ever ended."""


def report_on(*, team: Team | None, span: Span) -> Report:
    """The report on a month, of one team or of all; the number of queries is the same however much there is."""
    every = UsageDay.objects.filter(team=team) if team else UsageDay.objects.all()
    first = every.aggregate(first=Min("day"))["first"]
    found = Report(span=span, team=team, is_empty=first is None, has_earlier=bool(first and first < span.first))
    rows = every.filter(day__range=(span.before_first, span.last)).order_by()
    found.statuses = _lines(rows, span, "status", dict(Upscale.Status.choices).get)
    for line in found.statuses:
        found.total = Line(
            "", found.total.now + line.now, found.total.before + line.before, found.total.whole + line.whole
        )
    found.models = _lines(rows, span, "model_name", dict(Upscale.MODEL_CHOICES).get)
    found.engines = _lines(rows, span, "engine", dict(Upscale.Engine.choices).get)
    found.people = _people(rows, span)
    if team is None:
        names = dict(Team.objects.values_list("pk", "name"))
        found.teams = _shortened(_lines(rows, span, "team_id", names.get), "teams")
    found.days = _days(rows, span)
    found.failures = _failures(rows, span, team)
    found.times = _times(team, span)
    return found


def _sums(span: Span) -> dict[str, Sum]:
    is_done, is_error = Q(status=Upscale.Status.DONE), Q(status=Upscale.Status.ERROR)
    sources = {
        "done": ("upscales", is_done),
        "failed": ("upscales", is_error),
        "credits": ("credits", Q()),
        "refunded": ("refunded", Q()),
        "pixels": ("pixels", Q()),
    }
    periods = {
        "now": Q(day__gte=span.first),
        "before": Q(day__lte=span.before_last),
        "whole": Q(day__lte=span.whole_last),
    }
    return {
        f"{name}_{period}": Sum(column, filter=days & rows, default=0)
        for period, days in periods.items()
        for name, (column, rows) in sources.items()
    }


def _figures(row: Mapping[str, Any], period: str) -> Figures:
    return Figures(*(row[f"{name}_{period}"] for name in SUMS))


def _line(name: str, row: Mapping[str, Any]) -> Line:
    return Line(name, _figures(row, "now"), _figures(row, "before"), _figures(row, "whole"))


def _lines(rows: QuerySet[Any], span: Span, by: str, name: Callable[[Any], Any]) -> list[Line]:
    """The most used first."""
    grouped = rows.values(by).annotate(**_sums(span))
    lines = [_line(str(name(row[by]) or row[by]), row) for row in grouped]
    return sorted(lines, key=lambda line: (-line.now.ended, -line.before.ended, line.name))


def _people(rows: QuerySet[Any], span: Span) -> list[Line]:
    grouped = list(rows.values("user_id").annotate(**_sums(span)))
    grouped.sort(key=lambda row: (row["user_id"] is None, -row["done_now"] - row["failed_now"], row["user_id"]))
    people = get_user_model().objects.in_bulk([row["user_id"] for row in grouped[:MAX_LINES] if row["user_id"]])
    names = {pk: name_of(person) for pk, person in people.items()}
    return _shortened([_line(names.get(row["user_id"], "People who were deleted"), row) for row in grouped], "people")


def _shortened(lines: list[Line], what: str) -> list[Line]:
    if len(lines) <= MAX_LINES:
        return lines
    rest = lines[MAX_LINES:]
    sums = (sum((getattr(line, part) for line in rest), Figures()) for part in ("now", "before", "whole"))
    return [*lines[:MAX_LINES], Line(f"{len(rest)} other {what}", *sums)]


def _days(rows: QuerySet[Any], span: Span) -> list[Line]:
    """Every day of the month so far, beside the day of the same number a month before."""
    found = {row["day"]: row for row in rows.values("day").annotate(**_sums(span))}
    lines = []
    for number in range((span.last - span.first).days + 1):
        day, before = span.first + timedelta(days=number), span.before_first + timedelta(days=number)
        earlier = _figures(found[before], "whole") if before in found and before <= span.whole_last else Figures()
        lines.append(Line(f"{day:%Y-%m-%d}", _figures(found[day], "now") if day in found else Figures(), earlier))
    return lines


def _failures(rows: QuerySet[Any], span: Span, team: Team | None) -> list[Failure]:
    codes = rows.filter(status=Upscale.Status.ERROR).values("error_code").annotate(**_sums(span), one=Min("pk"))
    grouped = sorted(codes, key=lambda row: (-row["failed_now"], -row["failed_before"], row["error_code"]))
    failed = Upscale.objects.filter(status=Upscale.Status.ERROR, error_code=OuterRef("error_code"))
    # In the order of the index, so that no code's rows are sorted to find its last one. Asked once for each code, and
    # not in the query above: grouping would ask once for each row of the counts.
    newest = failed.filter(team=team).order_by("-pk") if team else failed.order_by("team_id", "-pk")
    one_of_each = UsageDay.objects.filter(pk__in=[row["one"] for row in grouped])
    example_of = dict(one_of_each.values_list("error_code", Subquery(newest.values("pk")[:1])))
    examples = Upscale.objects.only("pk", "team", "error_message").in_bulk(filter(None, example_of.values()))
    failures = []
    for row in grouped:
        example = examples.get(example_of.get(row["error_code"]))
        message = example.error_message if example else "No reason was kept."
        now, before = _figures(row, "now"), _figures(row, "before")
        if now.failed or before.failed:
            failures.append(Failure(row["error_code"], message, example, now, before))
    return failures


def _times(team: Team | None, span: Span) -> list[Times]:
    rows = UsageTime.objects.filter(team=team) if team else UsageTime.objects.all()
    grouped = (
        rows.filter(day__range=(span.before_first, span.last))
        .order_by()
        .values_list("model_name", "bucket")
        .annotate(
            now=Sum("upscales", filter=Q(day__gte=span.first), default=0),
            before=Sum("upscales", filter=Q(day__lte=span.before_last), default=0),
        )
    )
    now: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    before: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for model, bucket, number, number_before in grouped:
        for key in ("", model):
            now[key][bucket] += number
            before[key][bucket] += number_before
    titles = dict(Upscale.MODEL_CHOICES)
    return [
        Times(
            "All" if not model else titles.get(model, model),
            counts.percentile(now[model], 0.5),
            counts.percentile(now[model], 0.95),
            counts.percentile(before[model], 0.5),
            counts.percentile(before[model], 0.95),
        )
        for model in sorted({"", *now})
    ]

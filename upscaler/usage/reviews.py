"""How many results were rejected in a month, and which were an engine's fault, by model and reason."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count
from django.utils import timezone

from upscaler.models import Reason, ReviewDecision, Team, Upscale, WrongResult
from upscaler.usage.report import Span


@dataclass
class ReviewLine:
    """One model and one reason."""

    model: str
    reason: str
    rejected: int = 0
    """Decisions; one that was taken back counts no more."""
    wrong: int = 0
    """Marked as wrong results of a paid engine."""


def reviews_of(team: Team | None, span: Span) -> list[ReviewLine]:
    """The lines of a month, of one team or of all, the most rejected first: at most models times reasons."""
    # The next day's midnight is that day's own.
    period = {"created_at__gte": _midnight(span.first), "created_at__lt": _midnight(span.last + timedelta(days=1))}
    # A result that is rejected once more after that was taken back counts once.
    rejected = ReviewDecision.objects.filter(
        kind=ReviewDecision.Kind.REJECTED, upscale__review=Upscale.Review.REJECTED, **period
    )
    wrong = WrongResult.objects.filter(**period)
    if team is not None:
        rejected, wrong = rejected.filter(team=team), wrong.filter(team=team)
    lines: dict[tuple[str, str], ReviewLine] = defaultdict(lambda: ReviewLine("", ""))
    for rows, field in ((rejected, "rejected"), (wrong, "wrong")):
        grouped = rows.order_by().values_list("upscale__model_name", "reason")
        for model, reason, number in grouped.annotate(number=Count("upscale", distinct=True)):
            setattr(lines[model, reason], field, number)
    titles, reasons = dict(Upscale.MODEL_CHOICES), dict(Reason.choices)
    for (model, reason), line in lines.items():
        line.model, line.reason = titles.get(model, model), str(reasons.get(reason, "Not said"))
    return sorted(lines.values(), key=lambda line: (-line.rejected, -line.wrong, line.model, line.reason))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))

"""The results that wait for somebody, the worst first."""

from __future__ import annotations

from django.db.models import Case, Count, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce

from upscaler.models import Batch, FidelityCheck, Team, Upscale
from upscaler.models.upscale_queries import UpscaleQuerySet

MAX_COUNTED = 1000
WORST_FIRST = (
    Case(
        When(fidelity__verdict=FidelityCheck.Verdict.LOOK, then=Value(0)),
        When(fidelity__verdict=FidelityCheck.Verdict.FAITHFUL, then=Value(2)),
        default=Value(1),
    ),
    "pk",
)
"""What the check doubts, what it could not judge, what it finds faithful; each as it was ordered."""


def waiting(team: Team, batch: Batch | OuterRef | None = None) -> UpscaleQuerySet:
    """The team's results that wait for a person, of all or of one of its batches, the worst first.

    Without those that wait for the check alone, which may free them in a moment. A ``batch`` must be the team's.
    """
    # Of a batch by the batch alone, which is the team's: with the team named too, SQLite goes through all that it has.
    rows = _of_team(team) if batch is None else Upscale.objects.to_review().filter(batch=batch)
    if team.reviews == Team.Reviews.DOUBTS:
        rows = rows.exclude(_being_checked())
    rows = rows.select_related("source_result", "fidelity", "batch").defer("fidelity__report")
    return rows.order_by(*WORST_FIRST)


def number_of_batch(team: Team) -> Coalesce:
    """Of each of the team's batches, how many of its results wait for a person."""
    rows = waiting(team, OuterRef("pk")).order_by().values("batch")
    return Coalesce(Subquery(rows.annotate(number=Count("pk")).values("number")), 0)


def count(team: Team) -> int:
    """How many wait for a person, up to `MAX_COUNTED`."""
    return waiting(team).order_by()[:MAX_COUNTED].count()


def count_being_checked(team: Team) -> int:
    """How many wait for the check first, up to `MAX_COUNTED`."""
    if team.reviews != Team.Reviews.DOUBTS:
        return 0
    return _of_team(team).filter(_being_checked())[:MAX_COUNTED].count()


def _of_team(team: Team) -> UpscaleQuerySet:
    # That numbers begin at 1 leads SQLite to the index of those that wait: else it goes through all that the team has.
    return Upscale.objects.to_review().filter(team=team, pk__gt=0)


def _being_checked() -> Q:
    return Q(fidelity__isnull=False, fidelity__checked_at__isnull=True)

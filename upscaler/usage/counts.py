"""Counts of what ended, kept up while it ends: the only module that writes `UsageDay` and `UsageTime`.

An upscale is counted in the transaction that ends it, so the counts follow from the rows at every moment:
`verification` compares them, and `rebuild` makes them anew. `docs/usage.md` says what each figure means.

Locks are taken in one order everywhere: the upscale's row, the team's, the month's spend, a `UsageDay`, a `UsageTime`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.db.models import F, Sum
from django.utils import timezone

from upscaler.models import CreditEntry, Team, Upscale, UsageDay, UsageTime

RATIO = 1.1
"""How much longer each bucket's times are than those of the one before."""
BOUNDS = [0.1 * RATIO**step for step in range(190)]
"""The longest time of each bucket, in seconds: from a tenth of a second to 77 days. A last bucket takes the rest."""
DAY_KEY = ("team_id", "day", "user_id", "model_name", "engine", "status", "error_code")
DAY_SUMS = ("upscales", "credits", "refunded", "pixels")
TIME_KEY = ("team_id", "day", "model_name", "bucket")
READ = (
    "pk", "team_id", "completed_at", "created_by_id", "model_name", "engine", "status", "error_code",
    "credits", "result_width", "result_height", "created_at",
)  # fmt: skip
"""What of an upscale is counted."""
BATCH = 2000

Sums = tuple[int, int, int, int]


def bucket_of(seconds: float) -> int:
    """The bucket of a time."""
    return bisect_left(BOUNDS, seconds)


def seconds_of(bucket: int) -> float:
    """The time that stands for a bucket: the geometric middle, so that it is off by less than 5 % either way."""
    if bucket == 0:
        return BOUNDS[0]
    return sqrt(BOUNDS[bucket - 1] * BOUNDS[min(bucket, len(BOUNDS) - 1)])


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """In how many seconds the quickest ``share`` (0 to 1) of the results were there, to 5 %; None without results."""
    rank = ceil(share * sum(buckets.values()))
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= max(rank, 1):
            return seconds_of(bucket)
    return None


@dataclass
class Tally:
    """Counts by key: each value of ``days`` is (upscales, credits, refunded, pixels), of ``times`` upscales."""

    days: dict[tuple[Any, ...], Sums] = field(default_factory=dict)
    times: Counter[tuple[Any, ...]] = field(default_factory=Counter)

    def add(self, rows: Iterable[tuple[Any, ...]], refunds: Mapping[int, int]) -> None:
        """Count ended upscales, given as ``READ`` says; ``refunds`` are the credits that came back, by upscale."""
        for pk, team, ended, person, model, engine, status, code, price, width, height, began in rows:
            day = timezone.localdate(ended)
            key = (team, day, person, model, engine, status, code)
            # What was only fitted is counted, but it says nothing of how much, or how fast, this desk enlarges.
            is_enlarged = status == Upscale.Status.DONE and engine != Upscale.Engine.FIT
            pixels = (width or 0) * (height or 0) if is_enlarged else 0
            upscales, charged, refunded, made = self.days.get(key, (0, 0, 0, 0))
            self.days[key] = (upscales + 1, charged + price, refunded + refunds.get(pk, 0), made + pixels)
            if is_enlarged:
                self.times[team, day, model, bucket_of((ended - began).total_seconds())] += 1


def count(upscales: Sequence[Upscale]) -> None:
    """Count upscales that have just ended. Call it in the transaction of their end, after their refunds if any."""
    with transaction.atomic():
        numbers = [upscale.pk for upscale in upscales]
        # Read anew: a person who was deleted in the meantime is gone from the row, not from the object.
        rows = Upscale.objects.filter(pk__in=numbers).order_by().values_list(*READ)
        tally = Tally()
        tally.add(rows, _refunds(CreditEntry.objects.filter(upscale__in=numbers)))
        for key, sums in sorted(tally.days.items(), key=str):
            _increase(UsageDay, dict(zip(DAY_KEY, key, strict=True)), dict(zip(DAY_SUMS, sums, strict=True)))
        for time_key, number in sorted(tally.times.items(), key=str):
            _increase(UsageTime, dict(zip(TIME_KEY, time_key, strict=True)), {"upscales": number})


def count_refund(upscale: Upscale) -> None:
    """Count what came back by hand for an upscale that ended before. Call it in the transaction of the refund."""
    tally = Tally()
    tally.add([Upscale.objects.values_list(*READ).get(pk=upscale.pk)], {})
    for key in tally.days:
        _increase(UsageDay, dict(zip(DAY_KEY, key, strict=True)), {"refunded": upscale.credits})


def _increase(model: type[models.Model], key: dict[str, Any], by: dict[str, int]) -> None:
    rows = model._default_manager.filter(**key).order_by("pk")

    def added() -> int:
        # By the first row's id: of people who were deleted there may be several rows alike, and one is enough.
        first = rows.values_list("pk", flat=True).first()
        return rows.filter(pk=first).update(**{name: F(name) + amount for name, amount in by.items()}) if first else 0

    if added():
        return
    try:
        with transaction.atomic():
            model._default_manager.create(**key, **by)
    except IntegrityError:
        # Another worker ended the day's first of this kind at the same moment: its row is there now.
        if not added():
            raise


def _refunds(entries: models.QuerySet[CreditEntry]) -> dict[int, int]:
    return dict(entries.filter(kind=CreditEntry.Kind.REFUND).values_list("upscale_id", "amount"))


def counted(team: Team) -> Tally:
    """What the team's rows say."""
    refunds = _refunds(CreditEntry.objects.filter(team=team))
    tally = Tally()
    ended = Upscale.objects.filter(team=team, status__in=Upscale.FINAL).order_by()
    tally.add(ended.values_list(*READ).iterator(BATCH), refunds)
    return tally


def stored(team: Team) -> Tally:
    """What the counts say."""
    days = UsageDay.objects.filter(team=team).values_list(*DAY_KEY).annotate(*map(Sum, DAY_SUMS)).order_by()
    times = UsageTime.objects.filter(team=team).values_list(*TIME_KEY).annotate(Sum("upscales")).order_by()
    width = len(DAY_KEY)
    return Tally(
        days={tuple(row[:width]): tuple(row[width:]) for row in days},
        times=Counter({tuple(row[:-1]): row[-1] for row in times}),
    )


def rebuild(team: Team) -> int:
    """Make a team's counts anew from its rows, also while the desk is at work. Returns how many upscales they hold.

    The ends of upscales wait meanwhile: some seconds for each 100,000 upscales of the team.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            # Whoever has counted already is done before we read, and whoever has not counts on top of ours.
            with connection.cursor() as cursor:
                for model in (UsageDay, UsageTime):
                    table = connection.ops.quote_name(model._meta.db_table)
                    cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        tally = counted(team)
        for stale in (UsageDay, UsageTime):
            stale._default_manager.filter(team=team).delete()
        _store(tally)
    return sum(sums[0] for sums in tally.days.values())


def _store(tally: Tally) -> None:
    """Write a whole tally as new rows."""
    days = (
        UsageDay(**dict(zip((*DAY_KEY, *DAY_SUMS), (*key, *sums), strict=True))) for key, sums in tally.days.items()
    )
    UsageDay.objects.bulk_create(days, batch_size=BATCH)
    times = (UsageTime(**dict(zip(TIME_KEY, key, strict=True)), upscales=number) for key, number in tally.times.items())
    UsageTime.objects.bulk_create(times, batch_size=BATCH)

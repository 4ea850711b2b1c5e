"""How long work will take, from how fast this desk was lately and what waits before it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.db.models import BigIntegerField, Count, F, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from upscaler import upscaling_models
from upscaler.models import Batch, Team, Upscale

SAMPLE = 300
"""Upscales that ended last, by which the speed is told."""


class Order(Protocol):
    """What an estimate needs to know of an order."""

    @property
    def model_name(self) -> str: ...
    @property
    def settings(self) -> Any: ...
    @property
    def source_size(self) -> tuple[int, int] | None: ...


@dataclass(frozen=True)
class Pace:
    """How fast one model's upscales were."""

    seconds_per_megapixel: float
    """Of the result, with the others at work beside it."""
    megapixels: float
    """Of a result on the average, for pictures whose size nobody knows yet."""


@dataclass(frozen=True)
class Speed:
    """How fast the desk's engine was lately."""

    paces: dict[str, Pace]
    at_once: float
    """Upscales that were at work at a time, on the average of the time when there was any."""

    def work(self, model_name: str, megapixels: float, unknown: int = 0) -> float:
        """Seconds that one slot works on results of so many megapixels, and on ``unknown`` pictures of no known size.

        A model that nobody has used yet counts like the slowest one that is known.
        """
        pace = self.paces.get(model_name) or max(self.paces.values(), key=lambda pace: pace.seconds_per_megapixel)
        return pace.seconds_per_megapixel * (megapixels + unknown * pace.megapixels)


def seconds(orders: Sequence[Order], *, team: Team | None = None, without: Batch | None = None) -> float | None:
    """How long until the last of ``orders`` is done if they are sent now; None where nothing is known of their model.

    What waits already counts as far as it comes first: all of it, or with ``team`` the share that teams and batches
    get beside each other. ``without`` leaves a batch out of what waits: the one that the orders are of.
    """
    measured = speed()
    if measured is None or any(order.model_name not in measured.paces for order in orders):
        return None
    own = sum(_work(measured, order) for order in orders)
    waiting = _waiting(measured, without)
    if team is None:
        return (own + sum(waiting.values())) / measured.at_once
    mine, others = 0.0, defaultdict[int, float](float)
    for (team_id, _), work in waiting.items():
        if team_id == team.pk:
            mine += min(work, own)
        else:
            others[team_id] += work
    of_team = own + mine
    return (of_team + sum(min(work, of_team) for work in others.values())) / measured.at_once


def speed() -> Speed | None:
    """The speed of the engine at work now, from what ended last and went through at once; None without any such."""
    ended = Upscale.objects.filter(status=Upscale.Status.DONE).order_by("-pk")
    columns = ("engine", "model_name", "failures", "started_at", "completed_at", "result_width", "result_height")
    # Cut first, so that a long past of another engine is not read to find these few.
    rows: list[Any] = list(ended.values_list(*columns, named=True)[:SAMPLE])
    worked, megapixels, count = defaultdict[str, float](float), defaultdict[str, float](float), Counter[str]()
    spans = []
    for row in rows:
        if row.engine == settings.ENGINE and not row.failures and row.started_at and row.result_width:
            spans.append((row.started_at, row.completed_at))
            worked[row.model_name] += (row.completed_at - row.started_at).total_seconds()
            megapixels[row.model_name] += row.result_width * row.result_height / 1e6
            count[row.model_name] += 1
    busy = _covered(spans)
    if busy <= 0:
        return None
    paces = {
        name: Pace(worked[name] / megapixels[name], megapixels[name] / count[name]) for name in worked if worked[name]
    }
    return Speed(paces, at_once=max(1.0, sum(worked.values()) / busy))


def _work(measured: Speed, order: Order) -> float:
    if order.source_size is None:
        return measured.work(order.model_name, 0, unknown=1)
    width, height = order.source_size
    factor = upscaling_models.factor(order.model_name, order.settings)
    return measured.work(order.model_name, width * height * factor**2 / 1e6)


def _waiting(measured: Speed, without: Batch | None) -> dict[tuple[int, int | None], float]:
    """Seconds of one slot's work that is open, by team and batch."""
    waiting = Upscale.objects.open().filter(engine=settings.ENGINE).order_by()
    if without is not None:
        waiting = waiting.exclude(batch=without)
    big = BigIntegerField()
    rows = waiting.values("team_id", "batch_id", "model_name", factor=KeyTextTransform("upscale_factor", "settings"))
    rows = rows.annotate(
        pixels=Sum(Cast(F("source_width"), big) * Cast(F("source_height"), big), default=0),
        count=Count("pk"),
        sized=Count("source_width"),
    )
    work = defaultdict[tuple[int, int | None], float](float)
    for row in rows:
        factor = upscaling_models.factor(row["model_name"], {"upscale_factor": row["factor"] or "4x"})
        megapixels = row["pixels"] * factor**2 / 1e6
        flow = (row["team_id"], row["batch_id"])
        work[flow] += measured.work(row["model_name"], megapixels, unknown=row["count"] - row["sized"])
    return work


def _covered(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Seconds in which at least one of the spans runs."""
    total, until = 0.0, None
    for begin, end in sorted(spans):
        if until is None or begin > until:
            total += (end - begin).total_seconds()
            until = end
        elif end > until:
            total += (end - until).total_seconds()
            until = end
    return total

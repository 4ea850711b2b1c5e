"""How fast this desk was lately, from the rows of what ended: all that is known of an engine elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from upscaler import upscaling_models
from upscaler.batches.waiting import Order, Waiting
from upscaler.models import Upscale

SAMPLE = 300
"""Upscales that ended last, by which the speed is told."""


@dataclass(frozen=True)
class Pace:
    """How fast one model's upscales were."""

    seconds_per_megapixel: float
    """Of the result, with the others at work beside it."""
    megapixels: float
    """Of a result on the average, for pictures whose size nobody knows yet."""


@dataclass(frozen=True)
class Speed:
    """How fast the desk's engine was lately: a `waiting.Clock`."""

    paces: dict[str, Pace]
    at_once: float
    """Upscales that were at work at a time, on the average of the time when there was any."""

    def orders(self, orders: Sequence[Order]) -> list[float] | None:
        """Seconds that one slot works on each; None where nothing is known of a model."""
        if any(order.model_name not in self.paces for order in orders):
            return None
        return [self._order(order) for order in orders]

    def group(self, group: Waiting) -> float:
        """Seconds that one slot works on all of them.

        A model that nobody has used yet counts like the slowest one that is known.
        """
        factor = upscaling_models.factor(group.model_name, group.settings)
        return self._work(group.model_name, group.pixels * factor**2 / 1e6, group.count - group.sized)

    def _order(self, order: Order) -> float:
        if order.source_size is None:
            return self._work(order.model_name, 0, unknown=1)
        width, height = order.source_size
        factor = upscaling_models.factor(order.model_name, order.settings)
        return self._work(order.model_name, width * height * factor**2 / 1e6)

    def _work(self, model_name: str, megapixels: float, unknown: int = 0) -> float:
        pace = self.paces.get(model_name) or max(self.paces.values(), key=lambda pace: pace.seconds_per_megapixel)
        return pace.seconds_per_megapixel * (megapixels + unknown * pace.megapixels)


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

"""What an estimate is asked about: orders, and what waits before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.db.models import BigIntegerField, Count, F, Sum
from django.db.models.functions import Cast

from upscaler.models import Batch, Upscale


class Order(Protocol):
    """What an estimate needs to know of an order."""

    @property
    def model_name(self) -> str: ...
    @property
    def settings(self) -> Any: ...
    @property
    def source_name(self) -> str: ...
    @property
    def requested_format(self) -> str: ...
    @property
    def source_size(self) -> tuple[int, int] | None: ...
    @property
    def source_facts(self) -> Any: ...
    @property
    def is_only_fitted(self) -> bool: ...


@dataclass(frozen=True)
class Waiting:
    """Open upscales of one team and batch that are ordered alike."""

    team_id: int
    batch_id: int | None
    model_name: str
    settings: Mapping[str, Any]
    requested_format: str
    count: int
    sized: int
    """Those of them whose source's size is known."""
    pixels: int
    """Of their sources, all together."""


class Clock(Protocol):
    """Tells how long one slot works."""

    @property
    def at_once(self) -> float:
        """How many slots work at a time."""
        ...

    def orders(self, orders: Sequence[Order]) -> list[float] | None:
        """Seconds for each, if they are done in this order; None where they can't be told."""
        ...

    def group(self, group: Waiting) -> float:
        """Seconds for all of them."""
        ...


def groups(without: Batch | None) -> Iterator[Waiting]:
    """All that is open at the engine at work now; ``without`` leaves one batch out."""
    waiting = Upscale.objects.open().filter(engine=settings.ENGINE).order_by()
    if without is not None:
        waiting = waiting.exclude(batch=without)
    big = BigIntegerField()
    rows = waiting.values("team_id", "batch_id", "model_name", "settings", "requested_format").annotate(
        pixels=Sum(Cast(F("source_width"), big) * Cast(F("source_height"), big), default=0),
        count=Count("pk"),
        sized=Count("source_width"),
    )
    for row in rows:
        yield Waiting(**row)

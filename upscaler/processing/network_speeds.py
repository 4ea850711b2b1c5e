"""How fast each network is on this desk's machines, learnt from every job that ends.

Two sums are kept for each step, of seconds and of work, in which a job of ``MEMORY`` jobs ago counts a third: a large
picture counts for more than a small one, and a machine that became faster is known after a few jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.db import Error, connection
from django.db.models import F
from django.utils import timezone

from upscaler.engines.base import Step, Timing, Timings
from upscaler.models import NetworkSpeed
from upscaler.picture_formats import FORMATS

logger = logging.getLogger(__name__)

MEMORY = 10
FADING = 1 - 1 / MEMORY

KEEP_SECONDS = {"JPEG": 0.015, "PNG": 0.024, "WEBP": 0.085}
"""For a megapixel of a result, until it was measured: to look at it, make its previews and store it."""
ENDINGS = {ending for known in FORMATS.values() for ending in known.endings}
KEEP_ALWAYS = 8
"""As many megapixels take what keeping a result of any size does."""


def keeping(pixels: int, result_format: str) -> Step:
    """What the desk itself does around the engine: bring the source, look at the result and store it."""
    return Step(f"keep {result_format}", pixels / 1e6 + KEEP_ALWAYS, KEEP_SECONDS.get(result_format, 0.05))


def kind(model_name: str, settings: Mapping[str, Any], source_name: str) -> str:
    """The name under which it is kept how orders like this one differ from their plan.

    They differ by what only the pictures tell: how much of them is plain white, how much is subject, which networks
    suit them. An ending that is none of a picture's, as in ``shirt.4711``, does not count: there is no end of those.
    """
    ending = PurePath(source_name).suffix.lower()
    chosen = [str(settings[key]) for key in ("enhance_model", "upscale_factor", "face_enhancement") if key in settings]
    return ", ".join(["order", model_name, *chosen, ending if ending in ENDINGS else ""])[:100]


def note(timings: Timings, *others: Timing, planned: Sequence[Step], kind: str) -> None:
    """Count what a job measured, and how it differed from its plan. A database that fails costs these figures only."""
    steps = [*timings.steps, *others]
    try:
        for timing in steps:
            _count(timing, timings)
        # At the speeds that count now, or a first job would teach twice how slow this machine is.
        told = measured().seconds(step for step in planned if not step.once)
        compiling = {step.name for step in planned if step.once}
        took = sum(timing.seconds for timing in steps if timing.name not in compiling)
        _count(Timing(kind, told, took), timings)
    except Error:
        logger.exception("how long a job took could not be noted")
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _count(timing: Timing, timings: Timings) -> None:
    if timing.work <= 0:
        return
    key = {"step": timing.name, "precision": timings.precision, "threads": timings.threads}
    now = timezone.now()
    counted = NetworkSpeed.objects.filter(**key).update(
        seconds=F("seconds") * FADING + timing.seconds,
        work=F("work") * FADING + timing.work,
        jobs=F("jobs") + 1,
        updated_at=now,
    )
    if not counted:
        first = NetworkSpeed(**key, seconds=timing.seconds, work=timing.work, jobs=1, updated_at=now)
        # Where another worker was first, its figure does.
        NetworkSpeed.objects.bulk_create([first], ignore_conflicts=True)


@dataclass(frozen=True)
class Speeds:
    """What was measured in the way that the newest job worked."""

    rates: Mapping[str, float]
    """Seconds for a unit of work, by step."""

    def seconds(self, steps: Iterable[Step], kind: str = "") -> float:
        """How long the steps take together, in an order of that kind."""
        steps = list(steps)
        ratio = self._ratio(steps)
        differs = self.rates.get(kind, 1.0)
        return sum(
            step.work * self.rates.get(step.name, step.usual * ratio) * (1.0 if step.once else differs)
            for step in steps
        )

    def _ratio(self, steps: Iterable[Step]) -> float:
        """How much slower than guessed this machine is, by the steps that are known; 1 where none is."""
        known = [step for step in steps if step.name in self.rates and not step.once]
        guessed = sum(step.work * step.usual for step in known)
        return sum(step.work * self.rates[step.name] for step in known) / guessed if guessed else 1.0


def measured() -> Speeds:
    """The figures as they are now; empty before the first job."""
    rows = list(NetworkSpeed.objects.order_by("-updated_at"))
    # After a change of LOCAL_THREADS or of the machine, the older figures say nothing any more.
    newest = [row for row in rows if (row.precision, row.threads) == (rows[0].precision, rows[0].threads)]
    return Speeds({row.step: row.rate for row in newest if row.work > 0})

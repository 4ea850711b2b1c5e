"""How fast each network is on this desk's machines, learnt from every job that ends.

Two sums are kept for each step, of seconds and of work, in which a job of ``MEMORY`` jobs ago counts a third. A job's
work is what it really had to do, without the tiles that were spared.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import geometric_mean

from django.conf import settings
from django.db import Error, connection
from django.db.models import F
from django.utils import timezone

from upscaler.engines.base import PlannedEngine, Step, Timing, Timings
from upscaler.models import NetworkSpeed

logger = logging.getLogger(__name__)

MEMORY = 10
FADING = 1 - 1 / MEMORY
ODD = 2.0
"""How many times slower or faster than known a job counts at most."""

KEEP_SECONDS = {"JPEG": 0.015, "PNG": 0.024, "WEBP": 0.085}
"""For a megapixel of a result, until it was measured: to look at it, make its previews and store it."""
KEEP_ALWAYS = 8
"""As many megapixels take what keeping a result of any size does."""


def keeping(pixels: int, result_format: str) -> Step:
    """What the desk itself does around the engine: bring the source, look at the result and store it."""
    return Step(f"keep {result_format}", pixels / 1e6 + KEEP_ALWAYS, KEEP_SECONDS.get(result_format, 0.05))


def note(timings: Timings, *others: Timing) -> None:
    """Count what a job measured. A database that fails costs these figures only."""
    try:
        for timing in (*timings.steps, *others):
            _count(timing, timings)
    except Error:
        logger.exception("how long a job took could not be noted")
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _count(timing: Timing, timings: Timings) -> None:
    if timing.work <= 0:
        return
    now = timezone.now()
    way = {"processor": timings.processor, "precision": timings.precision, "threads": timings.threads}
    rows = NetworkSpeed.objects.filter(step=timing.name, **way)
    work, seconds = timing.work, timing.seconds
    if (before := rows.first()) is not None and before.work > 0 and before.seconds > 0:
        # One odd job, a machine that was busy with something else, moves the figure by half at most; a machine that
        # has become another in earnest is known after a few.
        rate = min(max(seconds / work, before.rate / ODD), before.rate * ODD)
        work = min(work, before.work)
        seconds = rate * work
    counted = rows.update(
        seconds=F("seconds") * FADING + seconds, work=F("work") * FADING + work, jobs=F("jobs") + 1, updated_at=now
    )
    if not counted:
        first = NetworkSpeed(step=timing.name, **way, seconds=seconds, work=work, jobs=1, updated_at=now)
        # Where another worker was first, its figure does.
        NetworkSpeed.objects.bulk_create([first], ignore_conflicts=True)


@dataclass(frozen=True)
class Speeds:
    """What was measured in the way that the newest job worked."""

    rates: Mapping[str, float]
    """Seconds for a unit of work, by step."""
    usual_rates: Mapping[str, float]
    """As `PlannedEngine.usual_rates`."""

    def seconds(self, steps: Iterable[Step]) -> float:
        """How long the steps take together."""
        return sum(step.work * self._rate(step) for step in steps)

    def _rate(self, step: Step) -> float:
        if step.name in self.rates:
            return self.rates[step.name]
        # What is done once, compiling, is quick or slow by other things than networks are.
        return step.usual if step.once else step.usual * self._slowness

    @cached_property
    def _slowness(self) -> float:
        """How many times slower than guessed this machine is, by all networks that it has run; 1 before the first."""
        guessed = self.usual_rates
        known = [rate / guessed[name] for name, rate in self.rates.items() if rate and name in guessed]
        return geometric_mean(known) if known else 1.0


def measured(engine: PlannedEngine) -> Speeds:
    """The figures as they are now; empty before the first job.

    What another processor than this machine's has measured counts only where workers are other machines.
    """
    rows = list(NetworkSpeed.objects.order_by("-updated_at"))
    own = [row for row in rows if row.processor == engine.processor]
    if own or settings.TASK_BACKEND == "embedded":
        rows = own
    # After a change of LOCAL_THREADS or of the machine, the older figures say nothing any more.
    newest = [row for row in rows if row.way == rows[0].way]
    return Speeds({row.step: row.rate for row in newest if row.work > 0}, engine.usual_rates)

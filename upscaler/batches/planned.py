"""How long jobs will take on this machine: each step that a job is made of, at the speed that was measured for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.db.models import Avg, BigIntegerField, F
from django.db.models.functions import Cast
from django.utils import timezone

from upscaler import upscaling_models
from upscaler.batches.waiting import Order, Waiting
from upscaler.engines.base import PlannedEngine, Step
from upscaler.models import Upscale
from upscaler.processing import network_speeds

SAMPLE_FACTS = 40
"""Upscales that ended last, by which it is guessed what is not known of a source."""
SAMPLE = 300
"""Upscales that ended last, by which the size of pictures is guessed that nobody has seen yet."""
USUAL_NAME = "picture.jpg"
"""Of what waits: what most sources are. It decides about little but how the result is written."""


class Plans:
    """Tells the time of an engine that says what its jobs are made of: a `waiting.Clock`."""

    def __init__(self, engine: PlannedEngine) -> None:
        self._engine = engine
        self._speeds = network_speeds.measured(engine)
        self._steps = lru_cache(maxsize=None)(self._planned)

    @property
    def at_once(self) -> float:
        """The slots that are at work now, on all machines, and no fewer than this one has."""
        at_work = Upscale.objects.open().filter(engine=settings.ENGINE, lease_until__gt=timezone.now())
        # The embedded queue has this machine's workers alone.
        others = 0 if settings.TASK_BACKEND == "embedded" else at_work.exclude(source_file="").count()
        return float(max(settings.CPU_SLOTS, others))

    def orders(self, orders: Sequence[Order]) -> list[float] | None:
        """Seconds for each; None where a picture's size is not known and no other picture tells what is usual."""
        usual = None if all(order.source_size for order in orders) else self._usual_size()
        found, compiled = [], self._warm
        for order in orders:
            size = order.source_size or usual
            if size is None:
                return None
            steps = self._of(
                order.model_name,
                order.settings,
                size,
                order.source_name,
                order.requested_format,
                order.source_facts or {},
            )
            # What the picture before it needed too is warm.
            needed = (step for step in steps if not step.once or step.once not in compiled)
            found.append(self._speeds.seconds(needed))
            compiled = {step.once for step in steps}
        return found

    def group(self, group: Waiting) -> float:
        """Seconds for all of them, as if each were of their average size and all compiled."""
        if group.sized:
            side = max(1, round(math.sqrt(group.pixels / group.sized)))
            size: tuple[int, int] | None = (side, side)
        else:
            size = self._usual_size()
        if size is None:
            return 0.0
        steps = self._of(group.model_name, group.settings, size, USUAL_NAME, group.requested_format)
        return group.count * self._speeds.seconds(step for step in steps if not step.once)

    def _of(
        self,
        model_name: str,
        chosen: Mapping[str, Any],
        size: tuple[int, int],
        name: str,
        result_format: str,
        source_facts: Mapping[str, Any] | None = None,
    ) -> tuple[Step, ...]:
        # Only the ending, so that a batch of thousands is not planned one by one.
        ending = PurePath(name).suffix.lower()
        facts = json.dumps(source_facts or {}, sort_keys=True)
        return self._steps(model_name, json.dumps(chosen), size, f"picture{ending}", result_format, facts)

    def _planned(
        self, model_name: str, chosen: str, size: tuple[int, int], name: str, result_format: str, facts: str
    ) -> tuple[Step, ...]:
        settings_, known = json.loads(chosen), json.loads(facts)
        steps = self._engine.steps(
            model_name, settings_, size, name, result_format, source_facts=known, usual=self._usual
        )
        pixels = size[0] * size[1] * upscaling_models.factor(model_name, settings_) ** 2
        written = next((step.name.removeprefix("save ") for step in steps if step.name.startswith("save ")), "PNG")
        return (*steps, network_speeds.keeping(pixels, written))

    @cached_property
    def _warm(self) -> set[str]:
        """What the last picture has left compiled, where the next one comes to the same process for sure."""
        if settings.TASK_BACKEND != "embedded" or settings.CPU_SLOTS > 1:
            return set()
        done = Upscale.objects.filter(status=Upscale.Status.DONE, engine=settings.ENGINE, source_width__isnull=False)
        last = done.order_by("-pk").first()
        if last is None or last.source_size is None:
            return set()
        steps = self._of(
            last.model_name,
            last.settings,
            last.source_size,
            last.source_name,
            last.requested_format,
            last.source_facts or {},
        )
        return {step.once for step in steps}

    @cached_property
    def _usual(self) -> Any:
        """Of the sources that were enlarged last, by which those count that nobody has looked into."""
        last = Upscale.objects.filter(status=Upscale.Status.DONE, source_facts__isnull=False).order_by("-pk")
        return self._engine.usual([facts or {} for facts in last.values_list("source_facts", flat=True)[:SAMPLE_FACTS]])

    def _usual_size(self) -> tuple[int, int] | None:
        last = Upscale.objects.filter(status=Upscale.Status.DONE, source_width__isnull=False).order_by("-pk")
        big = BigIntegerField()
        area = Cast(F("source_width"), big) * Cast(F("source_height"), big)
        pixels = Upscale.objects.filter(pk__in=last.values("pk")[:SAMPLE]).aggregate(mean=Avg(area))["mean"]
        if pixels is None:
            return None
        side = max(1, round(math.sqrt(pixels)))
        return side, side

"""In the desk's processes: an engine that is quick, but for every few pictures, so that its child is there too."""

from __future__ import annotations

import os
import threading
from typing import Any

from django.apps import AppConfig
from django.conf import settings

from tests.support import quick_engine
from upscaler.engines.base import Finished, Order, Report
from upscaler.engines.local.engine import LocalEngine

REAL_EVERY = int(os.environ.get("CHAOS_REAL_EVERY", "15"))
STEPS = 4
PACE = float(os.environ.get("CHAOS_PACE", "0.1"))
"""Seconds for a step, so that there is a middle to be killed in."""
READ_TIMEOUT = 1.0
ADVANCE = LocalEngine.advance


def advance(engine: Any, order: Order, report: Report) -> Finished:
    """What `LocalEngine.advance` does."""
    if order.upscale_id % REAL_EVERY == 0:
        return ADVANCE(engine, order, report)
    pause = threading.Event()
    for number in range(STEPS):
        report(number / STEPS, "Enlarging")
        pause.wait(PACE)
    return quick_engine.advance(engine, order, report)


class Chaos(AppConfig):
    name = "tests.chaos"

    def ready(self) -> None:
        """See `advance`; and for a bucket that says nothing nobody waits as long as elsewhere."""
        setattr(LocalEngine, "advance", advance)  # noqa: B010
        if settings.MEDIA_URL_S3:
            from upscaler.storage import s3

            s3.READ_TIMEOUT = READ_TIMEOUT

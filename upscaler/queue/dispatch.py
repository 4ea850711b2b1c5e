"""Messages for what a transaction has just committed. Each is a wake-up: a lost one is sent again by the sweep."""

from __future__ import annotations

from collections.abc import Sequence

from upscaler.models import Upscale
from upscaler.queue import tasks


def upscales(rows: Sequence[Upscale]) -> None:
    """Wake the workers for new orders."""
    # Where the first can't be sent, the others would only wait for the same time-out.
    for row in rows:
        tasks.enqueue_step(row)

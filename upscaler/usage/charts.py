"""Where the parts of a chart lie; the templates draw them as SVG, and a table beside each says the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upscaler.usage.report import Line

HEIGHT = 100
SLOT = 10
"""Units of width that a day has; a quarter of it stays empty."""


@dataclass(frozen=True)
class Bar:
    """One day. All in units of the drawing, ``y`` from the top."""

    x: float
    before_y: float
    before_height: float
    """Of the bar of the month before, which stands behind."""
    done_y: float
    done_height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True)
class DayChart:
    """Bars for the days of a month."""

    bars: list[Bar]
    days: int
    width: int
    top: int
    """How many upscales the full height stands for."""


def day_chart(days: Sequence[Line], slots: int) -> DayChart:
    """Bars for ``days``, in a drawing with room for ``slots``."""
    top = _round_up(max((max(day.now.ended, day.before.ended) for day in days), default=0))
    bars = []
    for number, day in enumerate(days):
        done, failed = HEIGHT * day.now.done / top, HEIGHT * day.now.failed / top
        bars.append(
            Bar(
                x=number * SLOT + SLOT / 8,
                before_y=round(HEIGHT - HEIGHT * day.before.ended / top, 2),
                before_height=round(HEIGHT * day.before.ended / top, 2),
                done_y=round(HEIGHT - done, 2),
                done_height=round(done, 2),
                failed_y=round(HEIGHT - done - failed, 2),
                failed_height=round(failed, 2),
            )
        )
    return DayChart(bars=bars, days=slots, width=slots * SLOT, top=top)


def _round_up(number: int) -> int:
    """The next number that is easy to read: 2, 4, 6, 8, 10, 12, 15, 20 ... 80, 100, 120, 150 ..."""
    size = 10 ** max(len(str(number)) - 2, 0)
    return size * next(
        step for step in (2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100) if number <= step * size
    )


def share(part: int, of: int) -> float:
    """A bar's length in percent of the longest."""
    return round(100 * part / of, 1) if of else 0.0

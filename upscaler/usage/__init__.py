"""Counts of what ended, and the reports that are read from them.

- `counts`: the only writer of the counts.
- `verification`: the counts compared with the rows that they count.
- `report`: what a month came to.
- `charts`: where the bars of a report lie.
"""

from upscaler.usage.counts import count, count_refund, rebuild
from upscaler.usage.verification import verify

__all__ = ["count", "count_refund", "rebuild", "verify"]

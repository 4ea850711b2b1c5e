"""What is kept of a source with its row: what the engine found in it, so that the time of an order can be told.

Plain JSON for the desk. It holds what decides which networks do the work, and how much of each step the picture takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import mean, median
from typing import Any

from upscaler.engines.local.back_projection import SHRINKS
from upscaler.engines.local.resample import Kernel
from upscaler.engines.local.source_facts import SourceFacts, looked_at_by
from upscaler.upscaling_models import versioned

KERNELS: Mapping[str, Kernel] = {kernel.name: kernel for kernel in SHRINKS}


@dataclass(frozen=True)
class Known:
    """What is known of one source so far."""

    is_opened: bool = False
    """Whether somebody has opened the file, so that ``jpeg_quality`` is known."""
    jpeg_quality: int | None = None
    """From 1 to 100; None for what is no JPEG."""
    precision: str = ""
    """In which the networks looked at it; empty where they have not, and ``shrink`` and ``is_averaged`` say nothing."""
    shrink: Kernel | None = None
    is_averaged: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)
    """By `Step.key`: how much of the step the picture takes, from 0 to 1, its tiles of one colour left out."""

    @classmethod
    def read(cls, kept: Mapping[str, Any] | None) -> Known:
        """From JSON. Of what another version of the engine found no more counts than the JPEG's quality."""
        kept = kept or {}
        known = cls("jpeg_quality" in kept, kept.get("jpeg_quality"))
        if kept.get("engine") != versioned("local"):
            return known
        shrink = KERNELS.get(kept["shrink"] or "")
        return replace(
            known,
            precision=kept["precision"],
            shrink=shrink,
            is_averaged=kept["is_averaged"],
            shares=dict(kept["shares"]),
        )

    def kept(self) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = {"jpeg_quality": self.jpeg_quality} if self.is_opened else {}
        if self.precision:
            found |= {
                "engine": versioned("local"),
                "precision": self.precision,
                "shrink": self.shrink.name if self.shrink else None,
                "is_averaged": self.is_averaged,
                "shares": {key: round(share, 4) for key, share in self.shares.items()},
            }
        return found

    def facts(self, width: int, height: int, jpeg_quality: int | None, precision: str) -> SourceFacts | None:
        """The facts of the source, of that size and quality; None where they have to be found in that precision."""
        if not precision or self.precision != precision or self.jpeg_quality != jpeg_quality:
            return None
        return SourceFacts(width, height, jpeg_quality, self.shrink, self.is_averaged)

    def with_found(self, facts: SourceFacts, precision: str, shares: Mapping[str, float]) -> Known:
        """With what a look or a job found. What is known of other orders of the same source stays."""
        before = self.shares if self.precision == precision else {}
        return Known(True, facts.jpeg_quality, precision, facts.shrink, facts.is_averaged, {**before, **shares})


LIKELY_QUALITY = 90
"""Of a JPEG that nobody has looked into: of those that cameras and shops write, most are between 83 and 95."""


@dataclass(frozen=True)
class Usual:
    """What sources mostly are, by those that were looked at last."""

    jpeg_quality: int = LIKELY_QUALITY
    averaged: Mapping[bool, float] = field(default_factory=dict)
    """For JPEGs (True) and others: the chance that a source was shrunk by averaging, where it can tell."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """By `Step.key`, the mean of `Known.shares`."""

    @classmethod
    def of(cls, kept: Iterable[Mapping[str, Any]]) -> Usual:
        """The mean of what was kept of some sources."""
        seen = [known for known in map(Known.read, kept) if known.precision]
        qualities = [known.jpeg_quality for known in seen if known.jpeg_quality is not None]
        averaged, shares = defaultdict[bool, list[bool]](list), defaultdict[str, list[float]](list)
        for known in seen:
            if looked_at_by(known.jpeg_quality):
                averaged[known.jpeg_quality is not None].append(known.is_averaged)
            for key, share in known.shares.items():
                shares[key].append(share)
        return cls(
            round(median(qualities)) if qualities else LIKELY_QUALITY,
            # As if one more were half so: a single source says little.
            {is_jpeg: (sum(found) + 0.5) / (len(found) + 1) for is_jpeg, found in averaged.items()},
            {key: mean(found) for key, found in shares.items()},
        )

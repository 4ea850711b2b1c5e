"""What an engine is: the one interface behind which the work of enlarging a picture is done.

Engines import no models and no views: they get an ``Order`` and give back a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Report = Callable[[float, str], None]
"""``report(fraction, text)``: fraction from 0 to 1, text in plain words. May raise to stop the work."""


@dataclass(frozen=True)
class Order:
    """One upscale as an engine sees it: plain values, no database."""

    upscale_id: int
    model_name: str
    settings: Mapping[str, Any]
    """Complete: every setting of the model, defaults filled in."""
    source_path: Path
    """The source picture on this machine's disk."""
    work_dir: Path
    """An empty folder for this attempt; removed after it."""
    result_format: str | None = None
    """JPEG, PNG or WEBP; None for the source's own, as far as that is one of these."""
    engine_id: str | None = None
    """The engine's own id of the job, once ``start`` has given one."""


@dataclass(frozen=True)
class Pending:
    """The engine is still at it: ask again after ``retry_after`` seconds."""

    retry_after: float
    progress: float | None = None


@dataclass(frozen=True)
class Finished:
    """The enlarged picture, as a file inside the order's ``work_dir``."""

    path: Path
    format: str
    """Pillow's name of the format: JPEG, PNG or WEBP."""
    width: int
    height: int
    result_id: int | None = None
    """The engine's own id of the result; None where it has none."""
    made_with: Mapping[str, Any] = field(default_factory=dict)
    """What made it, for the record: networks, precision, seconds; ``notes`` are sentences that the page shows."""


class EngineError(Exception):
    """An engine could not do the work.

    ``message`` is for people: what went wrong and what to do. ``code`` is for programs and tests.
    A ``permanent`` error is not tried again.
    """

    def __init__(self, message: str, *, code: str, permanent: bool) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.permanent = permanent


class Engine(Protocol):
    """What every engine offers."""

    name: str
    """As stored with each upscale: ``local`` or ``uwear``."""
    advice: Mapping[str, str]
    """By setting, what people should know about it with this engine; the page says so."""
    queue: str
    """The queue that ``advance`` belongs on: ``cpu`` for heavy work here, ``io`` for talking to others."""

    def check(self) -> None:
        """Raises EngineError where the engine could not work at all: what is missing, and what to do."""
        ...

    def start(self, order: Order) -> str | None:
        """Hand the work over. Returns the engine's own id of the job, None where it has none.

        Raises EngineError.
        """
        ...

    def advance(self, order: Order, report: Report) -> Pending | Finished:
        """Do the work, or ask how it stands.

        Raises EngineError.
        """
        ...

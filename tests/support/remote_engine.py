"""A remote engine of another vendor, in memory: it takes every order and does what a test tells it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.test import override_settings

from upscaler import engines
from upscaler.engines.base import (
    EngineError,
    Finished,
    KnownResult,
    Limits,
    Order,
    Pending,
    RemoteEngine,
    Report,
    SamePicture,
)
from upscaler.models import Upscale

NAME = "fable"
ADDRESS = "http://api.fable.example"


class FableEngine:
    """Each of its calls can be made to fail: ``faults["start"] = away()``."""

    name = NAME
    model_names: Sequence[str] = ("recraft", "topaz")
    title = "Fable"
    advice: Mapping[str, str] = {}
    preselected: Mapping[str, Any] = {}
    idle: Mapping[str, Mapping[str, Any]] = {}
    same_pictures: Sequence[SamePicture] = ()
    queue = "io"
    setup_hint = "Set FABLE_KEY."
    address_setting = "FABLE_URL"
    address = ADDRESS

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As new: one instance serves the whole process."""
        self.limits = Limits(
            slots=1,
            call_time=timedelta(seconds=1),
            settle_time=timedelta(0),
            job_time=timedelta(hours=1),
            outage_time=timedelta(hours=2),
            breaker_failures=1,
        )
        self.faults: dict[str, EngineError] = {}
        self.next_id = "1"
        self.started: list[int] = []
        self.job: str | None = None
        self.result: KnownResult | None = None

    def _fail(self, call: str) -> None:
        if call in self.faults:
            raise self.faults[call]

    def check(self) -> None:
        self._fail("check")

    def reach(self) -> None:
        self._fail("reach")

    def start(self, order: Order) -> str:
        self.started.append(order.upscale_id)
        self._fail("start")
        return self.next_id

    def advance(self, order: Order, report: Report) -> Pending | Finished:
        self._fail("advance")
        return Pending(5)

    def find_job(self, order: Order) -> str | None:
        self._fail("find_job")
        return self.job

    def find_result(self, result_id: int) -> KnownResult | None:
        self._fail("find_result")
        return self.result

    def reference_of(self, engine_id: str) -> Mapping[str, Any]:
        return {}


def order_of(upscale: Upscale) -> Order:
    """The upscale as it is handed to an engine; nothing here looks at its files."""
    return Order(upscale.pk, upscale.model_name, upscale.settings, source_path=Path(), work_dir=Path())


def away(**facts: Any) -> EngineError:
    """What it raises while it does not answer."""
    return EngineError("No answer.", code=f"{NAME}_away", permanent=False, unavailable=True, **facts)


def doubtful() -> EngineError:
    """What it raises where it may never have had the job."""
    return EngineError("Never heard of it.", code=f"{NAME}_lost", permanent=False, doubtful=True)


@contextmanager
def serving() -> Iterator[FableEngine]:
    """A desk whose engine it is."""
    with (
        patch.dict(engines.ENGINES, {NAME: f"{__name__}.FableEngine"}),
        override_settings(ENGINE=NAME, PUBLIC_URL="https://upscaler.example.com"),
    ):
        engine = engines.get_engine(NAME)
        assert isinstance(engine, RemoteEngine)
        assert isinstance(engine, FableEngine)
        engine.reset()
        yield engine

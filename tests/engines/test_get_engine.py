"""Which engine a name gives, and that it is set up as the settings say."""

from __future__ import annotations

import os
from typing import Any

import pytest

from upscaler.engines import get_engine
from upscaler.engines.local.engine import LocalEngine


def local() -> LocalEngine:
    """One that is set up anew; the process keeps its own."""
    engine = get_engine.__wrapped__("local")
    assert isinstance(engine, LocalEngine)
    return engine


@pytest.mark.parametrize(("slots", "asked", "threads"), [(1, 0, 8), (3, 0, 2), (16, 0, 1), (3, 5, 5)])
def test_the_slots_share_the_cores_out(
    monkeypatch: pytest.MonkeyPatch, settings: Any, slots: int, asked: int, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    settings.LOCAL_THREADS = asked
    settings.CPU_SLOTS = slots
    before = dict(os.environ)
    assert local().threads == threads
    assert dict(os.environ) == before


def test_the_local_engine_is_set_up_as_the_settings_say(settings: Any) -> None:
    settings.LOCAL_PRECISION = "bf16"
    settings.LOCAL_TIME_LIMIT = 7
    engine = local()
    assert (engine.precision, engine.time_limit) == ("bf16", 7)
    assert get_engine("local") is get_engine("local")


def test_there_is_no_other_engine() -> None:
    with pytest.raises(LookupError, match="Engines: local, uwear"):
        get_engine("magic")

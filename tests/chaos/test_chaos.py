"""A short run of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import run

pytestmark = pytest.mark.processes


def test_nothing_is_lost_or_charged_twice(tmp_path: Path) -> None:
    report = run("embedded", tmp_path, upscales=12, least_kills=2, pause=0.5, seed=5)
    assert report.problems == []
    assert report.upscales >= 12
    # Else nothing was interrupted, and the run has shown nothing.
    assert report.kills >= 2

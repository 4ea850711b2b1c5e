"""A short run of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import run

pytestmark = pytest.mark.processes


def test_nothing_is_lost_or_charged_twice(tmp_path: Path) -> None:
    report = run("embedded", tmp_path, upscales=24, least_kills=4, pause=1.0, seed=5)
    assert report.problems == []
    assert report.upscales >= 24
    assert report.kills >= 4
    # Else nothing was interrupted, and the run has shown nothing.
    assert report.answers

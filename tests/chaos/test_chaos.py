"""Short runs of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import namespaces
from tests.chaos.run import BUCKET, HOSTS, run
from tests.support import services_available

pytestmark = pytest.mark.processes


def test_nothing_is_lost_or_charged_twice(tmp_path: Path) -> None:
    report = run("embedded", tmp_path, upscales=12, least_kills=2, pause=0.5, seed=5)
    assert report.problems == []
    assert report.upscales >= 12
    # Else nothing was interrupted, and the run has shown nothing.
    assert report.kills >= 2


def test_nothing_is_lost_with_a_bucket_that_is_away_at_times(tmp_path: Path) -> None:
    if not (services_available.postgres() and services_available.rabbitmq()):
        pytest.skip("PostgreSQL or RabbitMQ does not answer")
    report = run(BUCKET, tmp_path, upscales=24, least_kills=8, pause=0.5, seed=5)
    assert report.problems == []
    assert report.upscales >= 24
    assert any(name.startswith("the bucket is") for name in report.done)


@pytest.mark.allow_hosts(["127.0.0.1", "::1", "localhost", f"{namespaces.NET}.0/24"])
def test_nothing_is_done_twice_by_hosts_that_are_cut_off(tmp_path: Path) -> None:
    if reason := namespaces.why_not():
        pytest.skip(f"no hosts can be made here: {reason}")
    if not (services_available.postgres() and services_available.rabbitmq()):
        pytest.skip("PostgreSQL or RabbitMQ does not answer")
    report = run(HOSTS, tmp_path, upscales=24, least_kills=8, pause=0.5, seed=5)
    assert report.problems == []
    assert report.upscales >= 24
    assert report.kills >= 8

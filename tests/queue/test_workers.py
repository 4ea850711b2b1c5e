"""Which worker processes are alive, and what people and balancers are told where none is."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from upscaler.health import metrics
from upscaler.models import WorkerProcess
from upscaler.queue import workers
from upscaler.queue.workers import NoWorkers, Presence


def last_seen(seconds_ago: float, *queues: str) -> None:
    """Workers of the queues that said something so long ago."""
    for queue in queues:
        worker = Presence(queue, f"{queue}-1")
        worker.say()
        WorkerProcess.objects.filter(pk=worker.worker_id).update(
            seen_at=timezone.now() - timedelta(seconds=seconds_ago)
        )


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what a page found counts for some seconds."""
    monkeypatch.setattr(workers, "KEEP_FOR", 0.0)
    monkeypatch.setattr(workers, "_last", None)


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process was not started just now."""
    monkeypatch.setattr(workers, "_began", time.monotonic() - 61)


def test_a_desk_whose_workers_say_that_they_are_alive_is_ready(db: None, long_ago: None) -> None:
    last_seen(30, "cpu", "io")
    assert workers.missing() is None
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["workers"]) == (200, "ok")


def test_after_a_minute_without_one_the_desk_is_not_ready_and_names_the_queue(db: None) -> None:
    last_seen(10, "io")
    last_seen(61, "cpu")
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["ready"] is False
    assert answer.json()["workers"].startswith("no worker of cpu has been alive since ")
    assert "manage.py runworker" in answer.json()["workers"]


def test_by_setting_a_desk_without_workers_is_ready_and_says_so(db: None, settings: object) -> None:
    settings.READY_WITHOUT_WORKERS = True  # type: ignore[attr-defined]
    last_seen(61, "cpu", "io")
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["workers"].startswith("ok, but no worker of cpu and io has been alive since ")


def test_a_fresh_desk_is_given_a_minute(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers.missing() is None
    monkeypatch.setattr(workers, "_began", time.monotonic() - 61)
    assert workers.missing() == NoWorkers(("cpu", "io"), None)
    assert Client().get("/readyz").json()["workers"].startswith("no worker of cpu and io is alive. ")


def test_with_a_remote_engine_only_those_are_needed_that_talk_to_it(
    db: None, long_ago: None, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENGINE = "uwear"  # type: ignore[attr-defined]
    settings.UWEAR_API_KEY = "key"  # type: ignore[attr-defined]
    last_seen(1, "io")
    assert workers.missing() is None


@pytest.mark.parametrize("path", ["/", "/history/"])
def test_pages_say_that_pictures_wait_until_a_worker_is_back(owner: Person, path: str) -> None:
    last_seen(3600, "cpu", "io")
    page = owner.client.get(path).content.decode()
    assert "No worker has been running since" in page
    assert "your pictures wait for one. Nothing is lost" in page
    Presence("io", "io-2").say()
    assert "No worker that enlarges pictures has been running since" in owner.client.get(path).content.decode()
    Presence("cpu", "cpu-2").say()
    assert "No worker" not in owner.client.get(path).content.decode()


def test_open_pages_are_told_too(owner: Person) -> None:
    assert 'id="worker-banner"' in owner.client.get("/history/live/").content.decode()
    last_seen(3600, "cpu", "io")
    assert "No worker has been running since" in owner.client.get("/history/live/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_worker_says_so_while_it_works_and_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "BEAT_SECONDS", 0.01)
    with Presence("cpu", "cpu-1"):
        deadline = time.monotonic() + 30
        first = None
        while time.monotonic() < deadline:
            row = WorkerProcess.objects.filter(pk="cpu-1").first()
            first = first or row
            if row and first and row.seen_at > first.seen_at:
                break
        assert row is not None and first is not None and row.seen_at > first.seen_at
        assert (row.queue, row.release, row.stopped_at) == ("cpu", settings.RELEASE, None)
        assert row.engine.startswith("local, CPU, ")
        assert [worker.pk for worker in workers.alive()] == ["cpu-1"]
    assert not workers.alive().exists()
    assert WorkerProcess.objects.get().stopped_at is not None


def test_pages_ask_for_it_once_in_a_while(
    db: None, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(workers, "KEEP_FOR", 5.0)
    with django_assert_num_queries(1):
        assert [workers.recently_missing() for _ in range(100)] == [None] * 100


def test_rows_of_workers_that_are_long_gone_go_as_another_comes(db: None) -> None:
    last_seen(2 * 24 * 3600, "cpu")
    last_seen(3600, "io")
    Presence("cpu", "cpu-2").say()
    assert {row.pk for row in WorkerProcess.objects.all()} == {"cpu-2", "io-1"}


def test_prometheus_counts_those_that_are_alive(db: None) -> None:
    last_seen(61, "cpu")
    last_seen(1, "io")
    text = metrics.text().decode()
    assert 'upscaler_alive_workers{queue="cpu"} 0.0' in text
    assert 'upscaler_alive_workers{queue="io"} 1.0' in text

"""The page System: how the desk is, for staff alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from django.utils import timezone

from tests.conftest import Person
from upscaler.health.overview import overview
from upscaler.models import EngineState, Upscale, WorkerProcess
from upscaler.processing import lifecycle
from upscaler.queue.workers import Presence


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_user("operator", is_staff=True))
    return client


def page_of(client: Client) -> str:
    answer = client.get("/system/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_desk_at_rest_says_what_is_there_and_what_is_not(staff: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    page = page_of(staff)
    assert "Everything that the desk needs is there." in page
    assert "Pictures wait until one is started: <code>manage.py runworker</code>." in page
    assert "None waits, and none is at work." in page
    assert "Not set up: e-mails are printed on the workers’ console. Set <code>EMAIL_URL</code>." in page
    assert "All migrations are applied." in page
    assert "% full:" in page


def test_workers_are_named_with_what_they_run_and_those_that_went_silent(staff: Client) -> None:
    with override_settings(RELEASE="old"):
        Presence("cpu", "cpu-1").say()
    Presence("io", "io-1").say()
    Presence("io", "io-2").say()
    Presence("io", "io-3").say(is_last=True)
    WorkerProcess.objects.filter(pk="io-2").update(seen_at=timezone.now() - timedelta(minutes=5))
    desk = overview()
    assert [worker.pk for worker in desk.workers] == ["cpu-1", "io-1"]
    assert [worker.pk for worker in desk.gone] == ["io-2"]
    assert desk.release.endswith("here, and workers with old")
    assert "Workers that went silent in the last day" in page_of(staff)


def test_the_queue_is_counted_by_lane(staff: Client, order: Callable[..., Upscale]) -> None:
    order()
    first = order(name="b.jpg")
    lifecycle.claim(first.pk)
    [lane] = overview().lanes
    assert (lane.name, lane.queue, lane.waiting, lane.running) == ("local", "cpu", 1, 1)
    assert lane.oldest is not None
    assert "none is at work" not in page_of(staff)


def test_what_is_wrong_is_said_with_what_to_do(staff: Client, settings: Any) -> None:
    settings.MEDIA_ROOT = "/dev/null/media"
    page = page_of(staff)
    assert "Something that the desk needs is missing." in page
    assert "Can&#x27;t be written" in page


def test_an_engine_that_does_not_answer_is_shown_with_its_pause(staff: Client) -> None:
    now = timezone.now()
    EngineState.objects.create(
        pk="uwear", failures=3, failing_since=now - timedelta(minutes=5), retry_at=now + timedelta(minutes=1)
    )
    assert "3 calls in a row without an answer, since" in page_of(staff)


def test_only_staff_see_it_and_find_it(owner: Person, staff: Client) -> None:
    assert owner.client.get("/system/").status_code == 403
    assert "/system/" not in owner.client.get("/").content.decode()
    assert 'href="/system/"' in page_of(staff)

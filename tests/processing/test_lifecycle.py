"""Claims and leases: one worker at a time, and a stale one writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler.models import Upscale
from upscaler.processing import lifecycle, worker_step


def test_a_message_too_many_does_nothing(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    worker_step.step(upscale.pk)
    again = Upscale.objects.get(pk=upscale.pk)
    assert (again.attempt, again.result_file) == (1, upscale.result_file)
    assert owner.balance == 99


def test_only_one_worker_gets_the_claim(order: Callable[..., Upscale]) -> None:
    upscale = order()
    assert lifecycle.claim(upscale.pk) is not None
    assert lifecycle.claim(upscale.pk) is None


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_one_gets_the_claim(order: Callable[..., Upscale]) -> None:
    upscale = order()
    claims = at_once(8, lambda: lifecycle.claim(upscale.pk))
    assert len([found for found in claims if found is not None]) == 1


def test_a_worker_that_lost_its_claim_writes_nothing(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    stale = lifecycle.claim(upscale.pk)
    assert stale is not None
    Upscale.objects.filter(pk=upscale.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    fresh = lifecycle.claim(upscale.pk)
    assert fresh is not None
    assert (fresh.attempt, fresh.failures) == (2, 1)
    for write in (
        lambda: lifecycle.progress(stale, 0.9, "late"),
        lambda: lifecycle.release(stale, due_in=0),
        lambda: lifecycle.finish(stale, result_file="x.jpg"),
        lambda: lifecycle.fail(stale, message="late", code="late"),
    ):
        with pytest.raises(lifecycle.ClaimLost):
            write()
    fresh.refresh_from_db()
    assert (fresh.status, fresh.progress, fresh.result_file.name) == ("Ongoing", 0.0, "")
    assert owner.balance == 99


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_kept_alive_while_the_work_goes_on(order: Callable[..., Upscale]) -> None:
    upscale = lifecycle.claim(order().pk)
    assert upscale is not None
    before = upscale.lease_until
    renewed = threading.Event()
    update = lifecycle._held

    def noted(row: Upscale) -> Any:
        renewed.set()
        return update(row)

    with override_settings(LEASE_SECONDS=0.3), pytest.MonkeyPatch.context() as patched:
        patched.setattr(lifecycle, "_held", noted)
        Upscale.objects.filter(pk=upscale.pk).update(lease_until=before - timedelta(hours=1))
        with lifecycle.Heartbeat(upscale) as heartbeat:
            assert renewed.wait(10)
        assert heartbeat.lost is False
    assert Upscale.objects.get(pk=upscale.pk).lease_until > before - timedelta(hours=1)


def test_what_was_released_can_t_be_held_on_to(order: Callable[..., Upscale]) -> None:
    upscale = lifecycle.claim(order().pk)
    assert upscale is not None
    lifecycle.release(upscale, due_in=0)
    assert lifecycle._held(upscale).update(lease_until=timezone.now() + timedelta(hours=1)) == 0
    assert lifecycle.claim(upscale.pk) is not None


def test_a_picture_that_kills_its_worker_ends_in_error(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    with override_settings(MAX_FAILURES=3):
        for attempt in (1, 2, 3):
            assert lifecycle.claim(upscale.pk) is not None, attempt
            # What is left of a worker that died: a lease that nobody keeps alive.
            Upscale.objects.filter(pk=upscale.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert lifecycle.claim(upscale.pk) is None
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_code) == ("Error", "gave_up")
    assert "stopped 3 times" in upscale.error_message
    assert owner.balance == 100

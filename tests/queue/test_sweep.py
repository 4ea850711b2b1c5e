"""What is lost is found again, and what nobody needs is removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.processing.test_worker_step import messages, raising
from tests.support import pictures, webserver
from upscaler.models import DraftItem, Upscale, media_storage
from upscaler.ordering import submission
from upscaler.processing import lifecycle, worker_step
from upscaler.queue import supervisor, sweep, tasks
from upscaler.storage import cleanup


def test_a_queue_that_is_away_loses_nothing(
    owner: Person, upload: Callable[..., Any], django_capture_on_commit_callbacks: Any
) -> None:
    with pytest.MonkeyPatch.context() as patched, django_capture_on_commit_callbacks(execute=True):
        patched.setattr(type(tasks.work), "enqueue", raising(OSError("the broker is away")))
        assert owner.submit(image=upload()).status_code == 302
    assert Upscale.objects.get().status == "Created"
    assert messages() == []
    assert sweep.sweep() == 1
    assert messages() == [("cpu", False)]


def test_lost_messages_are_found_and_standing_ones_not_sent_again(
    order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(30):
        order()
    caplog.clear()
    with override_settings(CPU_SLOTS=3):
        assert sweep.sweep() == 3, "as many as there are workers"
        for _ in range(40):
            assert sweep.sweep() == 0
        assert [record.getMessage() for record in caplog.records] == ["sweep: wake-ups sent: cpu 3, io 0"]
        DBTaskResult.objects.first().delete()
        assert sweep.sweep() == 1
    assert messages() == [("cpu", False)] * 3


def test_the_sweep_leaves_a_live_lease_alone_and_finds_a_dead_one(order: Callable[..., Upscale]) -> None:
    upscale = lifecycle.claim(order().pk)
    assert upscale is not None
    with time_machine.travel(upscale.lease_until - timedelta(seconds=1)):
        assert sweep.sweep() == 0
    with time_machine.travel(upscale.lease_until + timedelta(seconds=1)):
        assert sweep.sweep() == 1


def test_a_sweep_while_the_queue_is_away_loses_no_time(
    order: Callable[..., Upscale], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        order()
    caplog.clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(tasks.work), "enqueue", raising(OSError("the broker is away")))
        assert sweep.sweep() == 0
    assert len(caplog.records) == 1, "one line, however much waits"
    assert sweep.sweep() == 1
    assert messages() == [("cpu", False)]


def test_the_sweep_leaves_ended_work_alone(done: Callable[..., Upscale]) -> None:
    done()
    assert sweep.sweep(timezone.now() + timedelta(days=30)) == 0


def test_files_that_nobody_ordered_are_removed_after_two_days(
    owner: Person, done: Callable[..., Upscale], upload: Callable[..., Any], tmp_path: Any
) -> None:
    with override_settings(MEDIA_ROOT=str(tmp_path)):
        upscale = done()
        owner.submit(generation_result_id=str(upscale.result_id))
        kept = {path for path in tmp_path.rglob("*") if path.is_file()}
        headers = {"Authorization": f"Bearer {owner.token}"}
        assert owner.client.post("/api/v1/uploads", {"file": upload()}, headers=headers).status_code == 201
        assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(kept) + 2
        assert cleanup.remove_orphans(timezone.now() + timedelta(hours=47)) == 0
        assert cleanup.remove_orphans(timezone.now() + timedelta(hours=49)) == 2
        assert {path for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_a_source_that_was_fetched_in_vain_is_not_left_behind(owner: Person, tmp_path: Any) -> None:
    with webserver.serving({"/a.jpg": webserver.body(pictures.jpeg())}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host], MEDIA_ROOT=str(tmp_path)):
            owner.submit(image_url=f"http://{host}/a.jpg")
            upscale = Upscale.objects.get()
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(lifecycle, "record", raising(lifecycle.ClaimLost(upscale.pk)))
                worker_step.step(upscale.pk)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_ended_messages_are_pruned_and_those_of_a_dead_worker_closed(db: None) -> None:
    rows = [DBTaskResult.objects.get(pk=tasks.work.enqueue("cpu").id) for _ in range(3)]
    rows[0].set_successful(None)
    rows[1].claim("cpu-dead")
    supervisor.fail_task_rows_of("cpu-dead")
    rows[1].refresh_from_db()
    assert rows[1].status == "FAILED"
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        supervisor.prune_task_rows()
    assert list(DBTaskResult.objects.values_list("pk", flat=True)) == [rows[2].pk]


def test_what_was_sent_with_a_submit_that_failed_waits_in_the_draft(owner: Person, upload: Callable[..., Any]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(submission.credits, "charge", raising(OSError(28, "No space left on device")))
        answer = owner.submit(image=upload())
    assert answer.status_code == 422
    assert "Nothing was charged" in answer.content.decode()
    assert not Upscale.objects.exists()
    [item] = DraftItem.objects.all()
    assert media_storage().exists(item.file)

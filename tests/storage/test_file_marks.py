"""Stored files are read by a worker, once, and none is lost: what they say of themselves, and their sums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.support import pictures
from tests.support.waiting import quick, single, worked
from upscaler.models import FileMark, Upscale, media_storage
from upscaler.queue import sweep, tasks
from upscaler.storage import file_marks


def messages() -> int:
    return DBTaskResult.objects.filter(task_path=tasks.read_files.module_path).count()


def test_each_result_is_read_after_it_is_done(owner: Person) -> None:
    with quick():
        upscale = single(owner)
        worked(1)
    upscale.refresh_from_db()
    mark = FileMark.objects.get()
    assert (mark.file, mark.upscale, mark.read_at) == (upscale.result_file.name, upscale, None)
    assert messages() == 1
    assert tasks.wake_reading() == 0, "one stands there"
    tasks.read_files.call()
    mark.refresh_from_db()
    assert mark.is_read and mark.digest == upscale.result_digest
    assert mark.source_type == "algorithmicallyEnhanced" and not mark.credentials
    assert not file_marks.step()


@pytest.fixture
def noted(order: Callable[..., Upscale]) -> FileMark:
    """A file that waits to be read."""
    path = media_storage().save("results/2026/01/old.jpg", ContentFile(pictures.jpeg((30, 20))))
    assert [mark.read_at for mark in file_marks.known({path: order().pk}).values()] == [None]
    return FileMark.objects.get()


def test_a_lost_message_is_sent_again(noted: FileMark) -> None:
    sweep.sweep()
    sweep.sweep()
    assert messages() == 1


def test_a_storage_that_is_away_is_tried_again_and_given_up_in_the_end(
    noted: FileMark, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OSError("the storage is away")

    with time_machine.travel(timezone.now(), tick=False) as clock:
        with monkeypatch.context() as patched:
            patched.setattr(FileSystemStorage, "_open", away)
            for _ in range(file_marks.MAX_ATTEMPTS):
                assert file_marks.step()
                assert not file_marks.step(), "it is left alone for a while"
                clock.shift(file_marks.LEASE + timedelta(seconds=1))
            assert file_marks.step() and not file_marks.step()
        noted.refresh_from_db()
        assert (noted.problem, noted.is_read) == (FileMark.Problem.UNREADABLE, False)
        # Whoever asks for it an hour later has it tried again.
        assert file_marks.known({noted.file: noted.upscale_id})[noted.file].problem
        assert not file_marks.step()
        clock.shift(file_marks.AGAIN_AFTER + timedelta(seconds=1))
        assert file_marks.known({noted.file: noted.upscale_id})[noted.file].read_at is None
        assert file_marks.step()
    noted.refresh_from_db()
    assert noted.is_read and noted.digest


def test_what_is_no_picture_has_its_sum_all_the_same(noted: FileMark) -> None:
    path = media_storage().save("results/2026/01/text.jpg", ContentFile(b"no picture"))
    FileMark.objects.filter(pk=noted.pk).update(file=path)
    assert file_marks.step() and not file_marks.step()
    noted.refresh_from_db()
    assert noted.problem == FileMark.Problem.UNREADABLE
    assert noted.digest == hashlib.sha256(b"no picture").hexdigest()


def test_of_two_workers_one_reads_it(noted: FileMark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_marks, "_read", lambda mark: None)
    assert file_marks.step(), "and it has not ended yet"
    assert not file_marks.step()

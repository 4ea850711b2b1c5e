"""A worker that dies at any step: the next one goes on, nothing is lost, paid twice or put back twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.watching.conftest import Watched, result_of
from upscaler.batches import draft_items, draft_order
from upscaler.models import Upscale, WatchedFile, WatchedFolder, WatchedResult
from upscaler.queue import broker
from upscaler.queue.supervisor import Supervisor
from upscaler.watching import batching, folder_place, holding, looking, putting, taking, tasks, work


class Killed(BaseException):
    """Nothing but the end of the process comes after it."""


def kill_at(patch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> list[bool]:
    """Die once, before or ``after`` the call."""
    call, died = getattr(owner, name), []

    def dying(*args: Any, **kwargs: Any) -> Any:
        if died:
            return call(*args, **kwargs)
        if after:
            call(*args, **kwargs)
        died.append(True)
        raise Killed

    patch.setattr(owner, name, dying)
    return died


STEPS: list[tuple[Any, str]] = [
    (looking, "_note"),
    (taking, "_take"),
    (draft_items, "add_picture"),
    (batching, "settle_judged"),
    (draft_order, "order"),
    (batching, "_ordered"),
    (putting, "_of_result"),
    (folder_place.FolderPlace, "holds"),
    (folder_place, "_rename"),
    (folder_place.FolderPlace, "put"),
    (putting, "_put"),
    (holding.Hold, "release"),
]


# The moment before a call is that after the one before it, but for these.
KILLS = [(*step, True) for step in STEPS] + [(draft_order, "order", False), (folder_place, "_rename", False)]


@pytest.mark.parametrize(
    ("owner_of", "name", "after"), KILLS, ids=[f"{'after' if after else 'before'} {name}" for _, name, after in KILLS]
)
def test_a_worker_that_dies_there(watched: Watched, owner_of: Any, name: str, after: bool) -> None:
    folder = watched.begin(template="{name}_{n}")
    content = watched.drop("a.jpg")
    watched.drop("b.jpg")
    watched.drop("twin.jpg", content)
    with pytest.MonkeyPatch.context() as patch:
        died = kill_at(patch, owner_of, name, after=after)
        for _ in range(8):
            try:
                watched.look()
                watched.enlarge()
            except Killed:
                # Nobody else takes it while its lease runs.
                WatchedFolder.objects.update(due_at=timezone.now() - timedelta(seconds=1))
                if WatchedFolder.objects.exclude(lease_until=None).exists():
                    assert not work.step()
                WatchedFolder.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert died
    assert Upscale.objects.count() == 2 and watched.head.balance == 98
    by_name = {upscale.source_name: result_of(upscale) for upscale in Upscale.objects.all()}
    put = watched.put()
    assert len(put) == 3 and sorted(put.values()) == sorted([*by_name.values(), by_name["a.jpg"]])
    assert set(watched.states().values()) == {"ordered"}
    folder.refresh_from_db()
    assert folder.problem == "" and folder.lease_until is None


def test_a_half_that_was_left_is_written_over(watched: Watched) -> None:
    watched.begin()
    watched.drop("a.jpg")
    watched.look(2)
    watched.enlarge()
    digest = hashlib.sha256(result_of(Upscale.objects.get())).hexdigest()
    (watched.incoming / "done").mkdir()
    left = watched.incoming / "done" / f".{digest[:24]}{folder_place.UNFINISHED}"
    left.write_bytes(b"half of")
    watched.look()
    assert watched.put() == {"a.jpg": result_of(Upscale.objects.get())}


def test_on_a_share_without_hard_links_nothing_is_overwritten_either(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: Any, **kwargs: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    watched.begin()
    watched.drop("a.jpg")
    (watched.incoming / "done").mkdir()
    (watched.incoming / "done" / "a.jpg").write_bytes(b"theirs")
    watched.look(2)
    watched.enlarge()
    watched.look()
    assert watched.put() == {"a.jpg": b"theirs", "a (2).jpg": result_of(Upscale.objects.get())}


def test_a_lost_lease_stops_the_first_worker_before_it_puts_anything(watched: Watched) -> None:
    watched.begin()
    watched.drop("a.jpg")
    watched.look(2)
    watched.enlarge()
    WatchedFolder.objects.update(due_at=timezone.now())
    hold = holding.claim()
    assert hold is not None
    WatchedFolder.objects.update(lease_until=timezone.now() + timedelta(minutes=9))
    with pytest.raises(holding.Lost):
        putting.put_back(hold, None, float("inf"))  # type: ignore[arg-type]
    assert not WatchedResult.objects.exclude(put_at=None).exists()


def test_an_overdue_folder_gets_one_message_and_no_more(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = watched.begin()
    count: Callable[[], int] = lambda: broker.waiting_messages("folders")  # noqa: E731
    assert count() == 1  # From the form.
    assert tasks.wake() == 0
    watched.head.client.post(f"/watched-folders/{folder.pk}/look/")
    assert count() == 1
    watched.drop("a.jpg")
    tasks.watch_folders.func()
    assert WatchedFile.objects.count() == 1


def test_workers_wake_up_for_it_and_a_queue_that_is_away_fails_no_page(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Supervisor] = []
    monkeypatch.setattr(Supervisor, "run", lambda self: begun.append(self))
    call_command("runworker")
    assert tasks.wake in [chore.work for chore in begun[0].more_chores]

    def away(*args: Any) -> int:
        raise OSError("no broker")

    monkeypatch.setattr(broker, "waiting_messages", away)
    folder = watched.begin()
    assert watched.head.client.post(f"/watched-folders/{folder.pk}/look/").status_code == 302

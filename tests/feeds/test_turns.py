"""Whose turn it is: between teams, between the checks of one, and between checks that ask the same host."""

from __future__ import annotations

import itertools
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from tests.conftest import Person
from tests.support import webserver
from tests.support.feed_pages import begun, google, picture, ranged, worked
from upscaler.feeds import measuring, records, turns, work
from upscaler.feeds.records import Hold
from upscaler.models import FeedCheck, FeedHost
from upscaler.queue import tasks

JUST = picture((500, 500))


def claimed() -> Hold:
    hold = turns.claim()
    assert hold is not None
    return hold


def test_two_workers_never_take_the_same_check_and_turns_go_round_the_teams(owner: Person, outsider: Person) -> None:
    mine = [begun(owner) for _ in range(3)]
    theirs = begun(outsider)
    one, two = claimed(), claimed()
    assert [one.check.pk, two.check.pk] == [mine[0].pk, theirs.pk], "a place for each team"
    assert turns.claim() is None and turns.is_one_kept_waiting(), "as many as may be worked on at once"
    order = []
    for hold in (one, two):
        hold.release()
    for _ in range(6):
        hold = claimed()
        order.append(hold.check.pk)
        hold.release()
    assert order == [mine[1].pk, theirs.pk, mine[2].pk, theirs.pk, mine[0].pk, theirs.pk]
    with time_machine.travel(timezone.now() + timedelta(seconds=1), tick=False):
        one, two = claimed(), claimed()
    assert {one.check.pk, two.check.pk} == {mine[1].pk, theirs.pk}


def test_a_check_that_rests_holds_up_none_of_its_team(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [begun(owner) for _ in range(turns.TEAM_AT_ONCE + 2)]
    taken = []
    monkeypatch.setattr(turns, "AT_WORK", len(checks))
    while (hold := turns.claim()) is not None:
        taken.append(hold)
    assert [hold.check.pk for hold in taken] == [check.pk for check in checks[: turns.TEAM_AT_ONCE]]
    taken[0].release(due_in=3600)
    assert claimed().check.pk == checks[turns.TEAM_AT_ONCE].pk, "it makes room for the next one"
    assert turns.claim() is None
    taken[1].end(FeedCheck.Status.DONE)
    assert claimed().check.pk == checks[-1].pk


def test_checks_of_the_same_host_ask_it_in_turn_and_no_worker_waits_for_it(
    owner: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, str]] = []
    slept = [0.0]
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (slept.append(seconds), sleep(seconds)))

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append((time.monotonic(), handler.path[1]))
        ranged(JUST)(handler)

    pages: dict[str, webserver.Answer] = {f"/{name}{number}.jpg": answer for name in "ab" for number in range(3)}
    pages["/robots.txt"] = webserver.body(b"User-agent: *\nCrawl-delay: 0.4\n")
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        checks = [
            begun(owner, google((f"{name}{number}", [f"http://{host}/{name}{number}.jpg"]) for number in range(3)))
            for name in "ab"
        ]
        ends_at = time.monotonic() + 60
        while FeedCheck.objects.filter(status__in=FeedCheck.OPEN).exists():
            assert time.monotonic() < ends_at
            if work.step() is None:
                time.sleep(0.02)
    for check in checks:
        check.refresh_from_db()
        assert (check.status, check.counts["channels"]["google"]["below_minimum"]) == ("Done", 0)
    moments = [moment for moment, _ in asked]
    assert min(later - earlier for earlier, later in itertools.pairwise(moments)) > 0.2
    assert "".join(name for _, name in asked) in ("ababab", "aababb"), "neither waits until the other has ended"
    assert max(slept) <= measuring.MAX_WAIT, "a rest is for other checks"
    assert not FeedHost.objects.filter(check_of__isnull=False).exists()
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        turns.forget_hosts()
    assert not FeedHost.objects.exists()


def test_a_host_that_a_killed_worker_asked_is_free_again(owner: Person) -> None:
    killed, other, third = begun(owner), begun(owner), begun(owner)
    hold = claimed()
    assert hold.check == killed and turns.take_hosts(killed, ["shop.example"]) == {"shop.example": None}
    assert turns.take_hosts(other, ["shop.example", "a.example"]) == {"a.example": None}
    assert turns.take_hosts(third, ["shop.example"]) == {}
    assert FeedHost.objects.get(name="shop.example").queue == [other.pk, third.pk]
    with time_machine.travel(timezone.now() + records.LEASE + timedelta(seconds=1), tick=True):
        assert turns.take_hosts(third, ["shop.example"]) == {}, "the other was there before"
        assert list(turns.take_hosts(other, ["shop.example"])) == ["shop.example"]
        FeedCheck.objects.filter(pk=third.pk).update(due_at=timezone.now() + timedelta(hours=1))
        later = timezone.now() + timedelta(seconds=30)
        turns.release_hosts(other, {"shop.example": later})
        third.refresh_from_db()
        assert third.due_at == later, "who is next is woken when the host may be asked"
        assert records.stop(third) and list(turns.take_hosts(killed, ["shop.example"])) == ["shop.example"]
    turns.release_hosts(killed, {"shop.example": timezone.now()})
    turns.release_hosts(other, {"a.example": timezone.now()})
    assert not FeedHost.objects.exists()


def test_a_short_rest_has_a_message_for_its_end(owner: Person, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    check = begun(owner)
    later = DBTaskResult.objects.filter(task_path=tasks.check_feeds.module_path, run_after__gt=timezone.now())
    for due_in, expected in ((2.0, 1), (3600.0, 0)):
        DBTaskResult.objects.all().delete()
        monkeypatch.setattr(measuring, "measure", lambda hold, due_in=due_in: due_in)
        FeedCheck.objects.filter(pk=check.pk).update(due_at=timezone.now())
        tasks.check_feeds.call()
        assert later.filter(run_after__year__lt=9999).count() == expected
    monkeypatch.undo()
    FeedCheck.objects.filter(pk=check.pk).update(due_at=timezone.now())
    assert worked(check).status == "Done"

"""Who is next among what is fetched, handed over and followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures, remote_engine, webserver
from tests.support.remote_engine import FableEngine, away
from tests.support.waiting import batch, quick, single, standing, teams_of, worked
from upscaler.models import EngineState, Upscale
from upscaler.processing import lifecycle, ranks
from upscaler.queue import fairness, sweep, tasks

NOWHERE = "https://slow.example/a.jpg"


@pytest.fixture
def fable() -> Iterator[FableEngine]:
    with remote_engine.serving() as engine:
        yield engine


@pytest.fixture
def shop() -> Iterator[str]:
    """The address of a picture that can be had."""
    with webserver.serving({"/a.jpg": webserver.body(pictures.jpeg((24, 20)))}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            yield f"http://{host}/a.jpg"


def has_ids(engine: FableEngine) -> Iterator[None]:
    """Each order that the engine takes gets a number of its own."""
    for number in range(1, 100):
        engine.next_id = str(number)
        yield


def test_fetches_take_turns_and_line_up_for_the_engine(owner: Person, outsider: Person, shop: str) -> None:
    batch(owner, 8, shop)
    assert teams_of(worked(4, "io")) == "aaaa"
    batch(outsider, 4, shop)
    assert sorted(teams_of(worked(4, "io"))) == list("aarr")
    # What is fetched waits for the engine, in turn with what was uploaded.
    fetched = Upscale.objects.filter(lane="local").order_by("pk")
    assert [row.rank for row in fetched.filter(team=owner.team)] == list(range(6))
    with quick():
        mine = single(owner)
        assert mine in worked(4)


def test_a_team_whose_shops_are_slow_does_not_hold_up_another(owner: Person, outsider: Person) -> None:
    batch(owner, 100, NOWHERE)
    theirs = single(outsider, NOWHERE)
    with override_settings(FETCHES_PER_TEAM=2):
        taken = [fairness.take("io") for _ in range(fairness.IO_SLOTS)]
    fetches = [upscale for upscale in taken if upscale is not None]
    assert theirs in fetches
    assert sorted(teams_of(fetches)) == list("aar"), "and one worker stays free of fetches"
    assert sweep.sweep() == 0, "nobody is woken in vain"


def test_polls_are_not_held_up_by_a_long_queue_of_fetches(
    fable: FableEngine, owner: Person, outsider: Person, shop: str
) -> None:
    followed = single(owner)
    assert worked(1, "io") == [followed]
    assert standing("io") == 1, "for the next poll alone"
    batch(outsider, 50, shop)
    batch(owner, 50, shop)
    # Not before its time.
    assert followed not in worked(2, "io")
    with time_machine.travel(timezone.now() + timedelta(seconds=6)):
        assert worked(1, "io") == [followed]


def test_no_more_is_taken_up_than_the_engine_has_slots_for(fable: FableEngine, owner: Person, outsider: Person) -> None:
    ids = has_ids(fable)
    rows = batch(owner, 6)
    next(ids)
    assert worked(1, "io") == [rows[0]]
    theirs = single(outsider)
    # The slot is taken: nobody is woken to be sent away, and nobody waits as if something had gone wrong.
    assert fairness.take("io") is None
    assert fairness.ready("io", 9) == 0
    for upscale in (theirs, rows[1]):
        first = Upscale.objects.get(lane="follow", status="Ongoing")
        with time_machine.travel(timezone.now() + timedelta(seconds=6), tick=False):
            claimed = lifecycle.claim(first.pk)
        assert claimed is not None
        lifecycle.fail(claimed, message="It is over.", code="test")
        assert fairness.ready("io", 9) == 1
        next(ids)
        assert worked(1, "io") == [upscale]


def test_an_order_that_never_arrived_comes_back_to_its_place(fable: FableEngine, owner: Person) -> None:
    rows = batch(owner, 4)
    fable.limits = replace(fable.limits, breaker_failures=9)
    fable.faults["start"] = away()
    assert worked(1, "io") == rows[:1]
    fable.faults.clear()
    row = Upscale.objects.get(pk=rows[0].pk)
    assert (row.lane, row.rank) == ("fable", 0)
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        assert worked(1, "io") == rows[:1]


def test_while_the_engine_is_down_one_at_a_time_finds_out(fable: FableEngine, owner: Person) -> None:
    batch(owner, 50)
    fable.faults["start"] = away()
    assert worked(1, "io")
    for _ in range(3):
        assert fairness.take("io") is None
    assert Upscale.objects.filter(attempt__gt=0).count() == 1
    EngineState.objects.update(retry_at=timezone.now())
    assert worked(1, "io")
    assert fairness.take("io") is None
    # An outage that lasts too long ends them all, not one in each pause.
    with time_machine.travel(timezone.now() + timedelta(hours=3)):
        EngineState.objects.update(retry_at=timezone.now() + timedelta(minutes=5))
        Upscale.objects.update(created_at=timezone.now() - timedelta(hours=3))
        assert worked(5, "io")
        assert Upscale.objects.filter(error_code="fable_outage").count() == 5


def test_what_waits_for_a_moment_gets_few_messages_of_its_own(owner: Person) -> None:
    with webserver.serving({"/a.jpg": webserver.body(b"", 429, Retry_After="90")}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            batch(owner, tasks.MAX_ALARMS + 10, f"http://{host}/a.jpg")
            worked(tasks.MAX_ALARMS + 10, "io")
    assert tasks.MAX_ALARMS <= standing("io") <= tasks.MAX_ALARMS + fairness.IO_SLOTS
    # The others are found by the sweep.
    with time_machine.travel(timezone.now() + timedelta(seconds=91)):
        assert fairness.ready("io", 99) == fairness.IO_SLOTS - 1


def test_one_that_died_after_its_source_was_fetched_goes_on_at_the_engine(owner: Person, shop: str) -> None:
    upscale = single(owner, shop)
    assert worked(1, "io") == [upscale]
    # As if it had been killed right before it let go.
    past = timezone.now() - timedelta(seconds=1)
    Upscale.objects.update(lane=ranks.FETCH, lease_until=past, not_before=None)
    assert fairness.take("io") is None
    with quick():
        assert worked(1, "cpu") == [upscale]
    upscale.refresh_from_db()
    assert upscale.status == "Done"

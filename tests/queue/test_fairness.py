"""Who is next, over the real orders, claims and workers' steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person, _person
from tests.support.concurrency import at_once
from tests.support.waiting import batch, quick, single, standing, teams_of, worked
from upscaler import credits
from upscaler.models import Lane, Team, Turn, Upscale
from upscaler.processing import lifecycle, worker_step
from upscaler.queue import fairness, sweep

MANY = 5_000


@pytest.fixture(autouse=True)
def without_networks() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture
def third(db: None) -> Person:
    team = Team.objects.create(name="Maison", slug="maison")
    credits.grant(team=team, amount=100, note="start")
    return _person("third", team)


def test_another_team_s_picture_is_next_whatever_waits_before_it(owner: Person, outsider: Person) -> None:
    batch(owner, MANY)
    worked(3)
    at_hand = [fairness.take("cpu") for _ in range(2)]
    theirs = single(outsider)
    assert worked(1) == [theirs]
    assert teams_of([upscale for upscale in at_hand if upscale]) == "aa"
    assert teams_of(worked(2)) == "aa"


def test_three_teams_get_every_third_turn(owner: Person, third: Person, outsider: Person) -> None:
    for person, size in ((owner, 30), (third, 4), (outsider, 4)):
        batch(person, size)
    in_turn = teams_of(worked(12))
    assert in_turn == in_turn[:3] * 4
    assert sorted(in_turn[:3]) == list("amr")
    assert teams_of(worked(2)) == "aa"


def test_in_one_team_a_single_picture_waits_for_two_of_a_batch_at_most(owner: Person, teammate: Person) -> None:
    rows = batch(owner, 50)
    worked(7)
    mine = single(teammate)
    assert mine in worked(3)
    # Several take turns with the batch.
    later = [single(teammate) for _ in range(3)]
    assert [upscale in later for upscale in worked(7)].count(True) == 3
    assert [upscale.pk for upscale in worked(2)] == [rows[13].pk, rows[14].pk]


def test_batches_take_turns_and_those_of_one_are_single_orders(owner: Person) -> None:
    long, short = batch(owner, 9), batch(owner, 3)
    ones = [batch(owner, 1)[0] for _ in range(4)]
    flows = {"long": long, "short": short, "ones": ones}
    names = [next(name for name, rows in flows.items() if upscale in rows) for upscale in worked(9)]
    assert names == ["long", "short", "ones"] * 3
    assert [upscale in long for upscale in worked(2)].count(True) == 1


def test_a_team_that_was_idle_gets_no_credit_and_no_punishment(owner: Person, outsider: Person) -> None:
    single(outsider)
    worked(1)
    batch(owner, 20)
    assert teams_of(worked(8)) == "a" * 8
    # It has had one turn against eight, and may not make up for it; nor does the other have to.
    batch(outsider, 20)
    assert teams_of(worked(8)) in ("ra" * 4, "ar" * 4)


def test_a_batch_that_comes_later_gets_no_credit_within_its_team(owner: Person) -> None:
    first = batch(owner, 30)
    worked(10)
    second = batch(owner, 30)
    assert [upscale in second for upscale in worked(10)].count(True) == 5
    assert [upscale in first for upscale in worked(10)].count(True) == 5


def test_a_picture_whose_worker_was_killed_goes_on_next(owner: Person, outsider: Person) -> None:
    batch(owner, 100)
    batch(outsider, 100)
    worked(4)
    dead = fairness.take("cpu")
    assert dead is not None and dead.lease_until is not None
    with time_machine.travel(dead.lease_until - timedelta(seconds=1)):
        assert dead not in worked(2)
    with time_machine.travel(dead.lease_until + timedelta(seconds=1)):
        assert worked(1) == [dead]
    dead.refresh_from_db()
    assert (dead.status, dead.attempt, dead.failures) == ("Done", 2, 1)


def test_what_kills_its_worker_each_time_does_not_keep_the_others_waiting(owner: Person) -> None:
    batch(owner, 3)
    with override_settings(MAX_FAILURES=2):
        for days in (0, 1, 2):
            with time_machine.travel(timezone.now() + timedelta(days=days)):
                taken = fairness.take("cpu")
    assert taken is not None and taken.attempt == 1, "the first has ended in Error, and the next was taken at once"
    assert Upscale.objects.filter(error_code="gave_up").count() == 1


def test_a_long_order_sends_few_wake_ups_and_each_job_the_next_one(
    owner: Person, django_capture_on_commit_callbacks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        batch(owner, MANY)
    assert standing() == 1, "as many as there are workers"
    with django_capture_on_commit_callbacks(execute=True):
        single(owner)
    caplog.clear()
    for _ in range(5):
        assert worked(1)
        sweep.sweep()
        assert standing() == 1
    assert not [record for record in caplog.records if "sweep" in record.getMessage()]


def test_the_last_job_leaves_no_wake_up_behind(owner: Person) -> None:
    batch(owner, 2)
    worked(2)
    assert standing() == 1, "the first one's, for the second"
    worked(0)
    assert sweep.sweep() == 0
    assert fairness.take("cpu") is None


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_take_one_row_and_keep_the_turns(owner: Person, outsider: Person) -> None:
    batch(owner, 30)
    batch(outsider, 30)
    taken = [upscale for upscale in at_once(8, lambda: fairness.take("cpu")) if upscale is not None]
    assert len({upscale.pk for upscale in taken}) == 8
    assert sorted(teams_of(taken)) == list("aaaarrrr")


def test_what_waits_for_a_moment_or_has_ended_is_passed_over(owner: Person) -> None:
    paused, ended, third = (single(owner) for _ in range(3))
    claimed = lifecycle.claim(paused.pk)
    assert claimed is not None
    lifecycle.release(claimed, due_in=60)
    claimed = lifecycle.claim(ended.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It did not work.", code="test")
    assert worked(1) == [third]
    assert fairness.take("cpu") is None
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert worked(1) == [paused]


def test_a_team_s_pictures_that_fail_in_passing_hold_up_nobody(owner: Person, outsider: Person) -> None:
    for upscale in batch(owner, 5):
        claimed = lifecycle.claim(upscale.pk)
        assert claimed is not None
        lifecycle.release(claimed, due_in=60, failures=1)
    theirs = batch(outsider, 2)
    assert worked(2) == theirs
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        more = batch(outsider, 3)
        # One turn at once for who comes back, and then by turns.
        assert teams_of(worked(7)).count("r") == 3
    assert all(Upscale.objects.get(pk=upscale.pk).status == "Done" for upscale in more)


def test_who_picks_asks_few_questions(owner: Person, outsider: Person, django_assert_max_num_queries: Any) -> None:
    batch(owner, 200)
    batch(outsider, 200)
    fairness.take("cpu")
    # The lock, who died, who is next; the claim and its row; the turn and the time; and the savepoint's two.
    with django_assert_max_num_queries(9):
        assert fairness.take("cpu") is not None


BEFORE, AFTER = [("upscaler", "0018_batches")], [("upscaler", "0019_fair_turns")]


@pytest.mark.django_db(transaction=True)
def test_what_waited_in_an_old_database_keeps_its_order(
    owner: Person, outsider: Person, done: Callable[..., Upscale]
) -> None:
    ended = done()
    mine, theirs = [single(owner) for _ in range(3)], [single(outsider) for _ in range(2)]
    fetched = single(owner, "https://shop.example/a.jpg")
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        MigrationExecutor(connection).migrate(BEFORE)
        MigrationExecutor(connection).migrate(AFTER)
        assert not Lane.objects.exists()
    finally:
        MigrationExecutor(connection).migrate(latest)
    ranks = {row.pk: (row.lane, row.flow, row.rank) for row in Upscale.objects.all()}
    assert ranks[ended.pk] == ("", 0, None)
    assert [ranks[row.pk] for row in mine] == [("local", 0, rank) for rank in range(3)]
    assert [ranks[row.pk] for row in theirs] == [("local", 0, rank) for rank in range(2)]
    assert ranks[fetched.pk] == ("fetch", 0, 0)
    assert Turn.objects.count() == 3
    assert [upscale.pk for upscale in worked(5)] == [mine[0].pk, theirs[0].pk, mine[1].pk, theirs[1].pk, mine[2].pk]
    # And what comes now lines up behind.
    assert single(owner).rank == 2
    assert worker_step.step(fetched.pk) is not None

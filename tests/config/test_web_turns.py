"""Requests take turns: a few are worked on at once, and whoever takes long holds up nobody."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from config import web_turns
from config.web_turns import Turns

SOON = 10
"""Seconds that a test waits at most."""


class Work:
    """Requests are numbers. Each is begun, and ends once it may."""

    def __init__(self, threads: int) -> None:
        self.begun: SimpleQueue[int] = SimpleQueue()
        self.may_end = [threading.Event() for _ in range(50)]
        self.pool = ThreadPoolExecutor(threads)
        self.turns = Turns(self.pool, self._work)

    def _work(self, number: Any) -> None:
        self.begun.put(number)
        assert self.may_end[number].wait(SOON)

    def add(self, *numbers: Any) -> None:
        for number in numbers:
            self.turns.add(number)

    def next(self, count: int) -> list[int]:
        return [self.begun.get(timeout=SOON) for _ in range(count)]


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work(threads=8)
    yield made
    for event in made.may_end:
        event.set()
    made.pool.shutdown()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time that turns go by, in a list of one."""
    now = [1_000.0]
    monkeypatch.setattr(web_turns.time, "monotonic", lambda: now[0])
    yield now
    monkeypatch.undo()


def test_two_are_worked_on_and_the_next_begin_as_they_end(work: Work, clock: list[float]) -> None:
    work.add(0, 1, 2, 3, 4)
    assert sorted(work.next(2)) == [0, 1]
    assert work.turns.is_busy
    work.turns.begin()
    assert work.begun.empty()
    work.may_end[1].set()
    assert work.next(1) == [2]
    work.may_end[0].set()
    assert work.next(1) == [3]
    assert work.begun.empty()


def test_whoever_takes_long_holds_up_nobody(work: Work, clock: list[float]) -> None:
    work.add(0, 1, 2, 3)
    work.next(2)
    assert 0 < work.turns.seconds_to_next() <= web_turns.LONG_SECONDS
    clock[0] += web_turns.LONG_SECONDS
    assert work.turns.seconds_to_next() == 0
    work.turns.begin()
    assert sorted(work.next(2)) == [2, 3]
    assert work.turns.seconds_to_next() == math.inf
    # The two that took long end, and take no turn of another's.
    work.add(4, 5)
    work.may_end[0].set()
    work.may_end[1].set()
    work.may_end[2].set()
    assert work.next(1) == [4]
    assert work.begun.empty()


def test_more_long_ones_than_threads_wait_for_a_thread(work: Work, clock: list[float]) -> None:
    work.add(*range(20))
    for _ in range(10):
        clock[0] += 1
        work.turns.begin()
    assert sorted(work.next(8)) == list(range(8))
    assert work.begun.empty()
    for event in work.may_end:
        event.set()
    assert work.next(12) == list(range(8, 20))


def test_all_are_worked_on_once_whoever_adds_them() -> None:
    done: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        turns = Turns(pool, done.append)  # type: ignore[arg-type]
        with ThreadPoolExecutor(4) as adding:
            list(adding.map(lambda number: turns.add(number), range(2_000)))  # type: ignore[arg-type]
        deadline = time.monotonic() + SOON
        while len(done) < 2_000 and time.monotonic() < deadline:
            turns.begin()
    assert sorted(done) == list(range(2_000))
    assert not turns.is_busy

"""Few requests are worked on at once, and whoever takes long holds up nobody."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pytest

from config import web_limiter
from config.web_limiter import LONG_SECONDS, Limiter

SOON = 10
"""Seconds that a test waits at most."""


class Threads(Executor):
    """Threads that begin what they were given when the test says so, and go on until the work waits."""

    def __init__(self) -> None:
        self.given: list[Callable[[], Any]] = []

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.given.append(lambda: call(*args, **kwargs))


class Desk:
    """Requests are numbers, and worked on in no time, unless ``during`` has something to do meanwhile."""

    def __init__(self) -> None:
        self.threads = Threads()
        self.done: list[int] = []
        self.during: dict[int, Callable[[], Any]] = {}
        self.limiter = Limiter(self.threads, self._work)

    def _work(self, number: Any) -> None:
        self.during.pop(number, lambda: None)()
        self.done.append(number)

    def add(self, *numbers: Any) -> None:
        for number in numbers:
            self.limiter.add(number)

    def run(self, count: int) -> None:
        for _ in range(count):
            self.threads.given.pop(0)()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time that the limiter goes by, in a list of one."""
    now = [1_000.0]
    monkeypatch.setattr(web_limiter.time, "monotonic", lambda: now[0])
    yield now
    monkeypatch.undo()


def test_two_are_worked_on_and_their_threads_go_on_with_the_next(desk: Desk, clock: list[float]) -> None:
    desk.add(0, 1, 2, 3, 4)
    desk.limiter.begin()
    assert len(desk.threads.given) == 2
    desk.run(1)
    assert desk.done == [0, 2, 3, 4]
    desk.run(1)
    assert desk.done == [0, 2, 3, 4, 1]
    assert not desk.threads.given


def test_whoever_takes_long_holds_up_nobody_and_takes_no_second_one(desk: Desk, clock: list[float]) -> None:
    def long() -> None:
        assert desk.limiter.seconds_to_next() == pytest.approx(LONG_SECONDS)
        clock[0] += LONG_SECONDS
        assert desk.limiter.seconds_to_next() == 0
        desk.limiter.begin()
        assert len(desk.threads.given) == 2
        assert desk.limiter.seconds_to_next() == pytest.approx(LONG_SECONDS)

    desk.during[0] = long
    desk.add(0, 1, 2, 3)
    desk.run(1)
    # The third stands in the slot of the first, the fourth waits.
    assert desk.done == [0]
    desk.run(2)
    assert sorted(desk.done) == [0, 1, 2, 3]
    assert desk.limiter.seconds_to_next() == math.inf


def test_what_has_no_thread_yet_does_not_take_long(desk: Desk, clock: list[float]) -> None:
    desk.add(0, 1, 2, 3)
    clock[0] += 60
    assert desk.limiter.seconds_to_next() == pytest.approx(LONG_SECONDS)
    desk.limiter.begin()
    assert len(desk.threads.given) == 2


def test_all_are_worked_on_once_whoever_adds_them() -> None:
    done: list[int] = []
    with ThreadPoolExecutor(8) as pool:
        limiter = Limiter(pool, done.append)  # type: ignore[arg-type]
        with ThreadPoolExecutor(4) as adding:
            list(adding.map(lambda number: limiter.add(number), range(2_000)))  # type: ignore[arg-type]
        deadline = time.monotonic() + SOON
        while len(done) < 2_000 and time.monotonic() < deadline:
            limiter.begin()
    assert sorted(done) == list(range(2_000))

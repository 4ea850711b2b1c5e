"""What `/readyz` costs, since anyone may ask it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.test import Client

from tests.support.concurrency import at_once
from upscaler.health import readiness

GOOD = {"database": "ok", "queue": "ok", "engine": "ok", "media": "ok", "workers": "ok"}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each look at the parts."""
    seen: list[int] = []

    def report() -> dict[str, str]:
        seen.append(1)
        return dict(GOOD)

    monkeypatch.setattr(readiness, "report", report)
    monkeypatch.setattr(readiness, "KEEP_FOR", 5.0)
    return seen


def test_a_hundred_questions_are_one_look(db: None, looks: list[int], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        for _ in range(100):
            assert Client().get("/readyz").json() == {"ready": True, **GOOD}
    assert len(looks) == 1


def test_the_answer_is_found_anew_after_a_while(looks: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(readiness.time, "monotonic", lambda: now[0])
    for seconds, expected in ((0, 1), (4.9, 1), (5.1, 2), (9, 2), (10.3, 3)):
        now[0] = 1000.0 + seconds
        Client().get("/readyz")
        assert len(looks) == expected, seconds


def test_while_one_looks_the_others_get_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    readiness.recent_report()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> dict[str, str]:
        begun.set()
        assert go_on.wait(20)
        return dict(GOOD)

    monkeypatch.setattr(readiness, "report", slow)
    looking = threading.Thread(target=readiness.recent_report)
    looking.start()
    assert begun.wait(20)
    assert len([readiness.recent_report() for _ in range(5)]) == 5, "nobody waits"
    go_on.set()
    looking.join()


def test_those_who_ask_first_wait_for_one_look(looks: list[int]) -> None:
    assert at_once(6, readiness.recent_report) == [GOOD] * 6
    assert len(looks) == 1

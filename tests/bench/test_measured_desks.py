"""What the bench asks of whole desks, and how it counts what it hears."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bench import waiting
from bench.live_page import EVERY, SLOWLY, LivePage
from tests.conftest import Person
from upscaler.models import Batch, Upscale
from upscaler.processing import lifecycle


class Browser:
    """As much of a session of requests as an open page uses, over Django's test client."""

    def __init__(self, person: Person) -> None:
        self._client = person.client

    def get(self, url: str, *, headers: dict[str, str] | None = None, timeout: int) -> Any:
        answer = self._client.get(url, headers=headers or {})
        assert answer.status_code in (200, 204)
        return SimpleNamespace(
            text=answer.content.decode(), status_code=answer.status_code, raise_for_status=lambda: None
        )


def opened(person: Person, path: str) -> LivePage:
    page = LivePage(Browser(person), "", path)  # type: ignore[arg-type]
    page.open()
    return page


def test_an_open_history_asks_about_what_is_unfinished_and_then_seldom(
    owner: Person, order: Callable[..., Upscale]
) -> None:
    upscale = order()
    page = opened(owner, "/history/")
    assert page.pause == EVERY
    assert page.poll(), "it was told nothing yet"
    assert not page.poll()
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It is broken.", code="damaged")
    assert page.poll()
    assert page.pause == SLOWLY


def test_an_open_batch_asks_until_it_ends(owner: Person, order_batch: Callable[..., Batch]) -> None:
    batch = order_batch("a.jpg", "b.jpg")
    page = opened(owner, batch.get_absolute_url())
    page.poll()
    assert page.pause == EVERY
    lifecycle.cancel(batch.upscales.all(), by=owner.user)
    page.poll()
    assert page.pause is None


@pytest.mark.parametrize(
    ("others", "beyond"),
    [
        ({}, 3.0),
        ({2: (0.0, 1.0, 8.0)}, 3.0),
        ({2: (0.0, 1.0, 12.0)}, 1.0),
        ({2: (0.0, 1.0, 12.5), 3: (0.0, 2.0, 12.0)}, 1.0),
        ({2: (11.0, 11.5, 12.5)}, 3.0),
    ],
    ids=["nothing at hand", "ended before", "one at hand", "the first of two counts", "begun later"],
)
def test_a_wait_counts_from_when_a_worker_was_free(
    others: dict[int, tuple[float, float, float]], beyond: float
) -> None:
    assert waiting._beyond(1, {1: (10.0, 13.0, 14.0), **others}) == beyond

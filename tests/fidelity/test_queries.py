"""Lists of results that were checked ask the database as often for many as for one, and never for whole reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import Person
from tests.fidelity.test_shown import check
from upscaler.models import Batch, Team, Upscale
from upscaler.processing import worker_step
from upscaler.views import page_cache

LISTS = {
    "history": "/history/",
    "batch": "/batches/{batch}/",
    "rows that change": "/batches/{batch}/live/?id={first}&id={second}&id={third}",
    "before and after": "/batches/{batch}/compare/",
    "review": "/review/",
    "review of a batch": "/review/?batch={batch}",
    "API": "/api/v1/generations",
}


@pytest.fixture
def batch(owner: Person, order_batch: Callable[..., Batch]) -> Batch:
    """Three results, of which the first is doubted and waits for a person."""
    Team.objects.filter(pk=owner.team.pk).update(reviews=Team.Reviews.EVERYTHING)
    made: Batch = order_batch("a.jpg", "b.jpg", "c.jpg")
    for row in made.upscales.order_by("pk"):
        worker_step.step(row.pk)
    check(made.upscales.order_by("pk")[0], "look", ("colour",), report={"regions": [1]})
    return made


@pytest.mark.parametrize("name", LISTS)
def test_a_list(owner: Person, batch: Batch, name: str) -> None:
    rows = list(batch.upscales.order_by("pk"))
    address = LISTS[name].format(batch=batch.pk, first=rows[0].pk, second=rows[1].pk, third=rows[2].pk)

    def asked() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            answer = owner.client.get(address, headers={"Authorization": f"Bearer {owner.token}"})
            assert answer.status_code == 200, address
            assert (b"look" if name == "API" else b"colour") in answer.content, "it says the verdict"
        return [query["sql"] for query in queries]

    asked()
    one = asked()
    assert any('"upscaler_fidelitycheck"' in sql for sql in one)
    assert not any('"upscaler_fidelitycheck"."report"' in sql for sql in one)
    for row in rows[1:]:
        check(row, "look", ("colour", "text"), report={"regions": [1]})
    # Beside these, what was kept of the page would be looked at.
    page_cache.answers.clear()
    many = asked()
    assert len(many) == len(one), [sql for sql in many if sql not in one]
    assert Upscale.objects.filter(batch=batch, fidelity__verdict="look").count() == 3

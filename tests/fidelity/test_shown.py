"""Where the verdict is said: in the history, on a batch's page, to programs and in the ZIP's table."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import Person
from upscaler.models import Batch, FidelityCheck, Upscale
from upscaler.processing import worker_step


def check(upscale: Upscale, verdict: str = "", reasons: tuple[str, ...] = (), **values: Any) -> FidelityCheck:
    """What the check says of a result; nothing yet without a verdict."""
    ended = {"checked_at": timezone.now()} if verdict else {}
    return FidelityCheck.objects.create(upscale=upscale, verdict=verdict, reasons=list(reasons), **{**ended, **values})


@pytest.fixture
def three(owner: Person, done: Callable[..., Upscale]) -> list[Upscale]:
    """A faithful one, a doubtful one, and one that waits for its check."""
    made = [done(name=f"{n}.jpg") for n in range(3)]
    check(made[0], "faithful")
    check(made[1], "look", ("colour", "text"))
    check(made[2])
    return made


def program(owner: Person, path: str) -> Any:
    return owner.client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {owner.token}"})


def shown(owner: Person, query: str = "") -> set[int]:
    return {row.pk for row in owner.client.get(f"/history/{query}").context["page"]}


def test_the_history_says_it_and_nothing_while_it_waits(owner: Person, three: list[Upscale]) -> None:
    html = owner.client.get("/history/").content.decode()
    assert html.count('class="verdict ') == 2
    assert "</span>faithful</span>" in html and "</span>look: colour, text</span>" in html


def test_the_history_is_filtered_by_it(owner: Person, three: list[Upscale]) -> None:
    faithful, doubted, waiting = (row.pk for row in three)
    assert shown(owner, "?verdict=faithful") == {faithful}
    assert shown(owner, "?verdict=look") == {doubted}
    assert shown(owner, "?verdict=none") == {waiting}
    assert shown(owner, "?verdict=nonsense") == {faithful, doubted, waiting}
    Upscale.objects.filter(pk=doubted).update(withdrawn_at=timezone.now())
    assert shown(owner, "?verdict=look") == set(), "its result is given out no more"


def test_programs_are_told(owner: Person, three: list[Upscale]) -> None:
    """In both lists, and of one alone."""
    answers = {row["generation_id"]: row for row in program(owner, "/generations").json()["data"]}
    doubted = answers[three[1].pk]["fidelity"]
    assert (doubted["verdict"], doubted["reasons"]) == ("look", ["colour", "text"]) and doubted["checked_at"]
    assert answers[three[0].pk]["fidelity"]["reasons"] == []
    assert answers[three[2].pk]["fidelity"] is None
    one = program(owner, f"/generation/{three[1].pk}").json()
    assert one["fidelity"] == doubted == one["generation_results"][0]["fidelity"]


def test_the_batch_page_and_its_table_say_it(
    owner: Person, order_batch: Callable[..., Batch], django_assert_max_num_queries: Any
) -> None:
    batch = order_batch("a.jpg", "b.jpg", "c.jpg")
    rows = list(Upscale.objects.filter(batch=batch).order_by("pk"))
    for row in rows:
        worker_step.step(row.pk)
    with django_assert_max_num_queries(40) as before:
        owner.client.get(f"/batches/{batch.pk}/")
    check(rows[0], "look", ("shape",))
    check(rows[1], "faithful")
    with django_assert_max_num_queries(len(before)):
        html = owner.client.get(f"/batches/{batch.pk}/").content.decode()
    assert html.count('class="verdict ') == 2 and "look: shape" in html
    answer = owner.client.get(f"/batches/{batch.pk}/results.zip")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        table = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
    assert [(line["verdict"], line["reasons"]) for line in table] == [("look", "shape"), ("faithful", ""), ("", "")]

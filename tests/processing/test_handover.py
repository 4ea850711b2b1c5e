"""What is known of a hand-over: written by the worker that holds the upscale alone, and kept when it moves house."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from tests.conftest import Person
from tests.support import remote_engine
from tests.support.remote_engine import FableEngine, away
from tests.support.vendor import step
from upscaler.models import Handover, Upscale
from upscaler.processing import handover, lifecycle

Order = Callable[..., Upscale]


@pytest.fixture
def fable() -> Iterator[FableEngine]:
    with remote_engine.serving() as engine:
        yield engine


def lease_runs_out(upscale: Upscale) -> None:
    Upscale.objects.filter(pk=upscale.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def claimed(upscale: Upscale) -> Upscale:
    """As by a worker, as if its pause were over."""
    Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
    found = lifecycle.claim(upscale.pk)
    assert found is not None
    return found


def hand_over(fable: FableEngine, upscale: Upscale) -> None:
    """As the worker would, with an order of no contents."""
    order = remote_engine.order_of(upscale)
    handover.hand_over(upscale, fable, order)


def test_a_worker_that_lost_its_claim_writes_nothing_of_the_hand_over(fable: FableEngine, order: Order) -> None:
    """Neither where there is nothing yet, nor over what the next worker wrote."""
    upscale = order()
    stale = claimed(upscale)
    lease_runs_out(upscale)
    fresh = claimed(upscale)
    with pytest.raises(lifecycle.ClaimLost):
        hand_over(fable, stale)
    assert not Handover.objects.exists()
    assert Upscale.objects.get(pk=upscale.pk).handed_over_at is None
    assert fable.started == [], "nothing is sent by one that may not say so"
    hand_over(fable, fresh)
    [before] = Handover.objects.values()
    with pytest.raises(lifecycle.ClaimLost):
        handover.is_made(stale)
    fable.faults["advance"] = away()
    with pytest.raises(lifecycle.ClaimLost), handover.watched(fable, stale):
        fable.advance(remote_engine.order_of(stale), lambda fraction, text: None)
    assert Handover.objects.values().get() == before
    assert fable.started == [upscale.pk]


def test_an_upscale_that_has_ended_takes_no_more_of_its_hand_over(fable: FableEngine, order: Order) -> None:
    upscale = claimed(order())
    hand_over(fable, upscale)
    lifecycle.fail(upscale, message="over", code="over")
    with pytest.raises(lifecycle.ClaimLost):
        handover.is_made(upscale)
    assert Handover.objects.get(pk=upscale.pk).made_at is None


@pytest.mark.django_db(transaction=True)
def test_who_claims_in_the_middle_of_a_write_of_the_hand_over_sees_all_of_it(
    fable: FableEngine, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the proof of the claim and the write of the hand-over no other worker gets in."""
    upscale = order()
    slow = claimed(upscale)
    lease_runs_out(upscale)
    seen: list[datetime | None] = []
    record = lifecycle.record

    def claim() -> None:
        try:
            seen.append(handover.handover_of(claimed(upscale)).made_at)
        finally:
            connection.close()

    other = threading.Thread(target=claim)

    def interrupted(row: Upscale, **values: Any) -> None:
        record(row, **values)
        other.start()
        # One that is not held up has claimed it by then.
        other.join(1)

    monkeypatch.setattr(lifecycle, "record", interrupted)
    handover.is_made(slow)
    other.join()
    assert seen == [slow.handover.made_at]
    monkeypatch.undo()
    with pytest.raises(lifecycle.ClaimLost):
        handover.hand_over(slow, fable, remote_engine.order_of(slow))


def test_the_slots_are_those_of_open_upscales_that_the_engine_still_works_on(fable: FableEngine, order: Order) -> None:
    """One slot: an upscale that failed or whose picture is made leaves it, one that may have arrived does not."""
    failed, made, lost, waits = order(), order(), order(), order()
    assert step(failed).engine_id == "1"
    lifecycle.fail(claimed(failed), message="over", code="over")
    fable.next_id = "2"
    assert step(made).engine_id == "2"
    assert step(lost).progress_text == "Waiting for its turn at Fable"
    handover.is_made(claimed(made))
    fable.faults["start"] = away(maybe_taken=True)
    assert step(lost).progress_text == "Asking Fable whether it has the picture"
    fable.faults.clear()
    assert step(waits).progress_text == "Waiting for its turn at Fable"


BEFORE, AFTER = [("upscaler", "0011_plain_names")], [("upscaler", "0012_handover")]
MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KNOWN = {
    "submit_count": 3,
    "lost_at": MOMENT + timedelta(minutes=1),
    "followed_since": MOMENT + timedelta(minutes=2),
    "silent_since": MOMENT + timedelta(minutes=3),
    "made_at": MOMENT + timedelta(minutes=4),
}
REFERENCE = {"image_url": "https://shop.example/ä.jpg?a=1&b=%20"}


@pytest.mark.django_db(transaction=True)
def test_an_old_database_keeps_all_that_it_knows_of_hand_overs(order: Order, owner: Person) -> None:
    """Forwards and back: each of the columns, alone and together; an upscale without any gets no row."""
    whole, none, *partly = (order() for _ in range(3 + len(KNOWN)))
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()

    def at(targets: Any) -> Any:
        MigrationExecutor(connection).migrate(targets)
        return MigrationExecutor(connection).loader.project_state(targets).apps

    def old_rows(apps: Any) -> list[dict[str, Any]]:
        return list(
            apps.get_model("upscaler", "Upscale")
            .objects.order_by("pk")
            .values(*KNOWN, "handed_over", "handed_over_at", "pk")
        )

    try:
        apps = at(BEFORE)
        rows = apps.get_model("upscaler", "Upscale").objects
        rows.filter(pk=whole.pk).update(**KNOWN, handed_over=REFERENCE, handed_over_at=MOMENT)
        rows.filter(pk=partly[0].pk).update(handed_over=REFERENCE)
        for upscale, (name, value) in zip(partly[1:], KNOWN.items(), strict=True):
            rows.filter(pk=upscale.pk).update(**{name: value})
        old = old_rows(apps)
        moved = at(AFTER).get_model("upscaler", "Handover").objects
        assert moved.filter(pk=whole.pk).values(*KNOWN, "reference").get() == {**KNOWN, "reference": REFERENCE}
        assert set(moved.values_list("pk", flat=True)) == {whole.pk, *(upscale.pk for upscale in partly)}
        assert none.pk not in moved.values_list("pk", flat=True)
        assert old_rows(at(BEFORE)) == old
        at(AFTER)
    finally:
        MigrationExecutor(connection).migrate(latest)
    kept = Upscale.objects.get(pk=whole.pk)
    assert (kept.handed_over_at, kept.handover.reference) == (MOMENT, REFERENCE)

"""The counts: kept up as upscales end, by many workers at once, and made anew from the rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db.models import F, Sum
from django.test import override_settings

from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler import usage
from upscaler.models import Upscale, UsageDay, UsageTime
from upscaler.processing import lifecycle, worker_step
from upscaler.processing.manual_refunds import refund_by_hand
from upscaler.usage import counts

Order = Callable[..., Upscale]
BEFORE_MIDNIGHT = datetime(2026, 3, 31, 14, 59, tzinfo=UTC)
"""In Tokyo."""


def fail(upscale: Upscale, code: str = "too_slow", message: str = "It took too long.") -> Upscale:
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message=message, code=code)
    return claimed


def test_a_result_is_counted_with_its_price_pixels_and_time(owner: Person, done: Order) -> None:
    upscale = done(model_name="topaz", upscale_factor="2x")
    day = UsageDay.objects.get()
    assert (day.team, day.user, day.model_name, day.engine, day.status) == (
        owner.team, owner.user, "topaz", "local", "Done"
    )  # fmt: skip
    assert (day.upscales, day.credits, day.refunded, day.pixels) == (1, 3, 0, 96 * 80)
    assert upscale.completed_at is not None
    assert day.day == upscale.completed_at.date()
    assert UsageTime.objects.get().upscales == 1


def test_a_failure_is_counted_with_its_reason_and_what_came_back(owner: Person, order: Order) -> None:
    fail(order())
    day = UsageDay.objects.get()
    assert (day.status, day.error_code, day.upscales, day.credits, day.refunded, day.pixels) == (
        "Error", "too_slow", 1, 1, 1, 0
    )  # fmt: skip
    assert not UsageTime.objects.exists()


def test_the_day_is_that_of_the_end_in_the_desk_s_time_zone(owner: Person, order: Order) -> None:
    with override_settings(TIME_ZONE="Asia/Tokyo"), time_machine.travel(BEFORE_MIDNIGHT, tick=False) as clock:
        upscale = order()
        clock.shift(120)
        worker_step.step(upscale.pk)
        assert f"{UsageDay.objects.get().day}" == "2026-04-01"
        bucket = UsageTime.objects.get().bucket
    assert counts.seconds_of(bucket) == pytest.approx(120, rel=0.05)
    assert usage.verify() != []
    usage.rebuild(owner.team)
    assert f"{UsageDay.objects.get().day}" == "2026-03-31"


def test_a_refund_by_hand_is_added_where_its_upscale_was_counted(owner: Person, head: Person, done: Order) -> None:
    upscale = done()
    done()
    refund_by_hand(upscale, note="Wrong colours", by=head.user)
    day = UsageDay.objects.get()
    assert (day.upscales, day.credits, day.refunded) == (2, 2, 1)


def test_an_attempt_that_lost_its_claim_counts_nothing(done: Order) -> None:
    upscale = done()
    with pytest.raises(lifecycle.ClaimLost):
        lifecycle.finish(upscale, result_file="late.jpg")
    assert UsageDay.objects.get().upscales == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_end_the_day_s_first_ones_at_once_lose_no_count(order: Order) -> None:
    waiting = [order() for _ in range(8)]
    at_once(8, lambda: fail(waiting.pop()))
    assert UsageDay.objects.get().upscales == 8


@pytest.mark.django_db(transaction=True)
def test_a_rebuild_among_working_workers_loses_no_count(owner: Person, order: Order) -> None:
    fail(order())
    waiting = [order() for _ in range(7)]

    def act() -> None:
        fail(waiting.pop())
        usage.rebuild(owner.team)

    at_once(7, act)
    assert UsageDay.objects.aggregate(all=Sum("upscales"))["all"] == 8


def test_what_a_deleted_person_ordered_stays_counted(owner: Person, order: Order) -> None:
    fail(order())
    fail(order(), code="damaged")
    late = lifecycle.claim(order().pk)
    assert late is not None
    owner.user.delete()
    lifecycle.finish(late, result_file="late.jpg")
    assert set(UsageDay.objects.values_list("user", "upscales")) == {(None, 1)}
    assert UsageDay.objects.count() == 3


def test_wrong_counts_are_found_and_made_right(owner: Person, outsider: Person, done: Order, order: Order) -> None:
    done()
    fail(order())
    UsageDay.objects.filter(status="Done").update(pixels=F("pixels") + 1)
    UsageTime.objects.update(upscales=5)
    assert len(usage.verify()) == 2
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("rebuild_usage", "--check", stdout=out)
    assert "WRONG: 2 counts" in out.getvalue()
    call_command("rebuild_usage", "--team", "atelier", stdout=out)
    assert "atelier: 2 upscales counted" in out.getvalue()
    call_command("rebuild_usage", "--check", stdout=out)
    assert out.getvalue().endswith("OK: the counts are right (2 teams).\n")


@pytest.mark.parametrize("seconds", [0.2, 1, 3.7, 59, 600, 7000, 90_000])
def test_a_percentile_is_exact_to_five_percent(seconds: float) -> None:
    found = counts.percentile({counts.bucket_of(seconds): 3}, 0.5)
    assert found == pytest.approx(seconds, rel=0.05)


def test_percentiles_are_those_of_the_ranks() -> None:
    times = {counts.bucket_of(second): 1 for second in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)}
    assert counts.percentile(times, 0.5) == pytest.approx(16, rel=0.05)
    assert counts.percentile(times, 0.95) == pytest.approx(512, rel=0.05)
    assert counts.percentile({}, 0.5) is None
    assert counts.bucket_of(10**9) == len(counts.BOUNDS)

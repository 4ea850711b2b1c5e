"""What a quote says, and how the time is told: from the rows of the desk itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures
from upscaler import usage
from upscaler.batches import estimate
from upscaler.batches.quotes import Quote, quote
from upscaler.models import Team, Upscale
from upscaler.ordering import reorder, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.ordering.new_batches import NewBatch
from upscaler.ordering.submission import NewUpscale


def orders_of(team: Team, addresses: Sequence[str], **data: Any) -> list[NewUpscale]:
    orders = []
    for address in addresses:
        form = UpscaleForm({"model_name": "recraft", "image_url": address, **data}, team=team)
        assert form.is_valid(), form.errors
        assert form.order is not None
        orders.append(form.order)
    return orders


def addresses(count: int, begin: int = 0) -> list[str]:
    return [f"https://shop.example/{number}.jpg" for number in range(begin, begin + count)]


def took(upscale: Upscale, *, began: float, seconds: float, megapixels: int = 1) -> None:
    """Pretend that it was at work then: ``began`` seconds after the hour."""
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1) + timedelta(seconds=began)
    Upscale.objects.filter(pk=upscale.pk).update(
        started_at=start,
        completed_at=start + timedelta(seconds=seconds),
        result_width=1000 * megapixels,
        result_height=1000,
    )
    usage.rebuild(upscale.team)


def test_a_quote_says_what_it_costs_and_what_is_left_and_charges_nothing(owner: Person) -> None:
    Team.objects.filter(pk=owner.team.pk).update(monthly_budget=50)
    found = quote(orders_of(owner.team, addresses(3), model_name="topaz"), team=owner.team, user=owner.user)
    assert isinstance(found, Quote)
    assert (found.total, found.credits, found.balance, found.balance_after) == (3, 9, 100, 91)
    assert [(budget.limit, budget.left) for budget in found.budgets] == [(50, 50)]
    assert (found.already_made, found.already_large_enough, found.seconds) == (0, 0, None)
    assert owner.balance == 100


def test_a_quote_beyond_the_balance_says_how_many_are_missing(owner: Person) -> None:
    found = quote(orders_of(owner.team, addresses(130)), team=owner.team, user=owner.user)
    assert found.balance_after == -30


def test_what_is_under_way_already_is_counted(owner: Person, outsider: Person) -> None:
    submission.submit(orders_of(owner.team, addresses(2)), team=owner.team, user=owner.user)
    orders = orders_of(owner.team, addresses(4))
    assert quote(orders, team=owner.team, user=owner.user).already_made == 2
    assert quote(orders, team=outsider.team, user=outsider.user).already_made == 0


@pytest.fixture
def measured(done: Callable[..., Upscale]) -> None:
    """A desk that worked on two at a time, each result of one megapixel in ten seconds."""
    for begin in (0, 0, 10, 10):
        took(done(), began=begin, seconds=10)


@pytest.mark.usefixtures("measured")
def test_the_time_follows_from_what_the_desk_did_lately(owner: Person) -> None:
    speed = estimate.speed()
    assert speed is not None
    assert speed.at_once == pytest.approx(2)
    assert speed.paces["recraft"].seconds_per_megapixel == pytest.approx(10)
    # Of addresses nobody knows the size yet, so they count like the average picture.
    assert estimate.seconds(orders_of(owner.team, addresses(4))) == pytest.approx(20)
    assert estimate.seconds(orders_of(owner.team, addresses(1), model_name="topaz")) is None


@pytest.mark.usefixtures("measured")
def test_the_size_of_the_pictures_counts_where_it_is_known(order: Callable[..., Upscale]) -> None:
    upscale = order(content=pictures.jpeg((250, 250)))
    orders = [upscale, reorder.reorder(upscale)]
    # Of 250 pixels a side come 1,000: with what waits already these are three results of a megapixel.
    assert estimate.seconds(orders) == pytest.approx(3 * 10 / 2)


@pytest.mark.usefixtures("measured")
def test_of_what_waits_only_a_fair_share_comes_first(owner: Person, outsider: Person) -> None:
    batch = NewBatch(model_name="recraft", settings={})
    sent = submission.submit(orders_of(outsider.team, addresses(40)), team=outsider.team, user=None, batch=batch)
    submission.submit(orders_of(owner.team, addresses(6)), team=owner.team, user=owner.user, batch=batch)
    mine = orders_of(owner.team, addresses(10, begin=100))
    assert estimate.seconds(mine) == pytest.approx((10 + 40 + 6) * 10 / 2)
    # The team's own batch of six, and of the others as many as the team has.
    assert estimate.seconds(mine, team=owner.team) == pytest.approx((10 + 6 + 16) * 10 / 2)
    assert estimate.seconds(mine, without=sent[0].batch) == pytest.approx((10 + 6) * 10 / 2)


@pytest.mark.usefixtures("measured")
def test_another_engine_and_troubled_upscales_say_nothing(owner: Person, order: Callable[..., Upscale]) -> None:
    Upscale.objects.filter(pk__in=Upscale.objects.values("pk")[:3]).update(failures=1)
    assert estimate.seconds(orders_of(owner.team, addresses(1))) == pytest.approx(10)
    Upscale.objects.update(engine=Upscale.Engine.UWEAR)
    usage.rebuild(owner.team)
    assert estimate.seconds(orders_of(owner.team, addresses(1))) is None

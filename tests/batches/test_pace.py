"""How the time of an engine elsewhere is told: from the rows of what it did lately."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.batches.test_quotes import addresses, orders_of
from tests.conftest import Person
from tests.support import pictures
from upscaler import usage
from upscaler.batches import estimate, pace
from upscaler.models import Team, Upscale
from upscaler.ordering import reorder, submission
from upscaler.ordering.new_batches import NewBatch


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


@pytest.fixture
def measured(done: Callable[..., Upscale], settings: Any) -> None:
    """A desk whose vendor worked on two at a time, each result of one megapixel in ten seconds."""
    for begin in (0, 0, 10, 10):
        took(done(), began=begin, seconds=10)
    Upscale.objects.update(engine=Upscale.Engine.UWEAR)
    for team in Team.objects.all():
        usage.rebuild(team)
    settings.ENGINE = "uwear"
    settings.UWEAR_API_KEY = "key"
    settings.PUBLIC_URL = "https://desk.example"


@pytest.mark.usefixtures("measured")
def test_the_time_follows_from_what_the_desk_did_lately(owner: Person) -> None:
    speed = pace.speed()
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
    Upscale.objects.update(engine=Upscale.Engine.LOCAL)
    usage.rebuild(owner.team)
    assert estimate.seconds(orders_of(owner.team, addresses(1))) is None

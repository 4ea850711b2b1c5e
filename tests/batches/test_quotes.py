"""What a quote says. How its time is told: test_pace.py and test_planned.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.conftest import Person
from upscaler.batches.quotes import Quote, quote
from upscaler.models import Team
from upscaler.ordering import submission
from upscaler.ordering.forms import UpscaleForm
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

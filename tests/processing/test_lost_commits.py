"""A worker's COMMIT is not answered: whoever does not know whether it was committed deletes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.test import override_settings
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures, quick_engine, webserver
from tests.support.cutting_proxy import AFTER, BEFORE, CuttingProxy, When, nth
from tests.support.stored_files import missing, prove_only_named_ones_stay
from tests.support.vendor import Vendor
from upscaler.engines.local.engine import LocalEngine
from upscaler.models import CreditEntry, Upscale
from upscaler.processing import worker_step

Orders = Callable[[], Upscale]
both_ways = pytest.mark.parametrize("when", [AFTER, BEFORE])


@pytest.fixture(autouse=True)
def without_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is what becomes of a result."""
    monkeypatch.setattr(LocalEngine, "advance", quick_engine.advance)


def attempt(upscale: Upscale) -> None:
    """One message to a worker, as the queue takes it: an exception ends the message, and the worker lives on."""
    try:
        worker_step.step(upscale.pk)
    except DatabaseError:
        pass
    finally:
        close_old_connections()


def follow(upscale: Upscale, most: int = 30) -> None:
    """Message after message, each as late as the sweep would send it where the others were lost."""
    for turn in range(1, most):
        upscale.refresh_from_db()
        if upscale.is_final:
            return
        with time_machine.travel(timezone.now() + timedelta(seconds=turn * (settings.LEASE_SECONDS + 60))):
            attempt(upscale)


def lose_each_answer_once(proxy: CuttingProxy, when: When, order: Orders) -> list[Upscale]:
    """One upscale for each commit of its way through the worker, with the line cut at that one alone."""
    upscales = []
    for number in itertools.count(1):
        upscale = order()
        upscales.append(upscale)
        with proxy.cutting(nth(number), when):
            # A step that another step follows at once is one message more.
            for _ in range(3):
                attempt(upscale)
        follow(upscale)
        if not proxy.cuts:
            return upscales
    raise AssertionError


def prove_nothing_is_lost(upscales: list[Upscale], owner: Person, *, commits: int) -> None:
    assert len(upscales) > commits
    broken = {upscale.pk: gone for upscale in upscales if (gone := missing(upscale))}
    assert broken == {}, f"{len(broken)} of {len(upscales)} upscales name files that are not there"
    ended = [(upscale.pk, upscale.status, upscale.error_code) for upscale in upscales]
    assert ended == [(upscale.pk, "Done", "") for upscale in upscales]
    charges = CreditEntry.objects.filter(kind=CreditEntry.Kind.CHARGE)
    assert sorted(charges.values_list("upscale", flat=True)) == [upscale.pk for upscale in upscales]
    assert not CreditEntry.objects.filter(kind=CreditEntry.Kind.REFUND).exists()
    assert owner.balance == 100 - len(upscales)
    prove_only_named_ones_stay()


@both_ways
def test_an_upload(proxy: CuttingProxy, when: When, owner: Person, order: Callable[..., Upscale]) -> None:
    upscales = lose_each_answer_once(proxy, when, order)
    prove_nothing_is_lost(upscales, owner, commits=2)


@both_ways
def test_a_picture_of_the_web(proxy: CuttingProxy, when: When, owner: Person) -> None:
    with webserver.serving({"/shirt.jpg": webserver.body(pictures.jpeg())}) as host:

        def order() -> Upscale:
            body = {"image_url": f"http://{host}/shirt.jpg", "model_name": "recraft"}
            number = owner.api("post", "generation-upscale", body).json()["generation_id"]
            return Upscale.objects.get(pk=number)

        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            upscales = lose_each_answer_once(proxy, when, order)
    prove_nothing_is_lost(upscales, owner, commits=5)


@both_ways
def test_a_remote_engine(
    proxy: CuttingProxy, when: When, vendor: Vendor, owner: Person, order: Callable[..., Upscale]
) -> None:
    upscales = lose_each_answer_once(proxy, when, order)
    prove_nothing_is_lost(upscales, owner, commits=5)
    assert len(vendor.generations) == len(upscales), "an order was sent twice"


@both_ways
def test_a_failure_is_refunded_once(
    proxy: CuttingProxy, when: When, owner: Person, order: Callable[..., Upscale]
) -> None:
    def order_in_vain() -> Upscale:
        upscale = order()
        # As if its workers had died: the next claim gives up.
        Upscale.objects.filter(pk=upscale.pk).update(failures=settings.MAX_FAILURES)
        return upscale

    upscales = lose_each_answer_once(proxy, when, order_in_vain)
    assert len(upscales) > 1
    for upscale in upscales:
        kinds = sorted(CreditEntry.objects.filter(upscale=upscale).values_list("kind", flat=True))
        assert (upscale.status, kinds, missing(upscale)) == ("Error", ["charge", "refund"], [])
    assert owner.balance == 100

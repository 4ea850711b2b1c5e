"""A hint of the vendor's has the job asked about at once, and does nothing else."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from tests.support.vendor import FOLLOW, Vendor, step
from upscaler.models import Upscale
from upscaler.processing import hints, worker_step

pytestmark = pytest.mark.parametrize("vendor", ["current"], indirect=True)


@pytest.fixture
def waiting(vendor: Vendor, order: Callable[..., Upscale]) -> Upscale:
    """The vendor works on it, and the next question is some time away."""
    vendor.status = "Ongoing"
    upscale = step(order())
    Upscale.objects.filter(pk=upscale.pk).update(not_before=timezone.now() + timezone.timedelta(seconds=30))
    return upscale


def sent(vendor: Vendor, body: bytes = b"{}", address: str | None = None) -> int:
    path = urlsplit(address or vendor.bodies[0]["webhook_url"]).path
    client = Client(enforce_csrf_checks=True)
    return client.post(path, body, content_type="application/json").status_code


def test_it_brings_the_next_question_forward(waiting: Upscale, vendor: Vendor) -> None:
    assert worker_step.step(waiting.pk) is None, "not due yet"
    vendor.status = "Done"
    assert sent(vendor) == 204
    assert worker_step.step(waiting.pk) is None
    waiting.refresh_from_db()
    assert waiting.status == "Done", waiting.progress_text


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "generation.failed", "data": {"generation_id": 71, "status": "Error", "results": []}}',
        b'{"type": "generation.completed", "data": {"results": [{"url": "http://evil.example/x.png"}]}}',
        b"\xff" * 50_000,
    ],
)
def test_what_it_says_counts_for_nothing(body: bytes, waiting: Upscale, vendor: Vendor) -> None:
    assert sent(vendor, body) == 204
    worker_step.step(waiting.pk)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.error_message, waiting.result_file.name) == ("Ongoing", "", "")


def test_a_large_one_is_not_taken(waiting: Upscale, vendor: Vendor) -> None:
    assert sent(vendor, b"x" * 100_000) == 413


def test_many_of_them_are_one(waiting: Upscale, vendor: Vendor) -> None:
    asked = vendor.calls(FOLLOW)
    for _ in range(20):
        assert sent(vendor) == 204
        worker_step.step(waiting.pk)
    assert vendor.calls(FOLLOW) == asked + 1
    # After a while one counts again.
    cache.clear()
    Upscale.objects.filter(pk=waiting.pk).update(not_before=timezone.now() + timezone.timedelta(seconds=30))
    sent(vendor)
    worker_step.step(waiting.pk)
    assert vendor.calls(FOLLOW) == asked + 2


def test_an_address_that_was_never_given_out_is_not_there(waiting: Upscale, vendor: Vendor) -> None:
    good = hints.address_for(waiting)
    signature = good.rpartition(".")[2]
    other = hints.address_for(Upscale(pk=waiting.pk + 1)).rpartition(".")[2]
    for wrong in (good[:-2] + "/", good.replace(signature, other), f"https://x.example/hints/{waiting.pk}/"):
        assert sent(vendor, address=wrong) == 404
    waiting.refresh_from_db()
    assert waiting.not_before is not None
    assert waiting.not_before > timezone.now()


def test_it_wakes_nothing_that_is_not_followed(vendor: Vendor, order: Callable[..., Upscale]) -> None:
    later = timezone.now() + timezone.timedelta(seconds=30)
    ended = step(order())
    vendor.status = "Ongoing"
    new, held = order(), step(order())
    Upscale.objects.filter(pk=new.pk).update(not_before=later)
    Upscale.objects.filter(pk=held.pk).update(not_before=later, lease_until=later)
    before = dict(Upscale.objects.values_list("pk", "not_before"))
    for upscale in (new, held, ended):
        assert sent(vendor, address=hints.address_for(upscale)) == 204
    assert dict(Upscale.objects.values_list("pk", "not_before")) == before

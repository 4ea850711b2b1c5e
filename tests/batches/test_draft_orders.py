"""A draft becomes a batch: whole, once, and only as the person has seen it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.conftest import Person
from tests.support.draft_page import DraftPage
from upscaler import credits
from upscaler.batches import draft_items, drafts
from upscaler.models import Batch, DraftItem, UnorderedUpload, Upscale
from upscaler.processing import worker_step

Upload = Callable[..., SimpleUploadedFile]


@pytest.fixture
def form(owner: Person) -> DraftPage:
    return DraftPage(owner)


def test_ordering_takes_the_draft_whole(form: DraftPage, owner: Person, upload: Upload) -> None:
    form.item(upload("a.jpg"), folder="x")
    form.item(upload("b.jpg"))
    bad = form.item(SimpleUploadedFile("bad.jpg", b"no"))
    [named] = form.post(f"items/{bad['id']}/", sku=" SH-1  red ").json()["items"]
    assert named["sku"] == "SH-1 red"
    answer = form.order(expected=2, credits=2, name="Monday")
    assert answer.status_code == 200
    batch = Batch.objects.get()
    assert (batch.name, batch.total, batch.credits, batch.is_draft) == ("Monday", 2, 2, False)
    assert [(u.source_name, u.source_folder) for u in batch.upscales.order_by("pk")] == [("a.jpg", "x"), ("b.jpg", "")]
    assert (DraftItem.objects.count(), UnorderedUpload.objects.count(), owner.balance) == (0, 0, 98)
    for upscale in batch.upscales.all():
        worker_step.step(upscale.pk)
    assert set(batch.upscales.values_list("status", flat=True)) == {"Done"}
    # What is chosen next waits in another draft.
    late = form.add(upload("c.jpg"))
    assert (late.status_code, late.json()["draft"] != form.pk) == (409, True)


def test_a_list_that_is_another_one_by_now_is_not_sent(form: DraftPage, owner: Person, upload: Upload) -> None:
    form.item(upload("a.jpg"))
    form.item(upload("b.jpg"))
    answer = form.order(expected=1, credits=1)
    assert answer.status_code == 409
    assert "2 pictures would be sent for 2 credits" in answer.json()["message"]
    assert answer.json()["quote"]["total"] == 2
    assert form.order(expected=2, credits=6).status_code == 409
    assert (Upscale.objects.count(), owner.balance) == (0, 100)


def test_too_few_credits_refuse_the_order_and_keep_the_draft(form: DraftPage, owner: Person, upload: Upload) -> None:
    credits.grant(team=owner.team, amount=-99)
    form.item(upload("a.jpg"))
    form.item(upload("b.jpg"))
    assert "but your team has 1 credit left" in form.get()["quote"]["refusal"]
    answer = form.order(expected=2, credits=2)
    assert (answer.status_code, "but your team has 1 credit left" in answer.json()["message"]) == (422, True)
    assert len(form.get()["items"]) == 2


def test_items_that_came_since_the_list_was_looked_at_wait_in_a_new_draft(
    form: DraftPage, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    form.item(upload("a.jpg"))
    late = upload("late.jpg")
    real = credits.ensure_affordable

    def once_meanwhile(**options: Any) -> None:
        monkeypatch.setattr(credits, "ensure_affordable", real)
        draft = Batch.objects.get(pk=form.pk)
        draft_items.add_picture(draft, late, key="late", name="late.jpg")

    monkeypatch.setattr(credits, "ensure_affordable", once_meanwhile)
    assert form.order(expected=1, credits=1).status_code == 200
    fresh = drafts.begin(form.person.team, form.person.user)
    assert [item.name for item in fresh.items.all()] == ["late.jpg"]
    assert Upscale.objects.get().source_name == "a.jpg"


def test_of_a_second_click_comes_the_same_batch(form: DraftPage, owner: Person, upload: Upload) -> None:
    form.item(upload("a.jpg"))
    first = form.order(expected=1, credits=1)
    again = form.order(expected=1, credits=1)
    assert (again.status_code, again.json()) == (200, first.json())
    assert owner.client.get(first.json()["url"]).status_code == 200
    assert (owner.balance, Upscale.objects.count()) == (99, 1)

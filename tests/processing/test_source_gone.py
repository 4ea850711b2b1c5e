"""The stored source of an upscale was deleted: no further attempt would find it, so it ends at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from tests.conftest import Person
from upscaler.engines import get_engine
from upscaler.models import CreditEntry, Upscale, media_storage
from upscaler.processing import worker_step

Order = Callable[..., Upscale]


def without_source(upscale: Upscale) -> Upscale:
    media_storage().delete(upscale.source_file.name or "")
    return upscale


def prove_it_ended(upscale: Upscale, owner: Person) -> None:
    """In one attempt, with its reason, and the price given back."""
    upscale.refresh_from_db()
    assert (upscale.status, upscale.error_code, upscale.attempt) == ("Error", "source_gone", 1)
    assert "not in the desk’s storage any more" in upscale.error_message
    assert "Upload it again" in upscale.error_message
    kinds = CreditEntry.objects.filter(upscale=upscale).values_list("kind", flat=True)
    assert sorted(kinds) == ["charge", "refund"]
    assert owner.balance == 100


def test_an_upload_that_is_gone(owner: Person, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(get_engine("local"), "advance", lambda *arguments: started.append(arguments))
    upscale = without_source(order())
    worker_step.step(upscale.pk)
    prove_it_ended(upscale, owner)
    assert started == [], "the engine was asked for what can't be done"


def test_its_page_says_so(owner: Person, order: Order) -> None:
    upscale = without_source(order())
    worker_step.step(upscale.pk)
    page = owner.client.get(f"/upscales/{upscale.pk}/").content.decode()
    assert "not in the desk’s storage any more" in page
    answer = owner.api("get", f"generation/{upscale.pk}").json()
    assert answer["status"] == "Error"
    assert "Upload it again" in answer["error"]


def test_a_result_that_is_gone_as_a_source(owner: Person, done: Order) -> None:
    first = done()
    owner.submit(generation_result_id=str(first.result_id), model_name="topaz", upscale_factor="2x")
    second = without_source(Upscale.objects.exclude(pk=first.pk).get())
    worker_step.step(second.pk)
    second.refresh_from_db()
    assert (second.status, second.error_code, second.attempt) == ("Error", "source_gone", 1)
    assert owner.balance == 99


def test_a_storage_that_fails_in_passing_is_no_reason_to_end(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    upscale = order()

    def broken(*arguments: Any, **options: Any) -> Any:
        raise OSError("The picture storage failed: slow down")

    with monkeypatch.context() as patched:
        patched.setattr(FileSystemStorage, "_open", broken)
        worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert (upscale.status, upscale.failures) == ("Ongoing", 1)
    Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    assert upscale.status == "Done"

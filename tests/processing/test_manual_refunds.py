"""Refunds by hand: for finished work, once, with a reason, and recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Person
from tests.support.concurrency import at_once
from tests.support.errors import with_code
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, CreditEntry, Upscale
from upscaler.processing import lifecycle, manual_refunds


def test_a_finished_upscale_is_refunded_once_with_a_note(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()
    assert owner.balance == 99
    entry = manual_refunds.refund_by_hand(upscale, note="  The label is\n unreadable ", by=head.user)
    assert (entry.kind, entry.amount, entry.note, entry.created_by) == (
        "refund",
        1,
        "The label is unreadable",
        head.user,
    )
    assert owner.balance == 100
    event = AuditEvent.objects.get(action="refunded")
    assert (event.user_name, event.upscale) == ("head", upscale)
    assert event.about == f"1 credit for upscale {upscale.pk}: The label is unreadable"
    with pytest.raises(PublicError, match="once only", check=with_code("refunded_before")):
        manual_refunds.refund_by_hand(upscale, note="again", by=head.user)
    assert owner.balance == 100
    assert AuditEvent.objects.filter(action="refunded").count() == 1


@pytest.mark.parametrize("note", ["", " \t\n", "\0"])
def test_a_refund_by_hand_needs_a_reason(note: str, head: Person, done: Callable[..., Upscale]) -> None:
    with pytest.raises(PublicError, match="Say why", check=with_code("note_missing")):
        manual_refunds.refund_by_hand(done(), note=note, by=head.user)
    assert not CreditEntry.objects.filter(kind="refund").exists()


def test_a_note_has_an_end(head: Person, done: Callable[..., Upscale]) -> None:
    with pytest.raises(PublicError, match="500 characters", check=with_code("note_too_long")):
        manual_refunds.refund_by_hand(done(), note="x" * 501, by=head.user)


def test_only_finished_work_is_refunded_by_hand(owner: Person, head: Person, order: Callable[..., Upscale]) -> None:
    upscale = order()
    with pytest.raises(PublicError, match="not finished", check=with_code("not_done")):
        manual_refunds.refund_by_hand(upscale, note="why", by=head.user)
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    with pytest.raises(PublicError, match="not finished", check=with_code("not_done")):
        manual_refunds.refund_by_hand(upscale, note="why", by=head.user)
    lifecycle.fail(claimed, message="It broke.", code="test")
    with pytest.raises(PublicError, match="by itself", check=with_code("not_done")):
        manual_refunds.refund_by_hand(upscale, note="why", by=head.user)
    assert owner.balance == 100
    assert not AuditEvent.objects.filter(action="refunded").exists()


@pytest.mark.django_db(transaction=True)
def test_many_refunds_at_the_same_moment_give_the_price_back_once(
    owner: Person, head: Person, done: Callable[..., Upscale]
) -> None:
    upscale = done()

    def act() -> str:
        try:
            manual_refunds.refund_by_hand(upscale, note="twice?", by=head.user)
        except PublicError as error:
            assert error.code == "refunded_before"
            return "before"
        return "refunded"

    assert sorted(at_once(6, act)) == ["before"] * 5 + ["refunded"]
    assert owner.balance == 100

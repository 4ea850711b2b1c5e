"""Credits: charged with the row, refunded on Error, never twice, never below zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler import credits
from upscaler.models import CreditEntry, MonthlySpend, Team, Upscale
from upscaler.processing import lifecycle


def entries(upscale: Upscale) -> list[tuple[str, int]]:
    return list(upscale.entries.order_by("pk").values_list("kind", "amount"))


def test_a_submit_charges_the_model_s_price(owner: Person, order: Callable[..., Upscale]) -> None:
    assert entries(order(model_name="topaz")) == [("charge", -3)]
    assert entries(order()) == [("charge", -1)]
    assert owner.balance == 96


def test_an_error_gives_the_price_back_once(owner: Person, order: Callable[..., Upscale]) -> None:
    upscale = order(model_name="topaz")
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It did not work.", code="test")
    assert owner.balance == 100
    with pytest.raises(lifecycle.ClaimLost):
        lifecycle.fail(claimed, message="It did not work.", code="test")
    with pytest.raises(IntegrityError), transaction.atomic():
        credits.refund([upscale], note="")
    with pytest.raises(IntegrityError), transaction.atomic():
        credits.charge([upscale])
    assert entries(upscale) == [("charge", -3), ("refund", 3)]
    assert owner.balance == 100


def test_a_finished_upscale_can_t_fail_any_more(owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    with pytest.raises(lifecycle.ClaimLost):
        lifecycle.fail(upscale, message="Too late.", code="test")
    assert owner.balance == 99


def test_too_few_credits_on_the_page(owner: Person, upload: Callable[..., Any]) -> None:
    credits.grant(team=owner.team, amount=-98, note="almost nothing left")
    answer = owner.submit(image=upload(), model_name="topaz")
    assert answer.status_code == 422
    assert "This costs 3 credits, but your team has 2 credits left." in answer.content.decode()
    assert not Upscale.objects.exists()


def test_several_pictures_are_charged_together_or_not_at_all(owner: Person, upload: Callable[..., Any]) -> None:
    credits.grant(team=owner.team, amount=-98, note="almost nothing left")
    answer = owner.submit(image=[upload("a.jpg"), upload("b.jpg"), upload("c.jpg")])
    assert "This costs 3 credits" in answer.content.decode()
    assert owner.balance == 2
    assert owner.submit(image=[upload("a.jpg"), upload("b.jpg")]).status_code == 302
    assert owner.balance == 0


def test_too_few_credits_over_the_api(owner: Person) -> None:
    credits.grant(team=owner.team, amount=-99, note="almost nothing left")
    body = {"image_url": "https://shop.example/a.jpg", "model_name": "topaz"}
    answer = owner.api("post", "generation-upscale", body)
    assert answer.status_code == 402
    assert "3 credits" in answer.json()["detail"]
    assert "1 credit left" in answer.json()["detail"]
    assert owner.balance == 1


def test_the_database_itself_refuses_a_negative_balance(team: Team) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Team.objects.filter(pk=team.pk).update(balance=-1)


def test_the_audit_finds_every_sort_of_wrong(team: Team, order: Callable[..., Upscale]) -> None:
    entry = order().entries.get()
    values = {"team": team, "upscale": entry.upscale, "kind": "refund", "amount": 1, "balance_after": 100}
    wrongs = [
        (lambda: CreditEntry.objects.create(**values), "(Created): it was refunded before it ended"),
        (lambda: _raw(entry, "amount", -2), "an entry's amount is not its price"),
        (lambda: _raw(entry, "balance_after", 7), f"entry {entry.pk}: balance_after is 7, it should be 99"),
        (lambda: _raw(entry, "team_id", Team.objects.create(name="B", slug="b").pk), "of another team"),
        (lambda: MonthlySpend.objects.update(credits=5), "the spend is 5, the entries sum up to 1"),
        (lambda: _end(entry.upscale, "Error"), "(Error): its refund is missing"),
        (
            lambda: (CreditEntry.objects.create(**values), _end(entry.upscale, "Done")),
            "(Done): it was refunded, but not by hand",
        ),
    ]
    for break_it, words in wrongs:
        with transaction.atomic():
            break_it()
            assert any(words in problem for problem in credits.verify().problems), words
            transaction.set_rollback(True)
    assert credits.verify().problems == []


def _raw(entry: CreditEntry, column: str, value: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE upscaler_creditentry SET {column} = %s WHERE id = %s", [value, entry.pk])


def _end(upscale: Upscale, status: str) -> None:
    Upscale.objects.filter(pk=upscale.pk).update(
        status=status, result_file="a.jpg", error_message="x", completed_at=timezone.now()
    )


def test_a_correction_can_t_go_below_zero(team: Team) -> None:
    with pytest.raises(credits.CreditsRefused, match="This costs"):
        credits.grant(team=team, amount=-101, note="too much")
    with pytest.raises(ValueError, match="zero"):
        credits.grant(team=team, amount=0, note="nothing")


def test_the_audit_finds_what_is_wrong(team: Team, order: Callable[..., Upscale]) -> None:
    upscale = order()
    with transaction.atomic():
        Team.objects.filter(pk=team.pk).update(balance=50)
        CreditEntry.objects.filter(upscale=upscale)._raw_delete("default")
        problems = credits.verify().problems
        assert any("the balance is 50, the entries sum up to 100" in problem for problem in problems)
        assert any(f"Upscale {upscale.pk}" in problem and "missing" in problem for problem in problems)
        transaction.set_rollback(True)
    assert credits.verify().problems == []


@pytest.mark.django_db(transaction=True)
def test_submits_at_the_same_moment_never_overdraw(owner: Person, upload: Callable[..., Any]) -> None:
    credits.grant(team=owner.team, amount=-95, note="five left")

    def submit() -> int:
        client = Client(headers={"Authorization": f"Bearer {owner.token}"})
        link = client.post("/api/v1/uploads", {"file": upload()}).json()["image_url"]
        body = {"image_url": link, "model_name": "recraft"}
        return client.post("/api/v1/generation-upscale", body, "application/json").status_code

    answers = at_once(12, submit)
    assert sorted(answers) == [200] * 5 + [402] * 7
    assert owner.balance == 0
    assert CreditEntry.objects.filter(kind="charge").count() == 5


def test_the_price_comes_back_also_when_the_person_s_account_was_deleted_meanwhile(
    owner: Person, order: Callable[..., Upscale]
) -> None:
    upscale = order(model_name="topaz")
    claimed = lifecycle.claim(upscale.pk)
    assert claimed is not None
    assert claimed.created_by == owner.user
    owner.user.delete()
    lifecycle.fail(claimed, message="It did not work.", code="test")
    assert owner.balance == 100

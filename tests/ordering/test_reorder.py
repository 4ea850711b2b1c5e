"""Ordering a failed upscale anew: once, by today's rules, the same way from the page, the offers and the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings

from tests.conftest import Person
from tests.support import pictures
from tests.usage.test_counts import fail
from upscaler import credits
from upscaler.models import CreditEntry, Upscale
from upscaler.ordering import submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import worker_step

Order = Callable[..., Upscale]


def try_again(person: Person, upscale: Upscale) -> Any:
    """A click on "Try again", and the page that it leads to."""
    return person.client.post(f"/upscales/{upscale.pk}/retry/", follow=True)


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def shown(answer: Any) -> str:
    """The address that an answer led to."""
    return answer.redirect_chain[-1][0]


def charges() -> int:
    return CreditEntry.objects.filter(kind=CreditEntry.Kind.CHARGE).count()


def by_the_admin(boss: Person, upscale: Upscale) -> list[str]:
    boss.user.is_staff = boss.user.is_superuser = True
    boss.user.save()
    data = {"action": "retry", "_selected_action": [upscale.pk]}
    return said(boss.client.post("/admin/upscaler/upscale/", data, follow=True))


def refusal_of_the_form(person: Person, upload: Any) -> str:
    """What the submit page says of a fresh order of the same picture: the limit and the way out."""
    form = UpscaleForm({"model_name": "recraft"}, {"image": upload}, team=person.team)
    assert not form.is_valid()
    [[message]] = form.errors.values()
    # What comes before tells how the picture came here.
    return str(message).rpartition("; ")[2]


def test_a_page_from_before_a_colleague_s_retry_charges_nothing(owner: Person, teammate: Person, order: Order) -> None:
    failed = fail(order())
    try_again(teammate, failed)
    [retry] = Upscale.objects.filter(retry_of=failed)
    worker_step.step(retry.pk)
    answer = try_again(owner, failed)
    retry.refresh_from_db()
    assert (retry.status, shown(answer)) == ("Done", retry.get_absolute_url())
    [message] = said(answer)
    assert "tried again before" in message
    assert "charged once" in message
    assert Upscale.objects.filter(retry_of=failed).count() == 1
    assert (charges(), owner.balance) == (2, 99)


def test_once_the_retry_failed_too_there_is_another(owner: Person, teammate: Person, order: Order) -> None:
    failed = fail(order())
    try_again(teammate, failed)
    fail(Upscale.objects.get(retry_of=failed))
    answer = try_again(owner, failed)
    newest = Upscale.objects.latest("pk")
    assert (shown(answer), newest.retry_of) == (newest.get_absolute_url(), failed)
    assert "trying again" in said(answer)[0]
    assert owner.balance == 99


@pytest.mark.parametrize("ends", ["Done", "Error"])
def test_a_lost_race_leads_to_the_winner_also_where_that_has_ended(
    owner: Person, teammate: Person, order: Order, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail(order())
    submit, ensure_affordable = submission.submit, credits.ensure_affordable

    def a_colleague_is_quicker(**options: Any) -> Any:
        if not Upscale.objects.filter(retry_of=failed).exists():
            monkeypatch.setattr(credits, "ensure_affordable", ensure_affordable)
            monkeypatch.setattr(submission, "submit", submit)
            try_again(teammate, failed)
            monkeypatch.setattr(submission, "submit", and_the_colleague_s_ends)
        return ensure_affordable(**options)

    def and_the_colleague_s_ends(*arguments: Any, **options: Any) -> Any:
        try:
            return submit(*arguments, **options)
        finally:
            first = Upscale.objects.filter(retry_of=failed).earliest("pk")
            worker_step.step(first.pk) if ends == "Done" else fail(first)

    monkeypatch.setattr(credits, "ensure_affordable", a_colleague_is_quicker)
    monkeypatch.setattr(submission, "submit", and_the_colleague_s_ends)
    answer = try_again(owner, failed)
    [winner] = Upscale.objects.filter(retry_of=failed)
    assert (answer.status_code, shown(answer)) == (200, winner.get_absolute_url())
    assert (winner.status, winner.created_by) == (ends, teammate.user)
    assert owner.balance == (99 if ends == "Done" else 100)


def test_a_retry_that_ended_before_the_charge_is_not_made_twice(
    owner: Person, teammate: Person, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail(order())
    ensure_affordable = credits.ensure_affordable

    def a_colleague_s_is_done(**options: Any) -> Any:
        monkeypatch.setattr(credits, "ensure_affordable", ensure_affordable)
        try_again(teammate, failed)
        worker_step.step(Upscale.objects.get(retry_of=failed).pk)
        return ensure_affordable(**options)

    monkeypatch.setattr(credits, "ensure_affordable", a_colleague_s_is_done)
    answer = try_again(owner, failed)
    [retry] = Upscale.objects.filter(retry_of=failed)
    assert (retry.status, shown(answer)) == ("Done", retry.get_absolute_url())
    assert (charges(), owner.balance) == (2, 99)


@pytest.mark.parametrize("limit", [{"MAX_SOURCE_PIXELS": 1000}, {"MAX_RESULT_PIXELS": 1000}], ids=["source", "result"])
@pytest.mark.parametrize("way", ["page", "admin"])
def test_what_today_s_limits_refuse_is_refused(
    owner: Person, head: Person, order: Order, upload: Callable[..., Any], limit: dict[str, int], way: str
) -> None:
    failed = fail(order(content=pictures.jpeg()))
    with override_settings(**limit):
        message = refusal_of_the_form(owner, upload(content=pictures.jpeg()))
        told = said(try_again(owner, failed)) if way == "page" else by_the_admin(head, failed)
    assert any(message in line for line in told), (message, told)
    assert not Upscale.objects.filter(retry_of=failed).exists()
    assert (charges(), owner.balance) == (1, 100)


@pytest.mark.parametrize("way", ["page", "admin"])
@override_settings(ENGINE="uwear", UWEAR_API_KEY="uw_key", PUBLIC_URL="")
def test_an_upload_that_uwear_could_not_fetch_is_refused(
    owner: Person, head: Person, order: Order, upload: Callable[..., Any], way: str
) -> None:
    with override_settings(ENGINE="local"):
        failed = fail(order())
    message = refusal_of_the_form(owner, upload())
    told = said(try_again(owner, failed)) if way == "page" else by_the_admin(head, failed)
    assert any(message in line for line in told), (message, told)
    assert not Upscale.objects.filter(retry_of=failed).exists()
    assert owner.balance == 100


@pytest.mark.parametrize("limit", [{"MAX_SOURCE_PIXELS": 1000}, {"MAX_RESULT_PIXELS": 1000}], ids=["source", "result"])
def test_an_offer_obeys_the_same_rules(
    owner: Person, done: Order, upload: Callable[..., Any], limit: dict[str, int]
) -> None:
    before = done(content=pictures.jpeg())
    with override_settings(**limit):
        message = refusal_of_the_form(owner, upload(content=pictures.jpeg()))
        answer = owner.client.post("/again/", {"offered": [before.pk], "upscale": before.pk})
    assert answer.status_code == 422
    assert any(message in problem["message"] for problem in answer.context["problems"])
    assert (charges(), owner.balance) == (1, 99)


def test_the_admin_s_action_finds_a_retry_that_is_done(owner: Person, head: Person, order: Order) -> None:
    failed = fail(order())
    try_again(owner, failed)
    worker_step.step(Upscale.objects.get(retry_of=failed).pk)
    assert by_the_admin(head, failed) == [f"1 upscale was not tried again ({failed.pk}): It was tried again before."]
    assert (charges(), owner.balance) == (2, 99)


def test_the_same_source_model_and_settings(owner: Person, order: Order) -> None:
    first = order(model_name="topaz", upscale_factor="2x", result_format="WEBP", name="a “shirt”.jpg")
    failed = fail(first)
    try_again(owner, failed)
    again = Upscale.objects.get(retry_of=failed)
    same = (
        "source", "source_name", "source_file", "source_thumbnail", "source_width", "source_height", "source_bytes",
        "source_digest", "source_url", "model_name", "settings", "requested_format", "credits", "order_digest",
    )  # fmt: skip
    assert [getattr(again, name) for name in same] == [getattr(failed, name) for name in same]

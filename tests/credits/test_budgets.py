"""Monthly budgets: exact, said in words, warned of once by e-mail, and right after a migration."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from tests.api.test_api import URL_BODY
from tests.conftest import Person
from tests.processing.test_worker_step import raising
from tests.support.concurrency import at_once
from tests.support.mail import deliver
from upscaler import credits
from upscaler.models import AuditEvent, Email, Membership, MonthlySpend, Upscale
from upscaler.processing import lifecycle
from upscaler.queue import sweep, tasks

NOON = "2026-11-23T12:00:00Z"


def order_by_url(person: Person, **data: Any) -> Any:
    # Another address each time: the same one is not ordered twice while it is under way.
    return person.submit(image_url=f"https://shop.example/a.jpg?{uuid.uuid4().hex}", **data)


def limit(person: Person, *, team: int | None = None, own: int | None = None) -> None:
    credits.change_budgets(team=person.team, by=None, people={person.user.pk: own}, monthly_budget=team)


def spent(person: Person) -> list[tuple[date, int]]:
    return list(MonthlySpend.objects.filter(user=person.user).order_by("month").values_list("month", "credits"))


@time_machine.travel(NOON, tick=False)
def test_a_charge_beyond_the_team_s_budget_is_refused_in_words(owner: Person, head: Person, teammate: Person) -> None:
    limit(owner, team=4)
    assert order_by_url(owner, model_name="topaz").status_code == 302
    answer = order_by_url(teammate, model_name="topaz")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert (
        "This costs 3 credits, but only 1 credit is left of your team’s budget of 4 credits for November. Wait for the "
        "next month, which begins on 1 December, choose fewer pictures or a cheaper model, or ask head for a larger "
        "budget." in page
    )
    over_the_api = teammate.api("post", "generation-upscale", {**URL_BODY, "model_name": "topaz"})
    assert over_the_api.status_code == 402
    assert "ask head for a larger budget" in over_the_api.json()["detail"]
    assert Upscale.objects.count() == 1
    assert order_by_url(teammate).status_code == 302
    assert "nothing is left of your team’s budget" in order_by_url(head).content.decode()
    assert "or raise the budget on the Credits page." in order_by_url(head).content.decode()
    with time_machine.travel("2026-12-01T00:00:00Z", tick=False):
        head.client.force_login(head.user)
        assert order_by_url(head).status_code == 302


@time_machine.travel(NOON, tick=False)
def test_a_person_s_own_budget_holds_for_their_programs_too(owner: Person, teammate: Person) -> None:
    limit(owner, team=50, own=1)
    assert owner.api("post", "generation-upscale", URL_BODY).status_code == 200
    refused = owner.api("post", "generation-upscale", URL_BODY)
    assert refused.status_code == 402
    assert "nothing is left of your own budget of 1 credit for November" in refused.json()["detail"]
    assert "ask those who run this desk" in refused.json()["detail"], "the team has no admin"
    assert order_by_url(teammate).status_code == 302


def test_without_credits_people_read_whom_to_ask(owner: Person, head: Person) -> None:
    credits.grant(team=owner.team, amount=-100, note="empty")
    assert "or ask head for more credits." in order_by_url(owner).content.decode()
    assert "or grant more on the Credits page." in order_by_url(head).content.decode()


def test_several_pictures_count_together(owner: Person, upload: Callable[..., Any]) -> None:
    limit(owner, own=2)
    answer = owner.submit(image=[upload("a.jpg"), upload("b.jpg"), upload("c.jpg")])
    assert "This costs 3 credits, but only 2 credits are left" in answer.content.decode()
    assert not Upscale.objects.exists()
    assert spent(owner) == []


def test_a_refund_goes_to_the_month_of_its_charge(owner: Person, order: Callable[..., Upscale]) -> None:
    with time_machine.travel("2026-10-31T23:59:00Z", tick=False):
        upscale = order(model_name="topaz")
    with time_machine.travel("2026-11-01T00:01:00Z", tick=False):
        order()
        assert spent(owner) == [(date(2026, 10, 1), 3), (date(2026, 11, 1), 1)]
        claimed = lifecycle.claim(upscale.pk)
        assert claimed is not None
        lifecycle.fail(claimed, message="It broke.", code="test")
    assert spent(owner) == [(date(2026, 10, 1), 0), (date(2026, 11, 1), 1)]


@pytest.mark.django_db(transaction=True)
def test_submits_at_the_edge_of_a_budget_never_exceed_it(owner: Person, head: Person) -> None:
    limit(owner, team=3)
    answers = at_once(8, lambda: owner.api("post", "generation-upscale", URL_BODY).status_code)
    assert sorted(answers) == [200] * 3 + [402] * 5
    assert [total for _, total in spent(owner)] == [3]
    assert owner.balance == 97


@pytest.mark.parametrize(("used", "look"), [(0, ""), (79, ""), (82, "low"), (100, "used-up")])
def test_the_pages_show_a_bar_with_words(owner: Person, used: int, look: str) -> None:
    credits.grant(team=owner.team, amount=100, note="more")
    limit(owner, team=100)
    if used:
        bought = Upscale.objects.create(
            team=owner.team, created_by=owner.user, source="url", source_url="https://a.example/", engine="local",
            model_name="recraft", credits=used,
        )  # fmt: skip
        credits.charge([bought])
    words = f"{used} of 100 credits of the team’s budget for"
    ledger, submit = (owner.client.get(path).content.decode() for path in ("/ledger/", "/"))
    assert words in ledger
    assert f'class="budget{f" {look}" if look else ""}"' in ledger
    assert f'<progress max="100" value="{used}"' in ledger
    assert (words in submit) == bool(look)


def test_an_admin_sets_budgets(head: Person, owner: Person) -> None:
    path, own = "/ledger/budgets/", f"budget-person-{owner.user.pk}"
    shown = {"initial-budget-monthly_budget": "", "initial-budget-low_balance": "20", f"initial-{own}": ""}
    form = {"budget-monthly_budget": "100", "budget-low_balance": "5", own: "30", **shown}
    assert head.client.post(path, form)["Location"] == "/ledger/"
    head.team.refresh_from_db()
    assert (head.team.monthly_budget, head.team.low_balance) == (100, 5)
    assert Membership.objects.get(user=owner.user).monthly_budget == 30
    assert sorted(AuditEvent.objects.values_list("action", "about")) == [
        ("budget_changed", "E-mail about a low balance: 20, now 5"),
        ("budget_changed", "Monthly budget of owner: no limit, now 30"),
        ("budget_changed", "Monthly budget of the team: no limit, now 100"),
    ]
    # Sent from a page that is older than another admin's change: only what was changed on it is changed.
    form = {"budget-monthly_budget": "", "budget-low_balance": "20", own: "40", **shown}
    head.client.post(path, form)
    head.team.refresh_from_db()
    assert (head.team.monthly_budget, head.team.low_balance) == (100, 5)
    assert Membership.objects.get(user=owner.user).monthly_budget == 40


@pytest.mark.parametrize(
    ("value", "words"),
    [("-1", "Enter 0 or more."), ("x", "Enter a whole number"), ("1_0", "Enter a whole number"), ("9" * 30, "at most")],
)
def test_a_budget_that_is_none_is_refused(head: Person, value: str, words: str) -> None:
    answer = head.client.post("/ledger/budgets/", {"budget-monthly_budget": value, "budget-low_balance": "1"})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not AuditEvent.objects.exists()


# --- E-mails


@pytest.fixture
def addresses(owner: Person, head: Person) -> None:
    for person in (owner, head):
        person.user.email = f"{person.user.username}@atelier.example"
        person.user.save()


def send_all() -> list[tuple[list[str], str]]:
    return [(message.to, message.subject) for message in deliver()]


@time_machine.travel(NOON, tick=False)
def test_at_80_percent_admins_and_the_person_are_told_once(owner: Person, head: Person, addresses: None) -> None:
    limit(owner, team=10, own=5)
    order_by_url(owner, model_name="topaz")
    assert send_all() == []
    order_by_url(owner)
    person, own = "Atelier: most of a person’s budget of this month is used", ["owner@atelier.example"]
    admins = ["head@atelier.example"]
    assert sorted(send_all()) == [(admins, person), (own, person)]
    texts = " ".join(message.body for message in mail.outbox)
    assert "4 of 5 credits of your own budget for November 2026 are used." in texts
    assert "4 of 5 credits of the budget of owner for November 2026 are used." in texts
    limit(owner, team=10)
    for _ in range(6):
        assert order_by_url(owner).status_code == 302
    assert [subject for _, subject in send_all()[2:]] == ["Atelier: most of this month’s budget is used"]
    assert len(send_all()) == 3


def test_a_low_balance_is_told_once_after_each_grant(owner: Person, head: Person, addresses: None) -> None:
    credits.grant(team=owner.team, amount=-80, note="nearly low")
    assert not Email.objects.exists()
    for _ in range(2):
        order_by_url(owner)
    assert [to for to, _ in send_all()] == [["head@atelier.example"]]
    assert mail.outbox[0].body.startswith("Atelier: 19 credits are left, fewer than 20.")
    credits.grant(team=owner.team, amount=1, note="a little")
    order_by_url(owner)
    assert len(send_all()) == 2


def test_people_without_an_address_are_left_out(owner: Person, head: Person) -> None:
    limit(owner, team=1)
    order_by_url(owner)
    assert send_all() == []
    assert Email.objects.get().sent_at is not None


def test_a_mail_server_that_is_away_loses_nothing(
    owner: Person, head: Person, addresses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(owner, team=1)
    order_by_url(owner)
    email = Email.objects.get()
    now = timezone.now()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", raising(OSError("no route to host")))
        assert send_all() == []
    assert send_all() == [], "it waits before it tries again"
    sent: list[int] = []

    def noted(task: Any, pk: int) -> None:
        if task.module_path.endswith("send_email"):
            sent.append(pk)

    monkeypatch.setattr(type(tasks.send_email), "enqueue", noted)
    sweep.sweep(now + timedelta(seconds=50))
    assert sent == []
    sweep.sweep(now + timedelta(minutes=2))
    assert sent == [email.pk]
    with time_machine.travel(now + timedelta(minutes=2)):
        assert send_all() == [(["head@atelier.example"], "Atelier: most of this month’s budget is used")]
        assert len(send_all()) == 1
        sweep.sweep(now + timedelta(days=1))
    assert sent == [email.pk]


def test_the_message_goes_to_the_queue_after_the_charge(
    owner: Person, head: Person, addresses: None, django_capture_on_commit_callbacks: Any
) -> None:
    from django_tasks_db.models import DBTaskResult

    limit(owner, team=1)
    with django_capture_on_commit_callbacks(execute=True):
        order_by_url(owner)
    [row] = [row for row in DBTaskResult.objects.all() if row.task_path.endswith("send_email")]
    assert (row.queue_name, row.args_kwargs["args"]) == ("mail", [Email.objects.get().pk])


# --- The months of desks that were there before


def test_the_migration_fills_in_what_months_cost(
    owner: Person, teammate: Person, order: Callable[..., Upscale]
) -> None:
    with time_machine.travel("2026-10-31T23:59:00Z", tick=False):
        order(model_name="topaz")
    with time_machine.travel(NOON, tick=False):
        order()
        order_by_url(teammate)
        gone = lifecycle.claim(order().pk)
        assert gone is not None
        lifecycle.fail(gone, message="It broke.", code="test")
    before = sorted(MonthlySpend.objects.values_list("team", "user", "month", "credits"))
    assert len(before) == 3
    MonthlySpend.objects.all().delete()
    assert "the spend is 0, the entries sum up to 3" in " ".join(credits.verify().problems)
    migration = importlib.import_module("upscaler.migrations.0006_month_spend_and_notices")
    migration.fill_month_spend(apps, None)
    assert sorted(MonthlySpend.objects.values_list("team", "user", "month", "credits")) == before
    MonthlySpend.objects.update(credits=99)
    call_command("check_ledger", "--recount")
    assert sorted(MonthlySpend.objects.values_list("team", "user", "month", "credits")) == before


def test_spending_of_a_deleted_account_is_kept(owner: Person, teammate: Person, head: Person) -> None:
    order_by_url(owner)
    order_by_url(teammate)
    owner.user.delete()
    teammate.user.delete()
    assert credits.verify().problems == []
    claimed = lifecycle.claim(Upscale.objects.latest("pk").pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It broke.", code="test")
    assert credits.spending_status(team_id=head.team.pk, user=head.user).spent == 1

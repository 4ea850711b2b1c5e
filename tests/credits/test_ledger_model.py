"""Random lives of a team, step by step, against a plain model of the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
import time_machine
from django.conf import settings as desk_settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Sum
from django.test import Client, override_settings
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.support.errors import with_code
from tests.support.reference_ledger import Model, Work
from upscaler import credits
from upscaler.accounts import tokens
from upscaler.errors import PublicError
from upscaler.models import CreditEntry, Email, Membership, MonthlySpend, Team, Upscale
from upscaler.ordering import reorder, submission
from upscaler.ordering.submission import NewUpscale
from upscaler.processing import lifecycle, manual_refunds
from upscaler.queue import sweep

STEPS = 50
PRICES = {"recraft": 1, "topaz": 3}
URL = "https://shop.example/a.jpg"
START = datetime(2026, 1, 30, 12, tzinfo=UTC)
people = st.sampled_from(["ana", "ben"])
models = st.sampled_from(sorted(PRICES))
picks = st.integers(0, 1000)
limits = st.none() | st.integers(0, 6)


class LedgerMachine(RuleBasedStateMachine):
    """Does the same to the desk and to the model, and compares them after each step."""

    steps: ClassVar[int] = 0
    seen: ClassVar[set[str]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.clock = time_machine.travel(START, tick=False)
        self.now = self.clock.start()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.model = Model()
        self.team = Team.objects.create(name="Atelier", slug="atelier")
        User = get_user_model()
        self.users = {name: User.objects.create(username=name) for name in ("ana", "ben", "head")}
        for name, user in self.users.items():
            role = Membership.Role.ADMIN if name == "head" else Membership.Role.MERCHANDISER
            Membership.objects.create(team=self.team, user=user, role=role)
        self.browser = Client()
        self.browser.force_login(self.users["ana"])
        self.token = tokens.issue(team=self.team, user=self.users["ben"], name="program")[1]
        self.held: list[Upscale] = []
        self.add_credits(9)

    def teardown(self) -> None:
        assert credits.verify().problems == []
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)
        self.clock.stop()

    @property
    def moment(self) -> datetime:
        return datetime.now(UTC)

    @property
    def month(self) -> str:
        return f"{self.moment:%Y-%m}"

    def pick(self, number: int, *statuses: str) -> int:
        found = [pk for pk, work in self.model.work.items() if work.status in statuses]
        return found[number % len(found)]

    def some(self, *statuses: str) -> bool:
        return any(work.status in statuses for work in self.model.work.values())

    # --- Credits and budgets

    @rule(amount=st.integers(1, 15))
    def add_credits(self, amount: int) -> None:
        entry = credits.grant(team=self.team, amount=amount, note="more", by=self.users["head"])
        self.model.newest_grant = entry.pk
        self.model.move("grant", amount)

    @rule(amount=st.integers(1, 5))
    def correct(self, amount: int) -> None:
        if amount > self.model.balance:
            with pytest.raises(credits.CreditsRefused, check=with_code("insufficient_credits")):
                credits.grant(team=self.team, amount=-amount, note="less", by=self.users["head"])
            return
        credits.grant(team=self.team, amount=-amount, note="less", by=self.users["head"])
        self.model.move("correction", -amount)

    @rule(limit=limits, low=st.integers(0, 6))
    def change_team_budget(self, limit: int | None, low: int) -> None:
        values = {"monthly_budget": limit, "low_balance": low}
        credits.change_budgets(team=self.team, by=self.users["head"], people={}, **values)
        self.model.team_budget, self.model.low_balance = limit, low

    @rule(person=people, limit=limits)
    def change_person_budget(self, person: str, limit: int | None) -> None:
        changes = {self.users[person].pk: limit}
        credits.change_budgets(team=self.team, by=self.users["head"], people=changes)
        self.model.budgets[person] = limit

    @rule(person=people, is_own=st.booleans())
    def leave_one_credit_of_a_budget(self, person: str, is_own: bool) -> None:
        """The edge itself, which numbers at random seldom meet."""
        of_month = {who: spent for (who, month), spent in self.model.spent.items() if month == self.month}
        if is_own:
            self.change_person_budget(person, of_month.get(person, 0) + 1)
        else:
            self.change_team_budget(sum(of_month.values()) + 1, self.model.low_balance)
        self.submit(person, ["topaz"])
        self.submit(person, ["recraft"])

    # --- Orders

    def expect(self, person: str, price: int, act: Any) -> list[Upscale]:
        """``act`` makes upscales, or is refused in just the way that the model says."""
        refusal = self.model.refusal(person, price, self.month)
        try:
            made = act()
        except credits.CreditsRefused as error:
            if error.code == "insufficient_credits":
                assert refusal == ("balance", error.left)
                assert "ask head for more credits" in error.message
                self.seen.add("balance")
                return []
            assert error.code == "budget_exceeded"
            assert refusal == ("budget", error.left, "your own budget" in error.message)
            assert "ask head for a larger budget" in error.message
            self.seen.add(f"budget {'your own budget' in error.message}")
        else:
            assert refusal is None
            return made
        return []

    def book(self, made: list[Upscale], person: str) -> None:
        for upscale in made:
            work = Work(person, upscale.credits, self.month, retry_of=upscale.retry_of_id, batch=upscale.batch_id)
            work.ordered_at = self.moment
            self.model.charge(upscale.pk, work, self.users[person].pk)

    @rule(person=people, ordered=st.lists(models, min_size=1, max_size=3))
    def submit(self, person: str, ordered: list[str]) -> None:
        orders = [
            NewUpscale(source="url", model_name=name, settings={}, source_name="a.jpg", source_url=URL)
            for name in ordered
        ]
        price = sum(PRICES[name] for name in ordered)
        act = lambda: submission.submit(orders, team=self.team, user=self.users[person])  # noqa: E731
        self.book(self.expect(person, price, act), person)

    @rule(name=models)
    def submit_on_the_page(self, name: str) -> None:
        refusal = self.model.refusal("ana", PRICES[name], self.month)
        answer = self.browser.post("/", {"model_name": name, "image_url": f"{URL}?{len(self.model.work)}"})
        assert answer.status_code == (302 if refusal is None else 422)
        if refusal is None:
            self.book([Upscale.objects.latest("pk")], "ana")

    @rule(name=models)
    def submit_over_the_api(self, name: str) -> None:
        refusal = self.model.refusal("ben", PRICES[name], self.month)
        answer = self.browser.post(
            "/api/v1/generation-upscale",
            {"model_name": name, "image_url": URL},
            "application/json",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == (200 if refusal is None else 402)
        if refusal is None:
            self.book([Upscale.objects.get(pk=answer.json()["generation_id"])], "ben")

    @precondition(lambda self: self.some("Error"))
    @rule(number=picks, person=people)
    def retry(self, number: int, person: str) -> None:
        failed = self.pick(number, "Error")
        work = self.model.work[failed]
        act = lambda: reorder.retry(Upscale.objects.get(pk=failed), user=self.users[person]).upscale  # noqa: E731
        tried = [pk for pk, w in self.model.work.items() if w.retry_of == failed and w.status != "Error"]
        if tried:
            # Once for each failure, also where the retry has ended well since.
            assert [act().pk] == tried
            return
        self.book(self.expect(person, work.price, lambda: [act()]), person)

    # --- Work

    def claim_one(self, number: int) -> None:
        work, now = self.model.work[number], self.moment
        claimed = lifecycle.claim(number)
        ran_out = work.lease_until is not None and work.lease_until < now
        is_free = work.lease_until is None or ran_out
        if work.status not in ("Created", "Ongoing") or not is_free or (work.not_before and work.not_before > now):
            assert claimed is None
            return
        work.status, work.attempt, work.not_before = "Ongoing", work.attempt + 1, None
        work.failures += ran_out
        work.lease_until = now + timedelta(seconds=desk_settings.LEASE_SECONDS)
        if work.failures >= desk_settings.MAX_FAILURES:
            assert claimed is None
            self.model.end(number, "Error", now)
            self.seen.add("gave up")
        else:
            assert claimed is not None
            self.held.append(claimed)

    @precondition(lambda self: bool(self.model.work))
    @rule(number=picks)
    def claim(self, number: int) -> None:
        self.claim_one(self.pick(number, "Created", "Ongoing", "Done", "Error"))

    def end(self, number: int, status: str, act: Any) -> None:
        """Some worker, which may have lost its claim long ago, wants to write."""
        upscale = self.held[number % len(self.held)]
        work = self.model.work[upscale.pk]
        if work.status != "Ongoing" or work.attempt != upscale.attempt or work.lease_until is None:
            with pytest.raises(lifecycle.ClaimLost):
                act(upscale)
            self.seen.add("claim lost")
            return
        act(upscale)
        if status == "Ongoing":
            work.lease_until, work.not_before = None, self.moment + timedelta(seconds=7)
        else:
            self.model.end(upscale.pk, status, self.moment)

    @precondition(lambda self: bool(self.held))
    @rule(number=picks)
    def fail(self, number: int) -> None:
        self.end(number, "Error", lambda upscale: lifecycle.fail(upscale, message="It broke.", code="test"))

    @precondition(lambda self: bool(self.held))
    @rule(number=picks)
    def finish(self, number: int) -> None:
        result = {"result_file": "results/a.jpg", "result_format": "JPEG", "result_width": 8, "result_height": 8}
        self.end(number, "Done", lambda upscale: lifecycle.finish(upscale, result_id=upscale.pk, **result))

    @precondition(lambda self: bool(self.held))
    @rule(number=picks)
    def release(self, number: int) -> None:
        self.end(number, "Ongoing", lambda upscale: lifecycle.release(upscale, due_in=7))

    @precondition(lambda self: self.some("Created"))
    @rule(number=picks)
    def bring_to_a_good_end(self, number: int) -> None:
        """What the desk is for, which steps at random seldom reach."""
        self.claim_one(self.pick(number, "Created"))
        if self.held:
            self.finish(len(self.held) - 1)

    @precondition(lambda self: bool(self.model.work))
    @rule(number=picks)
    def refund_by_hand(self, number: int) -> None:
        self.refund_one(self.pick(number, "Created", "Ongoing", "Done", "Error"))

    @precondition(lambda self: self.some("Done"))
    @rule(number=picks)
    def refund_what_is_done(self, number: int) -> None:
        self.refund_one(self.pick(number, "Done"))

    def refund_one(self, number: int) -> None:
        work = self.model.work[number]
        refusal = "not_done" if work.status != "Done" else "refunded_before" if work.is_refunded else None
        try:
            manual_refunds.refund_by_hand(Upscale.objects.get(pk=number), note="a poor result", by=self.users["head"])
        except PublicError as error:
            assert error.code == refusal
        else:
            assert refusal is None
            self.model.refund(number)
            self.seen.add("refunded by hand")

    # --- Time

    @rule(seconds=st.sampled_from([5, 31, 120]))
    def wait(self, seconds: int) -> None:
        self.now.shift(timedelta(seconds=seconds))

    @rule()
    def sweep_after_the_workers_died(self) -> None:
        self.now.shift(timedelta(seconds=desk_settings.LEASE_SECONDS + 1))
        sweep.sweep()
        for number, work in list(self.model.work.items()):
            if work.status in ("Created", "Ongoing"):
                self.claim_one(number)

    @rule()
    def next_month(self) -> None:
        self.now.shift(timedelta(days=31))
        self.seen.add("next month")

    # --- The same on both sides

    @invariant()
    def nothing_differs(self) -> None:
        type(self).steps += 1
        model = self.model
        assert Team.objects.get(pk=self.team.pk).balance == model.balance
        entries = CreditEntry.objects.filter(team=self.team).order_by("pk")
        assert list(entries.values_list("kind", "amount", "balance_after", "upscale")) == model.entries
        rows = MonthlySpend.objects.values_list("user__username", "month").annotate(total=Sum("credits"))
        spent = {(name, f"{month:%Y-%m}"): total for name, month, total in rows if total}
        assert spent == {key: total for key, total in model.spent.items() if total}
        statuses = dict(Upscale.objects.values_list("pk", "status"))
        assert statuses == {number: work.status for number, work in model.work.items()}
        assert set(Email.objects.values_list("kind", "about")) == model.notices


@pytest.fixture
def quiet() -> Iterator[None]:
    """Thousands of refusals would be thousands of lines."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("lives", [20, 50])
def test_random_lives_leave_no_difference(lives: int, db: None, quiet: None) -> None:
    LedgerMachine.steps, LedgerMachine.seen = 0, set()
    with override_settings(MAX_FAILURES=2, LEASE_SECONDS=30, SESSION_COOKIE_AGE=10**9):
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=lives,
                stateful_step_count=STEPS,
                # Shrinking takes minutes; add Phase.shrink to look into a failure.
                phases=[Phase.generate],
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert LedgerMachine.steps > 40 * lives
    # The lives went through what can go wrong, or the comparison proves little.
    wanted = {"balance", "budget True", "budget False", "gave up", "claim lost", "refunded by hand", "next month"}
    assert wanted <= LedgerMachine.seen

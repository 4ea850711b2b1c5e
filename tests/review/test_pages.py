"""The queue, a result's page and the team's page, by forms alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from tests.conftest import Person
from tests.support.waiting import batch as order_batch
from tests.support.waiting import quick, worked
from upscaler.models import FidelityCheck, ReviewDecision, Team, Upscale, WrongResult
from upscaler.ordering import gentler, reorder
from upscaler.processing import lifecycle
from upscaler.review import decisions
from upscaler.usage.report import Span
from upscaler.usage.reviews import reviews_of

Result = Callable[..., Upscale]
FACES = {"face_enhancement": True}


def page(person: Person, address: str) -> str:
    answer = person.client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def said(person: Person, address: str, **data: Any) -> str:
    return str(person.client.post(address, data, follow=True).content.decode())


def test_the_queue_has_the_worst_first_and_the_bar_their_number(
    result: Result, owner: Person, outsider: Person
) -> None:
    faithful, unknown, doubtful = result(), result(), result()
    FidelityCheck.objects.filter(upscale__in=[faithful, unknown, doubtful]).delete()
    FidelityCheck.objects.create(upscale=faithful, verdict="faithful", checked_at=faithful.completed_at)
    FidelityCheck.objects.create(upscale=doubtful, verdict="look", reasons=["text"], checked_at=faithful.completed_at)
    shown = page(owner, "/review/")
    places = [shown.index(f'id="upscale-{row.pk}"') for row in (doubtful, unknown, faithful)]
    assert places == sorted(places)
    assert "3 results wait for approval" in shown
    assert '<span class="nav-count">3' in page(owner, "/team/")
    assert "nav-count" not in page(outsider, "/team/")


def test_a_team_that_reviews_nothing_sees_nothing_of_it(owner: Person, result: Result) -> None:
    upscale = result("nobody")
    assert reverse("review") not in page(owner, "/team/")
    assert 'id="review"' not in page(owner, f"/upscales/{upscale.pk}/")


def test_what_waits_for_the_check_alone_is_not_in_the_queue_yet(result: Result, owner: Person) -> None:
    upscale = result("doubts")
    FidelityCheck.objects.get_or_create(upscale=upscale)
    shown = page(owner, "/review/")
    assert f'id="upscale-{upscale.pk}"' not in shown
    assert "1 more is being compared" in shown


def test_forms_approve_reject_and_take_back(result: Result, owner: Person) -> None:
    upscale = result()
    address = f"/upscales/{upscale.pk}/review/"
    assert "approved." in said(owner, address, decision="approved", **{"from": "queue"})
    assert "Approved" in page(owner, f"/upscales/{upscale.pk}/")
    assert "/download/" in page(owner, f"/upscales/{upscale.pk}/")
    assert "waits again" in said(owner, address, decision="taken_back")
    shown = said(owner, address, decision="rejected", reason="text", note="<b>ZABA</b>")
    assert "&lt;b&gt;ZABA&lt;/b&gt;" in shown
    assert "/download/" not in page(owner, f"/upscales/{upscale.pk}/")
    assert "Rejected" in page(owner, "/history/")


@pytest.mark.parametrize(
    ("data", "words", "status"),
    [
        ({}, "Choose to approve or to reject", 422),
        ({"decision": "approved"}, "teammate has rejected this result already", 409),
        ({"decision": "rejected", "note": "x" * 501}, "the limit is 500", 422),
    ],
)
def test_a_refusal_is_said_where_the_person_is(
    result: Result, owner: Person, teammate: Person, data: dict[str, str], words: str, status: int
) -> None:
    upscale = result()
    decisions.decide(upscale=upscale, approve=False, user=teammate.user)
    address = f"/upscales/{upscale.pk}/review/"
    assert words in said(owner, address, **data)
    answer = owner.client.post(address, data, headers={"Accept": "application/json"})
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)
    assert ReviewDecision.objects.count() == 1


def test_ticked_ones_are_approved_together(result: Result, owner: Person, outsider: Person) -> None:
    rows = [result(), result(), result()]
    chosen = [row.pk for row in rows[:2]]
    outsider.client.post("/review/approve/", {"chosen": chosen})
    assert Upscale.objects.to_review().count() == 3
    assert "2 results are approved" in said(owner, "/review/approve/", chosen=chosen)
    assert "None of the ticked" in said(owner, "/review/approve/", chosen=[*chosen, "x", ""])
    assert Upscale.objects.to_review().get() == rows[2]


def test_admins_set_the_rule_on_the_teams_page(owner: Person, head: Person, team: Team) -> None:
    assert "Approval of results" in page(head, "/team/")
    assert "All new results wait" in said(head, "/team/reviews/", reviews="everything", reviewers="admins")
    team.refresh_from_db()
    assert (team.reviews, team.reviewers) == ("everything", "admins")
    assert "Choose what waits" in said(head, "/team/reviews/", reviews="some", reviewers="admins")
    assert owner.client.post("/team/reviews/", {"reviews": "nobody", "reviewers": "members"}).status_code == 403


def test_who_may_only_look_has_no_buttons(result: Result, owner: Person, head: Person) -> None:
    upscale = result()
    Team.objects.update(reviewers="admins")
    assert "data-decide" not in page(owner, "/review/")
    assert "data-decide" in page(head, "/review/")
    assert "the admins approve" in said(owner, f"/upscales/{upscale.pk}/review/", decision="approved")


@pytest.mark.parametrize(
    ("model", "settings", "expected"),
    [
        ("topaz", {"enhance_model": "Low Resolution V2"}, "Topaz, Standard V2, 2×"),
        ("topaz", {"enhance_model": "Standard V2"} | FACES, "Topaz, High Fidelity V2, 2×, faces as they are"),
        ("topaz", {"enhance_model": "High Fidelity V2"} | FACES, "Topaz, High Fidelity V2, 2×, faces as they are"),
        ("topaz", {"enhance_model": "High Fidelity V2"}, "Recraft, 4×"),
        ("recraft", {}, None),
    ],
)
def test_what_is_gentler(model: str, settings: dict[str, Any], expected: str | None) -> None:
    found = gentler.of(model, {"upscale_factor": "2x", **settings} if settings else {})
    assert (found.words if found else None) == expected


def test_a_rejected_result_is_ordered_again_once_more_gently(
    order: Callable[..., Upscale], owner: Person, teammate: Person
) -> None:

    Team.objects.update(reviews="everything")
    with quick():
        upscale = order(model_name="topaz", upscale_factor="2x", enhance_model="Standard V2")
        worked(1)
    upscale.refresh_from_db()
    before = owner.balance
    address = f"/upscales/{upscale.pk}/gentler/"
    assert "Reject it first" in said(owner, address)
    decisions.decide(upscale=upscale, approve=False, user=owner.user)
    assert "Topaz, High Fidelity V2, 2×, 3 credits" in page(owner, f"/upscales/{upscale.pk}/")
    assert "more gently, for 3 credits" in said(owner, address)
    assert "charged once" in said(teammate, address)
    assert owner.balance == before - 3
    again = Upscale.objects.get(retry_of=upscale)
    assert (again.settings["enhance_model"], again.settings["upscale_factor"]) == ("High Fidelity V2", "2x")
    assert "See the gentler try" in page(owner, f"/upscales/{upscale.pk}/")
    # The gentler one failed and was tried again by somebody: that is the one, and nobody pays for a third.
    claimed = lifecycle.claim(again.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="No.", code="test")
    tried = reorder.retry(Upscale.objects.get(pk=again.pk), user=owner.user).upscale
    assert "charged once" in said(teammate, address)
    assert owner.balance == before - 3
    assert [row.pk for row in Upscale.objects.filter(retry_of__isnull=False).order_by("pk")] == [again.pk, tried.pk]


def test_a_batch_counts_a_rejected_picture_once(result: Result, owner: Person) -> None:
    first, _ = order_batch(owner, 2)
    with quick():
        worked(2)
    first.refresh_from_db()
    decisions.decide(upscale=first, approve=False, user=owner.user)
    again = Upscale.objects.get(pk=first.pk)
    again.pk, again.result_id, again.engine_id, again.retry_of = None, None, None, first
    again.review, again.rank, again.credits = "none", None, 0
    again.save(force_insert=True)
    call_command("rebuild_usage")
    assert "Download all 2" in page(owner, f"/batches/{first.batch_id}/")
    decisions.take_back(upscale=first, user=owner.user)
    decisions.decide(upscale=first, approve=True, user=owner.user)
    assert "Download all 3" in page(owner, f"/batches/{first.batch_id}/"), "approved after all, and paid"


def test_midnight_belongs_to_the_month_that_begins(result: Result, owner: Person, team: Team) -> None:
    upscale = result()
    with time_machine.travel(timezone.make_aware(datetime(2026, 11, 1)), tick=False):
        decisions.decide(upscale=upscale, approve=False, reason="text", user=owner.user)
    counted = [len(reviews_of(whose, Span.of(month))) for month in ("2026-10", "2026-11") for whose in (team, None)]
    assert counted == [0, 0, 1, 1]


def test_the_month_counts_rejected_and_wrong_results(result: Result, owner: Person, head: Person) -> None:
    wrong, other = result(), result()
    Upscale.objects.filter(pk=wrong.pk).update(engine="uwear")
    wrong.refresh_from_db()
    for upscale in (wrong, other):
        decisions.decide(upscale=upscale, approve=False, reason="text", user=owner.user)
    assert "Mark as a wrong result" in page(owner, f"/upscales/{wrong.pk}/")
    assert "Mark as a wrong result" not in page(owner, f"/upscales/{other.pk}/")
    assert "Choose what is wrong" in said(owner, f"/upscales/{wrong.pk}/wrong/")
    assert "counts it" in said(owner, f"/upscales/{wrong.pk}/wrong/", reason="text", note="ZABA")
    assert WrongResult.objects.get().upscale == wrong
    [line] = reviews_of(head.team, Span.of(""))
    assert (line.model, line.reason, line.rejected, line.wrong) == ("Recraft", "Text or logo", 2, 1)
    shown = page(head, "/usage/")
    assert "Rejected results" in shown
    assert "Text or logo" in shown
    Upscale.objects.filter(pk=wrong.pk).update(engine="local")

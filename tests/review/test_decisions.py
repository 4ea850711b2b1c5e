"""Which results wait, who decides, and that of two decisions one counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from tests.conftest import Person
from tests.support.concurrency import at_once
from upscaler import fidelity
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, FidelityCheck, ReviewDecision, Team, Upscale, WrongResult
from upscaler.processing import fidelity_checks
from upscaler.review import decisions, policy

Result = Callable[..., Upscale]
Rule = Team.Reviews


def checked(upscale: Upscale, verdict: str = "", problem: str = "") -> Upscale:
    """The result after the check has ended with this."""
    check, _ = FidelityCheck.objects.get_or_create(upscale=upscale)
    FidelityCheck.objects.filter(pk=check.pk).update(lease_until=timezone.now(), checked_at=None)
    check.refresh_from_db()
    assert fidelity_checks._end(check, verdict=verdict, problem=problem)
    upscale.refresh_from_db()
    return upscale


@pytest.mark.parametrize(
    ("rule", "state"), [(Rule.NOBODY, "none"), (Rule.DOUBTS, "pending"), (Rule.EVERYTHING, "pending")]
)
def test_a_new_result_waits_as_its_team_wants(result: Result, rule: str, state: str) -> None:
    upscale = result(rule)
    assert upscale.review == state
    assert upscale.gives_file == (state == "none")
    assert Upscale.objects.to_review().filter(pk=upscale.pk).exists() == (state == "pending")


@pytest.mark.parametrize(
    ("rule", "verdict", "problem", "state"),
    [
        (Rule.DOUBTS, fidelity.FAITHFUL, "", "none"),
        (Rule.DOUBTS, fidelity.LOOK, "", "pending"),
        (Rule.DOUBTS, "", "It broke.", "pending"),
        (Rule.EVERYTHING, fidelity.FAITHFUL, "", "pending"),
    ],
)
def test_the_check_frees_what_it_does_not_doubt(
    result: Result, rule: str, verdict: str, problem: str, state: str
) -> None:
    assert checked(result(rule), verdict, problem).review == state


def test_the_check_frees_nothing_that_somebody_rejected(result: Result, owner: Person) -> None:
    upscale = result(Rule.DOUBTS)
    decisions.decide(upscale=upscale, approve=False, user=owner.user)
    assert checked(upscale, fidelity.FAITHFUL).review == "rejected"


def test_a_new_rule_touches_nothing_that_is_done(result: Result, head: Person, team: Team) -> None:
    old = result(Rule.NOBODY)
    policy.change(team, reviews=Rule.EVERYTHING, reviewers="members", by=head.user)
    waiting = result(Rule.EVERYTHING)
    policy.change(team, reviews=Rule.NOBODY, reviewers="members", by=head.user)
    old.refresh_from_db()
    waiting.refresh_from_db()
    assert (old.review, waiting.review) == ("none", "pending")
    logged = AuditEvent.objects.filter(action=AuditEvent.Action.REVIEWS_CHANGED).values_list("about", flat=True)
    assert list(logged) == ["to “Nothing”, by “Everybody in the team”", "to “Everything”, by “Everybody in the team”"]


def test_only_an_admin_sets_the_rule(team: Team, owner: Person) -> None:
    with pytest.raises(PublicError, match="not an admin"):
        policy.change(team, reviews=Rule.EVERYTHING, reviewers="members", by=owner.user)


@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_is_kept_with_its_note_and_logged(result: Result, teammate: Person, approve: bool) -> None:
    upscale = result()
    note = "  the sleeve\nis green "
    made = decisions.decide(upscale=upscale, approve=approve, note=note, reason="colour", user=teammate.user)
    upscale.refresh_from_db()
    state = "approved" if approve else "rejected"
    assert (upscale.review, upscale.gives_file, upscale.pending_since) == (state, approve, None)
    assert (made.kind, made.note, made.reason) == (state, "the sleeve is green", "" if approve else "colour")
    event = AuditEvent.objects.get(action=state, upscale=upscale)
    assert (event.user, event.about.endswith("the sleeve is green")) == (teammate.user, True)


def test_a_guest_decides_under_a_name_of_their_own(result: Result) -> None:
    upscale = result()
    made = decisions.decide(upscale=upscale, approve=True, guest_name=" Ada \n Client ")
    assert (made.user, made.who) == (None, "Ada Client (by a shared link)")
    assert AuditEvent.objects.get(action="approved").user_name == "Ada Client (by a shared link)"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_guest_without_a_name_decides_nothing(result: Result, name: str) -> None:
    upscale = result()
    with pytest.raises(PublicError, match="Say who you are"):
        decisions.decide(upscale=upscale, approve=True, guest_name=name)
    upscale.refresh_from_db()
    assert upscale.review == "pending"


def test_whoever_is_second_is_told_who_was_first(result: Result, owner: Person, teammate: Person) -> None:
    upscale = result()
    first = decisions.decide(upscale=upscale, approve=True, user=owner.user)
    assert decisions.decide(upscale=upscale, approve=True, user=owner.user) == first, "a double click is one decision"
    with pytest.raises(PublicError, match="owner has approved this result already"):
        decisions.decide(upscale=upscale, approve=False, user=teammate.user)
    assert ReviewDecision.objects.count() == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_of_many_who_decide_at_once_one_wins(result: Result, owner: Person, teammate: Person) -> None:
    upscale = result()
    people = iter([owner, teammate] * 3)

    def act() -> str:
        person = next(people)
        try:
            own = Upscale.objects.get(pk=upscale.pk)
            decisions.decide(upscale=own, approve=person is owner, user=person.user)
        except PublicError as refusal:
            return refusal.code
        return person.user.username

    outcomes = at_once(6, act)
    kept = ReviewDecision.objects.get(upscale=upscale)
    assert set(outcomes) == {kept.user_name, "decided_before"}


def test_a_decision_that_is_taken_back_leaves_what_was(result: Result, owner: Person, teammate: Person) -> None:
    waiting, free = result(), result(Rule.NOBODY)
    for upscale, before in ((waiting, "pending"), (free, "none")):
        decisions.decide(upscale=upscale, approve=False, user=owner.user)
        decisions.take_back(upscale=upscale, user=teammate.user)
        upscale.refresh_from_db()
        assert upscale.review == before
        with pytest.raises(PublicError, match="Nobody has decided"):
            decisions.take_back(upscale=upscale, user=teammate.user)
    assert AuditEvent.objects.filter(action="decision_taken_back").count() == 2


def test_only_those_whom_the_team_wants_decide(
    result: Result, owner: Person, head: Person, outsider: Person, team: Team
) -> None:
    upscale = result()
    with pytest.raises(PublicError):
        decisions.decide(upscale=upscale, approve=True, user=outsider.user)
    policy.change(team, reviews=Rule.EVERYTHING, reviewers="admins", by=head.user)
    upscale.refresh_from_db()
    with pytest.raises(PublicError, match="the admins approve"):
        decisions.decide(upscale=upscale, approve=True, user=owner.user)
    assert decisions.decide(upscale=upscale, approve=True, user=head.user).who == "head"


def test_nothing_is_decided_about_what_is_gone(result: Result, owner: Person) -> None:
    for field in ("withdrawn_at", "deleted_at"):
        upscale = result(Rule.EVERYTHING, **{field: timezone.now()})
        with pytest.raises(PublicError) as refusal:
            decisions.decide(upscale=upscale, approve=True, user=owner.user)
        assert refusal.value.code == "no_result"


@pytest.mark.parametrize(
    ("values", "code"), [({"note": "x" * 501}, "note_too_long"), ({"reason": "smell"}, "unknown_reason")]
)
def test_a_bad_note_or_reason_is_refused(result: Result, owner: Person, values: dict[str, str], code: str) -> None:
    with pytest.raises(PublicError) as refusal:
        decisions.decide(upscale=result(), approve=False, user=owner.user, **values)
    assert refusal.value.code == code
    assert not ReviewDecision.objects.exists()


def test_a_wrong_result_is_marked_once_and_only_where_it_was_paid_for(result: Result, owner: Person) -> None:
    local, paid = result(), result()
    Upscale.objects.filter(pk=paid.pk).update(engine="uwear")
    paid.refresh_from_db()

    def code_of(upscale: Upscale, reason: str = "text") -> str:
        try:
            decisions.mark_wrong(upscale=upscale, reason=reason, note="ZARA reads ZABA", user=owner.user)
        except PublicError as refusal:
            return refusal.code
        return ""

    assert code_of(paid) == "not_rejected"
    for upscale in (local, paid):
        decisions.decide(upscale=upscale, approve=False, user=owner.user)
    assert code_of(local) == "not_paid"
    assert code_of(paid, "") == code_of(paid, "smell") == "unknown_reason"
    assert code_of(paid) == ""
    assert code_of(paid) == "marked_before"
    assert "ZARA reads ZABA" in AuditEvent.objects.get(action="wrong_result").about
    decisions.take_back(upscale=paid, user=owner.user)
    assert not WrongResult.objects.exists(), "what is no longer rejected is no longer wrong"
    Upscale.objects.filter(pk=paid.pk).update(engine="local")  # As it was counted.

"""Whether a result waits for approval, and what people decide: what an upscale's ``review`` is, is said here alone.

`processing.lifecycle` writes what `at_end` says together with a result's end; every later change is written here.

Each change is one conditional update, so that of two people who decide at once one wins and the other is told.
Locks are taken in the order that `usage.counts` gives: the upscale's row first.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Membership, Reason, ReviewDecision, Team, Upscale, WrongResult
from upscaler.review.files import why_withheld
from upscaler.webhooks import outbox as webhooks

logger = logging.getLogger(__name__)

MAX_NOTE_LENGTH = 500
MAX_GUEST_NAME = 100
NOT_REVIEWER = "In this team the admins approve and reject. Ask one of them; nothing was changed."
Review = Upscale.Review
Kind = ReviewDecision.Kind
TOLD = {Kind.APPROVED: "approved", Kind.REJECTED: "rejected", Kind.TAKEN_BACK: "taken back"}


def at_end(upscale: Upscale) -> dict[str, Any]:
    """The columns of a result that is just done, to be written with its end.

    With "what the check doubts" it waits until the check has run; what was only fitted has no check and no doubt. What
    was made of a result that is withheld waits like it, or the source would leave the desk as its copy.
    """
    rule = Team.objects.values_list("reviews", flat=True).get(pk=upscale.team_id)
    waits = rule == Team.Reviews.EVERYTHING or (rule == Team.Reviews.DOUBTS and not upscale.is_only_fitted)
    waits = waits or bool(why_withheld(upscale.source_file.name))
    return _columns(Review.PENDING if waits else Review.NONE, timezone.now())


def note_faithful(upscale_id: int) -> None:
    """Free a result that the check found faithful, unless its team looks at everything. Call it with the verdict.

    Not where its source is withheld: it is faithful to that.
    """
    waiting = Upscale.objects.filter(pk=upscale_id, review=Review.PENDING)
    row = waiting.select_related("batch").first()
    if row is None or why_withheld(row.source_file.name):
        return
    now = timezone.now()
    doubtful = waiting.exclude(team__reviews=Team.Reviews.EVERYTHING)
    if doubtful.update(updated_at=now, **_columns(Review.NONE, now)):
        webhooks.note_review(row)


def decide(
    *,
    upscale: Upscale,
    approve: bool,
    note: str = "",
    reason: str = "",
    user: Any = None,
    guest_name: str = "",
    request: HttpRequest | None = None,
) -> ReviewDecision:
    """Approve or reject a result: by ``user``, who is in its team, or by a guest of that name without an account.

    ``note``: at most `MAX_NOTE_LENGTH` characters. ``reason``: of a rejection, one of `Reason` or empty. The same
    decision by the same person once more, as by a double click, is the first one again.

    Whether a guest may decide at all is the caller's to see to. Raises PublicError with code ``not_reviewer``,
    ``decided_before``, ``no_result``, ``note_too_long``, ``unknown_reason`` or ``guest_name``.
    """
    note, reason = _clean_note(note), "" if approve else _clean_reason(reason)
    guest_name = " ".join(guest_name.replace("\0", " ").split())
    if user is None and not 1 <= len(guest_name) <= MAX_GUEST_NAME:
        raise PublicError(
            f"Say who you are, in at most {MAX_GUEST_NAME} characters, so that the team knows who decided.",
            code="guest_name",
        )
    if user is not None:
        guest_name = ""
        require_reviewer(upscale.team, user)
    kind = Kind.APPROVED if approve else Kind.REJECTED
    with transaction.atomic():
        held = _held(upscale)
        if held.review not in (Review.NONE, Review.PENDING):
            return _same_again(held, kind, user, guest_name)
        before, held.review = held.review, Review(kind.value)
        _write(held)
        decision = _record(held, kind, before, note=note, reason=reason, user=user, guest_name=guest_name)
        _log(decision, held, user, request)
    upscale.review, upscale.pending_since = held.review, held.pending_since
    logger.info("upscale %s: %s", upscale.pk, kind)
    return decision


def take_back(*, upscale: Upscale, user: Any, request: HttpRequest | None = None) -> ReviewDecision:
    """Undo the last decision: the result waits again, or is as free as it was. Whoever may decide may do so.

    Raises PublicError with code ``not_reviewer``, ``not_decided`` or ``no_result``.
    """
    require_reviewer(upscale.team, user)
    with transaction.atomic():
        held = _held(upscale)
        last = held.decisions.first()
        if last is None or held.review not in (Review.APPROVED, Review.REJECTED):
            raise PublicError("Nobody has decided about this result, so nothing was taken back.", code="not_decided")
        WrongResult.objects.filter(upscale=held).delete()
        before, held.review = held.review, Review(last.before)
        _write(held)
        decision = _record(held, Kind.TAKEN_BACK, before, user=user)
        _log(decision, held, user, request)
    upscale.review, upscale.pending_since = held.review, held.pending_since
    return decision


def mark_wrong(
    *, upscale: Upscale, reason: str, note: str = "", user: Any, request: HttpRequest | None = None
) -> WrongResult:
    """Mark a rejected result of a paid engine as that engine's fault, for the month's review. Once.

    Raises PublicError with code ``not_reviewer``, ``not_rejected``, ``not_paid``, ``unknown_reason``, ``note_too_long``
    or ``marked_before``.
    """
    require_reviewer(upscale.team, user)
    note, reason = _clean_note(note), _clean_reason(reason)
    if not reason:
        raise PublicError("Choose what is wrong with it: the month’s review counts by that.", code="unknown_reason")
    if not is_paid(upscale):
        raise PublicError(
            "This result was made on this desk, by no engine that is paid for. A rejection is enough.", code="not_paid"
        )
    try:
        with transaction.atomic():
            held = _held(upscale)
            if held.review != Review.REJECTED:
                raise PublicError("Reject the result first, then mark it.", code="not_rejected")
            wrong = WrongResult.objects.create(team=held.team, upscale=held, reason=reason, note=note, user=user)
            about = f"{_name(held)}: {wrong.get_reason_display().lower()}{f': {note}' if note else ''}"
            action = AuditEvent.Action.WRONG_RESULT
            audit_log.record(action, team=held.team, user=user, about=about, upscale=held, request=request)
    except IntegrityError:
        raise PublicError("This result is marked as wrong already.", code="marked_before") from None
    return wrong


def is_paid(upscale: Upscale) -> bool:
    """Whether an engine elsewhere, which is paid, made the result."""
    return upscale.engine not in (Upscale.Engine.LOCAL, Upscale.Engine.FIT)


def may_review(team: Team, user: Any) -> bool:
    """Whether somebody may approve and reject the team's results."""
    membership = Membership.objects.filter(team=team, user=user).first()
    return membership is not None and is_reviewer(membership, team)


def is_reviewer(membership: Membership, team: Team) -> bool:
    """Whether this person of the team may approve and reject its results."""
    return membership.is_admin or team.reviewers != Team.Reviewers.ADMINS


def require_reviewer(team: Team, user: Any) -> None:
    """Raises PublicError with code ``not_reviewer``."""
    if not may_review(team, user):
        raise PublicError(NOT_REVIEWER, code="not_reviewer")


def check_words(note: str, reason: str) -> None:
    """Raises PublicError with code ``note_too_long`` or ``unknown_reason``, as a decision with them would."""
    _clean_note(note)
    _clean_reason(reason)


def _held(upscale: Upscale) -> Upscale:
    """The row, locked: who decides second sees what the first one did."""
    rows = Upscale.objects.select_for_update(of=("self",), no_key=True).select_related("team", "batch")
    held = rows.get(pk=upscale.pk)
    if not held.gives_result:
        raise PublicError(held.why_closed or "There is no result yet. Wait until it is ready.", code="no_result")
    return held


def _same_again(held: Upscale, kind: str, user: Any, guest_name: str) -> ReviewDecision:
    last = held.decisions.first()
    if last is None:
        raise PublicError("This result is decided already. Reload the page.", code="decided_before")
    if (last.kind, last.user_id, last.guest_name) == (kind, user.pk if user is not None else None, guest_name):
        return last
    raise PublicError(
        f"{last.who} has {TOLD[Kind(last.kind)]} this result already, so your decision was not taken. "
        "Who may decide can take that back first.",
        code="decided_before",
    )


def _write(held: Upscale) -> None:
    now = timezone.now()
    columns = _columns(held.review, now)
    Upscale.objects.filter(pk=held.pk).update(updated_at=now, **columns)
    held.pending_since = columns["pending_since"]
    webhooks.note_review(held)


def _columns(review: str, now: datetime) -> dict[str, Any]:
    return {"review": review, "pending_since": now if review == Review.PENDING else None}


def _record(held: Upscale, kind: str, before: str, **values: Any) -> ReviewDecision:
    name = audit_log.name_of(values.get("user"))[:200]
    return ReviewDecision.objects.create(
        team=held.team, upscale=held, kind=kind, before=before, user_name=name, **values
    )


def _log(decision: ReviewDecision, held: Upscale, user: Any, request: HttpRequest | None) -> None:
    actions = {
        Kind.APPROVED: AuditEvent.Action.APPROVED,
        Kind.REJECTED: AuditEvent.Action.REJECTED,
        Kind.TAKEN_BACK: AuditEvent.Action.DECISION_TAKEN_BACK,
    }
    why = "; ".join(part for part in (decision.get_reason_display() if decision.reason else "", decision.note) if part)
    audit_log.record(
        actions[Kind(decision.kind)],
        team=held.team,
        user=user,
        about=f"{_name(held)}{f': {why}' if why else ''}",
        upscale=held,
        request=request,
        guest_name=decision.guest_name,
    )


def _name(upscale: Upscale) -> str:
    return upscale.source_name or f"upscale {upscale.pk}"


def _clean_note(note: str) -> str:
    note = " ".join(note.replace("\0", " ").split())
    if len(note) > MAX_NOTE_LENGTH:
        raise PublicError(
            f"The note has {len(note):,} characters; the limit is {MAX_NOTE_LENGTH}. Shorten it.", code="note_too_long"
        )
    return note


def _clean_reason(reason: str) -> str:
    if reason and reason not in Reason.values:
        raise PublicError(f"Choose one of the reasons: {', '.join(Reason.values)}.", code="unknown_reason")
    return reason

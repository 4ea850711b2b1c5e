"""What a team wants to approve before it leaves the desk, and who may."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest

from upscaler.accounts import audit_log, people
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Team


@transaction.atomic
def change(team: Team, *, reviews: str, reviewers: str, by: Any, request: HttpRequest | None = None) -> Team:
    """Set both, for results to come: what is done stays as it is, and what waits goes on waiting.

    ``reviews`` is one of `Team.Reviews`, ``reviewers`` one of `Team.Reviewers`. Raises PublicError where either is
    unknown, or where ``by`` is no admin (any more).
    """
    if reviews not in Team.Reviews.values or reviewers not in Team.Reviewers.values:
        raise PublicError(
            "Choose what waits for approval and who may approve. Nothing was changed.", code="unknown_choice"
        )
    held = people.lock(team.pk)
    people.require_admin(team.pk, by)
    if (held.reviews, held.reviewers) != (reviews, reviewers):
        held.reviews, held.reviewers = reviews, reviewers
        held.save(update_fields=["reviews", "reviewers"])
        about = f"to “{held.get_reviews_display()}”, by “{held.get_reviewers_display()}”"
        audit_log.record(AuditEvent.Action.REVIEWS_CHANGED, team=held, user=by, about=about, request=request)
    team.reviews, team.reviewers = held.reviews, held.reviewers
    return team

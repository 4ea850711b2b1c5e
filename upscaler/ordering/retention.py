"""A team's rule: files of upscales that ended so many days ago are deleted, and the rows stay in the history."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log, people
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, ChannelFile, DraftItem, Team, Upscale, WatchedResult
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.queue import dispatch

logger = logging.getLogger(__name__)

MIN_DAYS = 7
"""Longer than any draft is kept, and than anybody who was away for a few days."""
MAX_DAYS = 3650
SLICE = 200
"""Upscales of one transaction, so that nobody waits long behind it."""
COUNTED = 10_000
"""That a page counts at most."""


def read_days(text: str) -> int | None:
    """The days that somebody typed; None for none, which is for good. Raises PublicError, code ``keep_days``."""
    typed = text.strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and MIN_DAYS <= int(typed[:9]) <= MAX_DAYS):
        raise PublicError(
            f"“{typed[:20]}” can’t be used: type {MIN_DAYS} to {MAX_DAYS:,} days in digits, or leave it empty to keep "
            "files for good. Nothing was changed.",
            code="keep_days",
        )
    return int(typed)


@transaction.atomic
def change(team: Team, days: int | None, *, by: Any, request: HttpRequest | None = None) -> None:
    """How many days after their end the files of the team's upscales are kept from now on; None for good.

    Raises PublicError where ``by`` is no admin (any more).
    """
    held = people.lock(team.pk)
    people.require_admin(team.pk, by)
    if held.keep_days != days:
        Team.objects.filter(pk=team.pk).update(keep_days=days)
        about = "to good" if days is None else f"to {days:,} days"
        audit_log.record(AuditEvent.Action.KEEPING_CHANGED, team=held, user=by, about=about, request=request)
    team.keep_days = days


def over_age(team: Team, days: int, now: datetime | None = None) -> UpscaleQuerySet:
    """The team's upscales whose files a rule of so many days deletes now.

    Not those that somebody still waits for or works with: results that wait for approval, what an order under way or a
    draft is made of, batches that have not ended, files that are being made for a shop or are still to be put back
    into a watched folder.
    """
    now = now or timezone.now()
    orders = Upscale.objects.open()
    drafted = DraftItem.objects.filter(batch__team=team)
    named = drafted.exclude(file="")
    owed = WatchedResult.objects.filter(
        put_at=None,
        is_given_up=False,
        folder__off_since=None,
        folder__removed_at=None,
        # Nothing else is ever put back.
        file__upscale__status=Upscale.Status.DONE,
        file__upscale__withdrawn_at=None,
    ).exclude(file__upscale__review=Upscale.Review.REJECTED)
    return (
        Upscale.objects.present()
        .filter(team=team, completed_at__lt=now - timedelta(days=days), pending_since=None)
        .filter(Q(batch=None) | Q(batch__ended_at__isnull=False))
        .exclude(Exists(orders.filter(source_result=OuterRef("pk"))))
        .exclude(Exists(orders.filter(retry_of=OuterRef("pk"))))
        .exclude(Exists(drafted.filter(result=OuterRef("pk"))))
        .exclude(Exists(named.filter(file=OuterRef("source_file"))))
        .exclude(Exists(named.filter(file=OuterRef("result_file"))))
        .exclude(Exists(ChannelFile.objects.filter(upscale=OuterRef("pk"), lease_until__gt=now)))
        .exclude(Exists(owed.filter(file__upscale=OuterRef("pk"))))
    )


def count_over_age(team: Team, days: int) -> int:
    """How many a rule of so many days deletes now; at most one more than `COUNTED`."""
    return over_age(team, days).order_by()[: COUNTED + 1].count()


def is_due() -> bool:
    """Whether any team's rule deletes anything now."""
    return any(over_age(team, team.keep_days or MAX_DAYS).exists() for team in _with_rule())


def step() -> int:
    """Delete one slice of each team with a rule. Returns of how many upscales.

    The files go as those of deleted upscales do, but those that another upscale still needs.
    """
    return sum(_delete_slice(team.pk) for team in _with_rule())


def _with_rule() -> list[Team]:
    return list(Team.objects.filter(keep_days__isnull=False).order_by("pk"))


def _delete_slice(team_id: int) -> int:
    now = timezone.now()
    with transaction.atomic():
        # The team's lock, which orders, drafts and a change of the rule take too.
        team = Team.objects.select_for_update(no_key=True).get(pk=team_id)
        if team.keep_days is None:
            return 0
        rows = over_age(team, team.keep_days, now).order_by("completed_at", "pk")
        chosen = list(rows.values_list("pk", flat=True)[:SLICE])
        if not chosen:
            return 0
        # Asked once more: decisions and files for shops lock the upscale alone.
        still = over_age(team, team.keep_days, now).filter(pk__in=chosen)
        deleted = still.update(deleted_at=now, deleted_by_rule=True, updated_at=now)
        if not deleted:
            return 0
        pictures = "1 picture" if deleted == 1 else f"{deleted:,} pictures"
        audit_log.record(
            AuditEvent.Action.DELETED_BY_RULE,
            team=team,
            user=None,
            about=f"the files of {pictures} that ended more than {team.keep_days:,} days ago",
        )
        # Robust: the files go at the next turn of the clean-up too.
        transaction.on_commit(dispatch.removal, robust=True)
    logger.info("team %s: the files of %s are over age and deleted", team.slug, pictures)
    return deleted

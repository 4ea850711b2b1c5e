"""Share links: made once in clear, stored as a hash, found by that hash. The only module that writes them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from upscaler.accounts import audit_log, people, secrets
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Batch, Membership, ShareLink, Team, Upscale
from upscaler.review import decisions
from upscaler.storage.signed_links import absolute
from upscaler.text import format_datetime

MAX_LABEL_LENGTH = 100
DAYS = (1, 7, 30, 90)
"""For how many days a link may be good."""
USUAL_DAYS = 7
OPENED_ONCE = timedelta(minutes=1)
"""Within which opening it again counts as the same time."""


class State:
    """How a link stands, in the words that people read."""

    LIVE = "Live"
    EXPIRED = "Expired"
    REVOKED = "Revoked"


@transaction.atomic
def make(
    *,
    team: Team,
    user: Any,
    shows: Upscale | Batch,
    label: str,
    days: int = USUAL_DAYS,
    may_decide: bool = False,
    may_download: bool = False,
    form_key: uuid.UUID | None = None,
    request: HttpRequest | None = None,
) -> tuple[ShareLink, str]:
    """Make a link to the comparison of ``shows``. The second value is its address, which is not stored anywhere.

    ``shows`` is the team's, and ``label``, ``days`` are as `forms.ShareForm` leaves them. Raises PublicError where the
    person is not in the team (any more), the team has too many links, or they may not decide themselves and the link
    may; and IntegrityError where a link was made with
    the same ``form_key`` before.
    """
    people.lock(team.pk)
    if not Membership.objects.filter(team=team, user=user).exists():
        raise PublicError("You are not in this team any more, so no link was made.", code="not_member")
    if may_decide and not decisions.may_review(team, user):
        # Or whoever has the link could do what its maker may not.
        raise PublicError(
            "In this team the admins approve and reject, so the link may only look. Switch “They may approve and "
            "reject” off, or ask an admin to make it.",
            code="not_reviewer",
        )
    now = timezone.now()
    most = settings.SHARE_LINKS_PER_TEAM
    if ShareLink.objects.filter(are_live(now), team=team).count() >= most:
        raise PublicError(
            f"A team may have {most:,} links that work at the same time, and yours has as many. Revoke one that is "
            "not needed any more (Team › Shared links), then make this one.",
            code="too_many_links",
        )
    secret = secrets.new_secret()
    link = ShareLink.objects.create(
        team=team,
        upscale=shows if isinstance(shows, Upscale) else None,
        batch=shows if isinstance(shows, Batch) else None,
        made_by=user,
        label=label,
        digest=secrets.digest(secret),
        created_at=now,
        expires_at=now + timedelta(days=days),
        may_decide=may_decide,
        may_download=may_download,
        form_key=form_key,
    )
    about = f"“{label}” to {shown_by(link)}, until {format_datetime(link.expires_at)}, {may(link)}"
    audit_log.record(
        AuditEvent.Action.SHARE_LINK_MADE, team=team, user=user, about=about, upscale=link.upscale, request=request
    )
    return link, absolute(request, reverse("shared", args=[secret]))


@transaction.atomic
def revoke(link: ShareLink, *, by: Any, request: HttpRequest | None = None) -> bool:
    """Make a link useless from now on. False where somebody did so before."""
    if not ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    whose = "" if link.made_by_id == by.pk or link.made_by is None else f" of {audit_log.name_of(link.made_by)}"
    audit_log.record(
        AuditEvent.Action.SHARE_LINK_REVOKED,
        team=link.team,
        user=by,
        about=f"“{link.label}” to {shown_by(link)}{whose}",
        upscale=link.upscale,
        request=request,
    )
    return True


def find(secret: str) -> ShareLink | None:
    """The link that an address's secret part stands for, whatever became of it; None where nobody made it."""
    # What holds other letters than a link does can't be one, and need not be encodable.
    if not secret.isascii():
        return None
    found = ShareLink.objects.filter(digest=secrets.digest(secret))
    return found.select_related("team", "upscale__source_result", "upscale__team", "batch").first()


def note_opened(link: ShareLink) -> None:
    """Count that somebody opened the link's page, once a minute at most."""
    now = timezone.now()
    # Looked at here first: on SQLite even an update of no row waits for the one write lock.
    if link.last_opened_at is None or link.last_opened_at < now - OPENED_ONCE:
        quiet = Q(last_opened_at=None) | Q(last_opened_at__lt=now - OPENED_ONCE)
        ShareLink.objects.filter(quiet, pk=link.pk).update(opens=F("opens") + 1, last_opened_at=now)


def visible_to(membership: Membership) -> QuerySet[ShareLink]:
    """The links of the team that the person may see and revoke: their own, or all for an admin."""
    links = ShareLink.objects.filter(team=membership.team_id).select_related("team", "made_by", "upscale", "batch")
    return links if membership.is_admin else links.filter(made_by=membership.user_id)


def are_live(now: datetime) -> Q:
    """The condition of the links that work."""
    return Q(revoked_at=None, expires_at__gt=now)


def state_of(link: ShareLink, now: datetime) -> str:
    """One of `State`."""
    if link.revoked_at is not None:
        return State.REVOKED
    return State.LIVE if link.expires_at > now else State.EXPIRED


def shown_by(link: ShareLink) -> str:
    """What the team calls the thing that it shows."""
    if link.batch is not None:
        return str(link.batch)
    return (link.upscale.source_name if link.upscale is not None else "") or "Picture from the web"


def may(link: ShareLink) -> str:
    """What whoever has it may do, as a phrase."""
    deeds = ["look", *(["decide"] if link.may_decide else []), *(["download"] if link.may_download else [])]
    return "may " + (f"{', '.join(deeds[:-1])} and {deeds[-1]}" if len(deeds) > 1 else "only look")

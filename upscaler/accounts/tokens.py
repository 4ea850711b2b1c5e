"""API tokens: made once in clear, stored as a hash, found by that hash."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log, people, secrets
from upscaler.errors import PublicError
from upscaler.models import ApiToken, AuditEvent, Membership, Team
from upscaler.models.prepared import Place, Prepared
from upscaler.text import format_datetime

PREFIX = "ups_"
MAX_NAME_LENGTH = 100
MAX_DAYS = 3650
"""For which a token may be good, unless it is good for ever."""
NOTED_EVERY = timedelta(minutes=1)
"""How often it is noted that a token is used."""
UNKNOWN = "This token is not valid here: it is mistyped, or belongs to another desk. Make one on the page Tokens."


class State:
    """How a token stands, in the words that people read."""

    LIVE = "Live"
    EXPIRED = "Expired"
    REVOKED = "Revoked"
    OWNER_LEFT = "Owner left"


@transaction.atomic
def issue(
    *,
    team: Team,
    user: Any,
    name: str,
    expires_at: datetime | None = None,
    read_only: bool = False,
    form_key: uuid.UUID | None = None,
    note: str = "",
    request: HttpRequest | None = None,
) -> tuple[ApiToken, str]:
    """Make a token. The second value is the token in clear, which is not stored anywhere.

    ``note`` is for the audit log.
    Raises PublicError where the person is not in the team (any more), and IntegrityError where this person has made
    one with the same ``form_key`` before.
    """
    people.lock(team.pk)
    if not Membership.objects.filter(team=team, user=user).exists():
        raise PublicError("You are not in this team any more, so no token was made.", code="not_member")
    clear = PREFIX + secrets.new_secret()
    token = ApiToken.objects.create(
        team=team,
        user=user,
        name=name,
        digest=secrets.digest(clear),
        expires_at=expires_at,
        read_only=read_only,
        form_key=form_key,
    )
    may = "may only look" if read_only else "full"
    until = f"until {format_datetime(expires_at)}" if expires_at else "for good"
    about = f"“{name}”, {may}, {until}" + (f" ({note})" if note else "")
    audit_log.record(AuditEvent.Action.TOKEN_ISSUED, team=team, user=user, about=about, token=token, request=request)
    return token, clear


@transaction.atomic
def revoke(token: ApiToken, *, by: Any, request: HttpRequest | None = None) -> bool:
    """Make a token useless from now on. False where somebody did so before."""
    if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    whose = "" if token.user_id == by.pk else f" of {audit_log.name_of(token.user)}"
    about = f"“{token.name}”{whose}"
    audit_log.record(
        AuditEvent.Action.TOKEN_REVOKED, team=token.team, user=by, about=about, token=token, request=request
    )
    return True


@transaction.atomic
def revoke_all(user: Any, *, request: HttpRequest | None = None) -> int:
    """Make every live token of a person useless, in all of their teams. Returns how many."""
    theirs = ApiToken.objects.filter(user=user, revoked_at=None).select_related("team", "user").order_by("pk")
    return sum(revoke(token, by=user, request=request) for token in theirs)


def has_live(user: Any) -> bool:
    """Whether any token of a person works now, in any of their teams."""
    return bool(_with_owner(ApiToken.objects.filter(user=user)).filter(are_live(timezone.now())).exists())


def find_token(clear: str) -> ApiToken:
    """The token, where it is valid now and its owner is still in its team. Raises PublicError.

    Notes at most once a minute that it was used.
    """
    token: ApiToken | None = BY_DIGEST.first(digest=secrets.digest(clear))
    if token is None:
        raise PublicError(UNKNOWN, code="token_unknown")
    now = timezone.now()
    state = state_of(token, now)
    if state != State.LIVE:
        raise _refusal(token, state)
    # Looked at here first: on SQLite even an update of no row waits for the one write lock.
    if token.last_used_at is None or token.last_used_at < now - NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def that_opens(digest: Any, now: Any, *, noted_after: Any) -> QuerySet[ApiToken]:
    """The token of that digest, where it is valid and its use was noted since then.

    With `NOTED_EVERY` before now, `find_token` would change nothing. All may be expressions.
    """
    return _with_owner(ApiToken.objects.filter(digest=digest)).filter(are_live(now), last_used_at__gt=noted_after)


def visible_to(membership: Membership) -> QuerySet[ApiToken]:
    """The tokens of the team that the person may see and revoke: their own, or all for an admin."""
    tokens = ApiToken.objects.filter(team=membership.team_id)
    return _with_owner(tokens if membership.is_admin else tokens.filter(user=membership.user_id))


def are_live(now: Any) -> Q:
    """The condition, on what `visible_to` gives, of the tokens that work."""
    in_time = Q(expires_at=None) | Q(expires_at__gt=now)
    return in_time & Q(revoked_at=None, user__is_active=True, owner_is_in=True)


def state_of(token: ApiToken, now: datetime) -> str:
    """One of `State`, for a token that `find_token` or `visible_to` gave."""
    if token.revoked_at is not None:
        return State.REVOKED
    if not (token.user.is_active and token.owner_is_in):  # type: ignore[attr-defined]
        return State.OWNER_LEFT
    if token.expires_at is not None and token.expires_at <= now:
        return State.EXPIRED
    return State.LIVE


def _with_owner(tokens: QuerySet[ApiToken]) -> QuerySet[ApiToken]:
    # Who comes back to a team makes new tokens, however they once left it.
    memberships = Membership.objects.filter(
        team=OuterRef("team"), user=OuterRef("user"), created_at__lte=OuterRef("created_at")
    )
    return tokens.annotate(owner_is_in=Exists(memberships)).select_related("user")


BY_DIGEST = Prepared(
    lambda: _with_owner(ApiToken.objects.filter(digest=Place("digest", CharField()))).select_related("team").order_by()
)


def _refusal(token: ApiToken, state: str) -> PublicError:
    # Why is told freely: who sends a token holds the secret, and nobody guesses 256 random bits.
    way_out = "Make a new one on the page Tokens of the desk."
    if state == State.EXPIRED and token.expires_at is not None:
        return PublicError(
            f"This token ran out on {format_datetime(token.expires_at)}. {way_out}", code="token_expired"
        )
    if state == State.REVOKED and token.revoked_at is not None:
        return PublicError(
            f"This token was revoked on {format_datetime(token.revoked_at)}. {way_out}", code="token_revoked"
        )
    return PublicError(
        "The person whose token this is has left the team since, so it opens nothing any more. Use another token.",
        code="token_owner_left",
    )

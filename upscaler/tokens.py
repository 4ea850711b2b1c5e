"""API tokens: made once in clear, stored as a hash, found by that hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from upscaler.models import ApiToken, Team

PREFIX = "ups_"


def _digest(clear: str) -> str:
    # A plain hash is enough: the token is 256 random bits, which no dictionary holds.
    return hashlib.sha256(clear.encode()).hexdigest()


def issue(*, team: Team, user: Any, name: str) -> tuple[ApiToken, str]:
    """Make a token. The second value is the token in clear, which is not stored anywhere."""
    clear = PREFIX + secrets.token_urlsafe(32)
    return ApiToken.objects.create(team=team, user=user, name=name, digest=_digest(clear)), clear


def find(clear: str) -> ApiToken | None:
    """The token that is valid now and whose owner is still in its team; None otherwise.

    Notes at most once a minute that it was used.
    """
    token = (
        ApiToken.objects.select_related("team", "user")
        .filter(digest=_digest(clear), revoked_at=None, user__is_active=True)
        .filter(team__memberships__user=F("user"))
        .first()
    )
    if token is None:
        return None
    now = timezone.now()
    # Looked at here first: on SQLite even an update of no row waits for the one write lock.
    if token.last_used_at is None or token.last_used_at < now - timedelta(minutes=1):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token

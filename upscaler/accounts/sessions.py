"""Ending people's sessions elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone


def end_others(user: Any, *, keep: str | None = None) -> int:
    """Sign a person out wherever they are signed in, but for the session ``keep``. Returns how many sessions ended.

    A new password does so by itself. Reads every live session, since a row does not say whose it is.
    """
    return end_where(lambda data: data.get(SESSION_KEY) == str(user.pk), keep=keep)


def end_where(is_meant: Callable[[dict[str, Any]], bool], *, keep: str | None = None) -> int:
    """End the live sessions whose data ``is_meant`` takes, but for the session ``keep``. Returns how many."""
    live = Session.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=keep or "")
    meant = [row.pk for row in live.iterator() if is_meant(row.get_decoded())]
    for start in range(0, len(meant), 500):
        Session.objects.filter(pk__in=meant[start : start + 500]).delete()
    return len(meant)

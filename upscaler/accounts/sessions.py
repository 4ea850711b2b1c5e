"""Ending people's sessions elsewhere."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone


def end_others(user: Any, *, keep: str | None = None) -> int:
    """Sign a person out wherever they are signed in, but for the session ``keep``. Returns how many sessions ended.

    A new password does so by itself. Reads every live session, since a row does not say whose it is.
    """
    live = Session.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=keep or "")
    theirs = [row.pk for row in live.iterator() if row.get_decoded().get(SESSION_KEY) == str(user.pk)]
    Session.objects.filter(pk__in=theirs).delete()
    return len(theirs)

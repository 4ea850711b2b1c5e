"""How failed sign-ins are slowed and locked: django-axes counts them, this says what follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Max, Sum
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log
from upscaler.models import AuditEvent

FIRST_PAUSE = timedelta(minutes=1)
MAX_PAUSE = timedelta(hours=1)
ADDRESS_FACTOR = 10
"""One address may fail so many times as often as one name from it, since a whole office may sit behind it."""

MAX_NAME_LENGTH = 255


def pause(failures: int) -> timedelta:
    """How long nobody may try again after the last of so many failures: nothing below LOGIN_FAILURES, then a minute,
    twice as long after each more, an hour at most."""
    beyond = failures - settings.LOGIN_FAILURES
    # No power larger than needed: an attacker's count has no end.
    return min(FIRST_PAUSE * 2 ** min(beyond, 10), MAX_PAUSE) if beyond >= 0 else timedelta()


def tried_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The user name that a sign-in tries, no longer than the library's column."""
    return str((credentials or request.POST).get("username") or "")[:MAX_NAME_LENGTH]


class Handler(AxesDatabaseHandler):
    """Locks a name from an address, and an address, for a time that grows with the failures of the last day.

    The library alone knows one limit, and one length of locks, after which it forgets.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        return max(failures for failures, _ in self._counts(request, credentials))

    def locked_until(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> datetime | None:
        """When the lock ends; None where nothing is locked."""
        ends = [last + pause(failures) for failures, last in self._counts(request, credentials) if last is not None]
        latest = max(ends, default=None)
        return latest if latest is not None and latest > timezone.now() else None

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        return self.locked_until(request, credentials) is not None

    def user_login_failed(self, sender: Any, credentials: dict[str, Any], request: Any = None, **more: Any) -> None:
        with transaction.atomic():
            super().user_login_failed(sender, credentials, request, **more)
            # A try during a lock is refused as well, but it is no new lock.
            is_new = request is not None and request.axes_locked_out and request.axes_failures_since_start is not None
            user = get_user_model().objects.filter(username=credentials.get("username")).first() if is_new else None
            if user is not None:
                minutes = int(pause(request.axes_failures_since_start).total_seconds() // 60)
                about = f"for {minutes} minute{'' if minutes == 1 else 's'} after {request.axes_failures_since_start}"
                audit_log.record_in_all_teams(
                    AuditEvent.Action.LOCKED_OUT, user=user, about=f"{about} wrong passwords", request=request
                )

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        # Not the address's: whoever has one account could then guess the passwords of all others for ever.
        of_name, _ = self.filter_user_attempts(request, credentials)
        count, _ = of_name.delete()
        return int(count)

    def _counts(self, request: HttpRequest, credentials: dict[str, Any] | None) -> list[tuple[int, datetime | None]]:
        counts = []
        for attempts, factor in zip(self.get_user_attempts(request, credentials), (1, ADDRESS_FACTOR), strict=True):
            found = attempts.aggregate(failures=Sum("failures_since_start"), last=Max("attempt_time"))
            counts.append(((found["failures"] or 0) // factor, found["last"]))
        return counts

"""Who took a result away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log
from upscaler.models import ApiToken, AuditEvent, Upscale

SAME_DOWNLOAD = timedelta(minutes=10)


def note(upscale: Upscale, *, user: Any, token: ApiToken | None = None, request: HttpRequest) -> None:
    """Record that a person, or their program, was sent the result: once for each download.

    A request for the headers alone is none. One for a part is the continuation of a download that was just recorded;
    where there was none it counts, because the desk answers it with the whole file.
    """
    if request.method == "HEAD":
        return
    action = AuditEvent.Action.DOWNLOADED
    if "Range" in request.headers:
        since = timezone.now() - SAME_DOWNLOAD
        just_now = AuditEvent.objects.filter(upscale=upscale, user=user, token=token, action=action)
        if just_now.filter(created_at__gt=since).exists():
            return
    about = upscale.result_name
    audit_log.record(action, team=upscale.team, user=user, about=about, upscale=upscale, token=token, request=request)

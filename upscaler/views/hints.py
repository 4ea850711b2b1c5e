"""Where a remote engine says that something happened to a job."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from upscaler.processing import hints
from upscaler.queue import dispatch

logger = logging.getLogger(__name__)


@csrf_exempt
@login_not_required
@require_POST
def hint(request: HttpRequest, signed: str) -> HttpResponse:
    """Have the job looked at. The body is not read: only the engine's own answer counts."""
    woken = hints.take(signed)
    if woken is None:
        return HttpResponseNotFound("There is nothing here.", content_type="text/plain")
    if woken:
        try:
            dispatch.follow_ups()
        except Exception:
            # The row says that it is due: the sweep sends the message.
            logger.exception("a hint came, and no message could be sent for it")
    return HttpResponse(status=204)

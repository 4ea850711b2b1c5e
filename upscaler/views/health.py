"""For those who watch the desk: is the process up, and can it take work?"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from upscaler.health import readiness


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Database, queue, engine and picture storage, each with ``ok`` or what is wrong; 503 where one is not ready."""
    parts = readiness.recent_report()
    ready = all(state.startswith(readiness.OK) for state in parts.values())
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)

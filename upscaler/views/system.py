"""How the desk itself is, for staff."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from upscaler.health.overview import overview


@require_safe
def system(request: HttpRequest) -> HttpResponse:
    """Workers, queue, engine, storage, mail and database. It shows nothing of any team."""
    if not getattr(request.user, "is_staff", False):
        raise PermissionDenied
    return render(request, "system.html", {"desk": overview()})

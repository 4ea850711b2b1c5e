"""The docs page of the API, in the desk's own look."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from upscaler.api import description
from upscaler.storage import signed_links
from upscaler.webhooks import endpoints


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Where a token comes from, the sequence, examples that run as they stand, every call and every error."""
    desk = signed_links.site(request)
    examples = [
        {"name": one.name, "language": one.language, "title": one.title, "code": one.code.replace("{desk}", desk)}
        for one in description.EXAMPLES_SHOWN
    ]
    context = {
        "desk": desk,
        "examples": examples,
        "calls": description.calls(),
        "statuses": description.STATUSES,
        "events": endpoints.EVENTS,
        "rate": settings.API_RATE,
        "wait_seconds": settings.API_WAIT_SECONDS,
    }
    return render(request, "api/docs.html", context)

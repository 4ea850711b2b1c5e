"""What people read where something breaks that no page has an answer of its own to."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token
from django.views.defaults import server_error

RETRY_AFTER = 30
"""Seconds in which a database that fails over is usually back."""


@requires_csrf_token
def broken(request: HttpRequest) -> HttpResponse:
    """The page for an exception that nobody caught: 503 where the database did not answer, else 500."""
    if isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        # Without the context of other pages: that would ask the database again.
        page = render_to_string("503.html")
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})
    return server_error(request)

"""What people read where something breaks that no page has an answer of its own to."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token
from django.views.defaults import server_error

from upscaler import no_room
from upscaler.database_away import is_away

RETRY_AFTER = 30
"""Seconds in which a database that fails over is usually back."""


def storage_trouble(error: BaseException | None) -> HttpResponse | None:
    """The page for a storage that is full, can't be written or does not answer; None where the error is another."""
    refusal = no_room.refusal_of(error) if error is not None else None
    # What a database answers so may have come after an order was taken: nobody may read that nothing was charged.
    if refusal is None or is_away(error):
        return None
    page = render_to_string("503.html", {"no_room": refusal.message, "is_away": refusal.code == no_room.AWAY})
    return HttpResponse(page, status=503, headers={"Retry-After": str(no_room.RETRY_AFTER)})


def no_picture(error: Exception) -> HttpResponse:
    """The answer for a picture that can't be read or made now. What is wrong with the storage, the log says."""
    is_storage = no_room.refusal_of(error) is not None
    return HttpResponse(status=503, headers={"Retry-After": str(no_room.RETRY_AFTER) if is_storage else "5"})


@requires_csrf_token
def broken(request: HttpRequest) -> HttpResponse:
    """The page for an exception that nobody caught: 503 for a storage or database that is in trouble, else 500."""
    error = sys.exc_info()[1]
    if (page := storage_trouble(error)) is not None:
        return page
    if is_away(error):
        # Without the context of other pages: that would ask the database again.
        said = render_to_string("503.html")
        return HttpResponse(said, status=503, headers={"Retry-After": str(RETRY_AFTER)})
    return server_error(request)

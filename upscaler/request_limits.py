"""How much of a request's body is taken, and of whom: decided by its length, before any of it is read."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.urls import reverse
from django.utils.module_loading import import_string

from upscaler import no_room
from upscaler.accounts import tokens
from upscaler.api.auth import READ_ONLY, TOKEN_MISSING
from upscaler.batches import spreadsheets
from upscaler.errors import PublicError
from upscaler.middleware import DRAFTS_PREFIX, SIGNED_OUT, Handler, is_api

logger = logging.getLogger(__name__)

SMALL_BODY = 65_536
"""Bytes that anybody may send: no form that is open to all needs more."""
FORM_BYTES = 1_000_000
"""What a form may have beside its files."""
DRAFT_FILES = re.compile(r"/drafts/\d+/files/")
FEED_FILES = re.compile(r"/feeds/(?:new|\d+/check)/")
ITEM_BYTES = 4_000
"""Of one item of a batch, on the average: a signed link with name and SKU has a quarter of it."""
NO_CHUNKS = (
    "The desk takes no body in chunks (Transfer-Encoding: chunked), because its length has to be known first. Send it "
    "with a Content-Length."
)

NOT_KEPT = "The desk could not take the pictures in just now. Try again in a while; if it stays so, tell an admin."
NO_FORM = "What was sent can't be read as a form. Reload the page, and send it again with fewer files or fields."


@dataclass(frozen=True)
class Refusal:
    """Why a body is not taken."""

    status: int
    message: str
    authenticate: bool = False


def refusal_of(request: HttpRequest) -> Refusal | None:
    """Why the body of the request is not taken; None where it is, or where there is none. Reads nothing of it."""
    if request.META.get("HTTP_TRANSFER_ENCODING"):
        return Refusal(411, NO_CHUNKS)
    length = _length(request)
    if length <= SMALL_BODY:
        return None
    return _of_api(request, length) if is_api(request.path) else _of_page(request, length)


def may_send(environ: dict[str, Any]) -> bool:
    """Whether the body of a request that the web server has the head of is taken."""
    return refusal_of(WSGIRequest(environ)) is None


class RequestLimitsMiddleware:
    """Refuses what is too large before anything reads it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        refusal = refusal_of(request) or _unreadable(request)
        if refusal is None:
            if _length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE and _is_batch(request):
                # Django has one limit for all bodies that are read whole, and this call's own was kept above.
                request._body = request.read()
            return self.get_response(request)
        if is_api(request.path):
            response: HttpResponse = JsonResponse({"detail": refusal.message}, status=refusal.status)
        elif request.path.startswith(DRAFTS_PREFIX):
            response = JsonResponse({"message": refusal.message}, status=refusal.status)
        else:
            response = render(request, "413.html", {"message": refusal.message}, status=refusal.status)
        if refusal.authenticate:
            response.headers["WWW-Authenticate"] = "Bearer"
        response.headers["Cache-Control"] = "no-store"
        return response


def _unreadable(request: HttpRequest) -> Refusal | None:
    """Why the form can't be read. Asked here, since Django's own error pages read it too and would fail over it."""
    if request.method != "POST" or is_api(request.path):
        return None
    try:
        request.POST  # noqa: B018
    except UnreadablePostError:
        raise
    except OSError as error:
        return Refusal(503, no_room.sentence(error, NOT_KEPT, logger=logger, doing="a form could not be kept"))
    except RequestDataTooBig:
        return _too_large(_length(request), settings.DATA_UPLOAD_MAX_MEMORY_SIZE, "Send less at once.")
    except (MultiPartParserError, SuspiciousOperation):
        return Refusal(400, NO_FORM)
    return None


def _length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _of_api(request: HttpRequest, length: int) -> Refusal | None:
    scheme, _, clear = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not clear.strip():
        return Refusal(401, TOKEN_MISSING, authenticate=True)
    try:
        token = tokens.find_token(clear.strip())
    except PublicError as error:
        return Refusal(401, error.message, authenticate=True)
    if token.read_only and request.path != reverse("api-1:quotes"):
        return Refusal(403, READ_ONLY)
    if _is_batch(request):
        return _too_large(length, settings.MAX_BATCH * ITEM_BYTES + SMALL_BODY, "Send fewer items at once.")
    is_form = request.META.get("CONTENT_TYPE", "").startswith("multipart/form-data")
    takes_file = request.path in (reverse("api-1:upload"), reverse("api-1:check_for_channel"))
    if takes_file or (is_form and request.path == reverse("api-1:create_upscale")):
        limit = settings.MAX_UPLOAD_BYTES + SMALL_BODY
        limit_of_one = f"{settings.MAX_UPLOAD_BYTES / 1e6:.0f} MB"
        way_out = f"For one picture the limit is {limit_of_one}; save it smaller, for example as JPEG."
    else:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        way_out = "Pictures go to /api/v1/uploads or into a form, or are named by their address."
    return _too_large(length, limit, way_out)


def _is_batch(request: HttpRequest) -> bool:
    return request.path in (reverse("api-1:batches"), reverse("api-1:quotes"))


def _of_page(request: HttpRequest, length: int) -> Refusal | None:
    is_of_draft = request.path.startswith(DRAFTS_PREFIX)
    if is_of_draft and length > SMALL_BODY and not _is_signed_in(request):
        return Refusal(401, SIGNED_OUT)
    if not _is_signed_in(request):
        return _too_large(length, SMALL_BODY, "That is all that the desk takes of who is not signed in. Sign in first.")
    if DRAFT_FILES.fullmatch(request.path):
        limit = max(settings.MAX_UPLOAD_BYTES, settings.MAX_ARCHIVE_BYTES) + FORM_BYTES
        way_out = (
            f"A picture may have {settings.MAX_UPLOAD_BYTES / 1e6:,.0f} MB, and a ZIP "
            f"{settings.MAX_ARCHIVE_BYTES / 1e6:,.0f} MB. Pack fewer pictures into one ZIP, or send several."
        )
    elif FEED_FILES.fullmatch(request.path):
        limit = settings.FEED_MAX_BYTES + FORM_BYTES
        way_out = "Pack the feed as .gz, or split it into several."
    elif request.path == reverse("channel-codes"):
        limit, way_out = spreadsheets.MAX_BYTES + SMALL_BODY, "Leave only the columns of SKU and codes in the table."
    elif request.path in (reverse("submit"), reverse("channel-check")):
        limit = max(settings.MAX_FILES * settings.MAX_UPLOAD_BYTES, settings.MAX_ARCHIVE_BYTES) + FORM_BYTES
        each = f"{settings.MAX_UPLOAD_BYTES / 1e6:.0f} MB"
        way_out = f"Send at most {settings.MAX_FILES} pictures of at most {each} each at once."
    else:
        limit, way_out = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, "Pictures are uploaded on the page Enlarge."
    return _too_large(length, limit, way_out)


def _too_large(length: int, limit: int, way_out: str) -> Refusal | None:
    if length <= limit:
        return None
    return Refusal(413, f"This request has {_size(length)}, larger than the limit of {_size(limit)} here. {way_out}")


def _size(length: int) -> str:
    return f"{length / 1e6:,.1f} MB" if length >= 1e6 else f"{length / 1e3:,.0f} kB"


def _is_signed_in(request: HttpRequest) -> bool:
    if not hasattr(request, "session"):
        # Asked by the web server, ahead of all middleware.
        store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    return auth.get_user(request).is_authenticated

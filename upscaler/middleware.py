"""What every request goes through: whose team it is, and errors in the shape that the address has."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.defaults import page_not_found

from upscaler.channels import teams
from upscaler.logs import context
from upscaler.models import Membership
from upscaler.views import page_cache, server_errors

API_PREFIX = "/api/v1/"
REQUEST_NUMBER = "X-Request-ID"
PROXY_NUMBER = re.compile(r"[A-Za-z0-9-]{8,64}")
UNPREFIXED_API = re.compile(r"/generation(s|-results?)?(/|\Z)")
"""The calls of the vendor's newer interface, which has no prefix."""
DRAFTS_PREFIX = "/drafts/"
"""Of what the submit page's scripts ask for, and are answered in JSON."""
SHARED_PREFIX = "/s/"
"""Of what whoever holds a share link may see."""
SIGNED_OUT = "You were signed out. Sign in in another tab, then go on: nothing is lost."
Handler = Callable[[HttpRequest], HttpResponse]
LAST_DEED = "last_deed"
"""The session's key of when the person last did something, in seconds; only with SESSION_IDLE_MINUTES."""
NOTED_EVERY = 30
"""Seconds after which the next thing that the person does is noted."""
ASKED_BY_PAGES = {
    "live",
    "batch-live",
    "feed-live",
    "thumbnail",
    "draft-thumbnail",
    "before",
    "after",
    "source",
    "result",
}
"""What open pages ask for without anybody being there."""
OPEN_WITHOUT_SECOND_FACTOR = {"second-factor", "password_change"}
CHOSEN_TEAM = "team"
"""The session's key of the team that a person has switched to."""

PAGES_OF_FORMS = {
    "submit": ("submit", "again", "make-team", "switch-team"),
    "history": (
        "retry", "history-act", "batch-cancel", "batch-retry", "batch-again", "batch-email", "batch-channels",
        "channel-files", "share-upscale", "share-batch", "wrong-result", "gentler",
    ),
    "review": ("decide", "approve-many"),
    "feeds": ("feed-check", "feed-stop", "feed-remove", "feed-mend"),
    "new-feed": ("new-feed",),
    "password_change": ("sign-out-everywhere", "account-data"),
    "ledger": ("grant", "budgets"),
    "tokens": ("tokens", "revoke-token"),
    "share-links": ("revoke-share-link",),
    "watched-folders": ("watched-folder-look", "watched-folder-switch", "watched-folder-retry"),
    "webhooks": ("webhook-test", "webhook-secret", "webhook-switch", "webhook-remove", "webhook-again"),
    "channels": ("channel-codes", "channel", "channel-copy", "channel-switch"),
    "team": (
        "invite", "renew-invitation", "withdraw-invitation", "change-role", "remove-member", "leave-team",
        "result-names", "accept-waiting", "approval-rule", "keeping-rule",
    ),
}  # fmt: skip
"""Where people find the form again whose address takes nothing but the form."""


def is_api(path: str) -> bool:
    """Whether programs call this address, with a token and answered in JSON."""
    return path.startswith(API_PREFIX) or UNPREFIXED_API.match(path) is not None


def forget_pictures(response: HttpResponseBase) -> None:
    """Have the browser drop what it kept: pictures are kept for a week, and whoever comes next must not find them."""
    response.headers["Clear-Site-Data"] = '"cache"'


def page_of_form(request: HttpRequest) -> str | None:
    """The address of the page that has the form which the request sends; None for any other request."""
    name = request.resolver_match.url_name if request.resolver_match else None
    return next((reverse(page) for page, forms in PAGES_OF_FORMS.items() if name in forms), None)


def memberships_of(request: HttpRequest) -> list[Membership]:
    """The signed-in person's places in their teams, by the teams' names; none for nobody."""
    if not request.user.is_authenticated:
        return []
    mine = Membership.objects.filter(user=request.user)
    return list(mine.select_related("team__storage").order_by("team__name", "pk"))


def membership_of(request: HttpRequest, memberships: list[Membership]) -> Membership | None:
    """The one of ``memberships`` that the person works in: the chosen one, or else their first; None without any."""
    if not memberships:
        return None
    chosen = request.session.get(CHOSEN_TEAM)
    # One who was removed from the chosen team goes on in another.
    first = min(memberships, key=lambda membership: membership.pk)
    found = next((membership for membership in memberships if membership.team_id == chosen), first)
    context.add(team_id=found.team_id)
    return found


class RequestNumberMiddleware:
    """Gives each request a number, which the log's lines and the answer carry; a proxy's own where there is one."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.headers.get(REQUEST_NUMBER, "") if settings.TRUSTED_PROXIES else ""
        number = sent if PROXY_NUMBER.fullmatch(sent) else uuid.uuid4().hex
        with context.about(request_id=number):
            response = self.get_response(request)
        response.headers[REQUEST_NUMBER] = number
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if request.path.startswith("/upscales/"):
            context.add(upscale_id=kwargs.get("pk"))
        elif request.path.startswith("/batches/"):
            context.add(batch_id=kwargs.get("pk"))
        else:
            context.add(upscale_id=kwargs.get("generation_id"), batch_id=kwargs.get("batch_id"))


class NoStoreMiddleware:
    """Lets no browser or proxy keep a page or an answer of the API, unless its view says what may be kept."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class ShareLinkMiddleware:
    """Keeps what is under a share link's address out of search engines, caches and referrers, its errors too."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith(SHARED_PREFIX):
            # Nothing is kept, or a link that was revoked would go on showing what the browser has.
            response.headers["Cache-Control"] = "private, no-store"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Robots-Tag"] = "noindex, nofollow"
        return response


class TeamMiddleware:
    """Sets ``request.memberships``, ``request.membership``, ``request.team`` and the team's ``request.channels``.

    Each is found once it is asked for, and then kept for the request.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        memberships: Any = SimpleLazyObject(lambda: memberships_of(request))
        membership: Any = SimpleLazyObject(lambda: membership_of(request, memberships))
        request.memberships = memberships  # type: ignore[attr-defined]
        request.membership = membership  # type: ignore[attr-defined]
        team: Any = SimpleLazyObject(lambda: membership.team if membership else None)
        request.team = team  # type: ignore[attr-defined]
        request.channels = SimpleLazyObject(lambda: teams.listed(team) if team else [])  # type: ignore[attr-defined]
        return self.get_response(request)


class IdleSessionMiddleware:
    """Signs out who did nothing for SESSION_IDLE_MINUTES. What a page asks for by itself is nothing."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *args: Any) -> None:
        minutes = settings.SESSION_IDLE_MINUTES
        if not minutes or is_api(request.path) or not request.user.is_authenticated:
            return
        now = int(time.time())
        seen = request.session.get(LAST_DEED)
        if seen is not None and now - seen >= 60 * minutes:
            logout(request)
            words = "a minute" if minutes == 1 else f"{minutes} minutes"
            messages.info(request, f"You were signed out, since nothing was done here for {words}.")
            return
        name = request.resolver_match.url_name if request.resolver_match else None
        if name in ASKED_BY_PAGES:
            if seen is not None:
                page_cache.keep_until(request, seen + 60 * minutes)
        # Not at every click, since each is a write.
        elif seen is None or now - seen >= NOTED_EVERY:
            request.session[LAST_DEED] = now
        else:
            page_cache.keep_until(request, seen + NOTED_EVERY)


class StaffSecondFactorMiddleware:
    """Where staff need a second factor, those without one get to its page and no further."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view_func: Any, *args: Any) -> HttpResponseBase | None:
        if not settings.STAFF_SECOND_FACTOR or is_api(request.path):
            return None
        user: Any = request.user
        name = request.resolver_match.url_name if request.resolver_match else None
        is_open = name in OPEN_WITHOUT_SECOND_FACTOR or not getattr(view_func, "login_required", True)
        if is_open or not user.is_authenticated or not user.is_staff or user.is_verified():
            return None
        messages.warning(request, "Staff of this desk sign in with a second factor. Set yours up to go on.")
        return redirect("second-factor")


class PageLoginMiddleware(LoginRequiredMiddleware):
    """Every page needs a signed-in person unless it says otherwise; the API asks for a token instead."""

    def process_view(self, request: HttpRequest, *args: Any) -> HttpResponseBase | None:
        if is_api(request.path):
            return None
        return super().process_view(request, *args)

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponseBase:  # type: ignore[override]
        """To the sign-in, and from there to a page that can be shown: what a form has sent is lost, which is said."""
        if request.path.startswith(DRAFTS_PREFIX):
            return JsonResponse({"message": SIGNED_OUT}, status=401)
        page = page_of_form(request) if request.method == "POST" else None
        if page is None:
            answer = super().handle_no_permission(request, view_func)
        else:
            messages.warning(request, "You were signed out, so nothing was done. Sign in, then send the form again.")
            answer = redirect_to_login(page, self.get_login_url(view_func), self.get_redirect_field_name(view_func))
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            forget_pictures(answer)
        return answer


class AdminBadLookupMiddleware:
    """Answers what no column holds, in an address of Django's admin, like any other nonsense there.

    A number of forty digits or a NUL gets through the admin's filters, also those of the packages' own lists, and only
    the database refuses it.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        is_nonsense = isinstance(exception, (DataError, OverflowError))
        if not (is_nonsense and request.method in ("GET", "HEAD") and request.path.startswith(reverse("admin:index"))):
            return None
        if request.GET and ERROR_FLAG not in request.GET:
            return redirect(f"{request.path}?{ERROR_FLAG}=1")
        return page_not_found(request, exception)


class StorageTroubleMiddleware:
    """Answers where a view could not read or write the picture storage, and found no words of its own for it.

    `server_errors.broken` would say the same, but the log has a traceback of that: fifty for a page of fifty pictures.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return server_errors.storage_trouble(exception)


class JsonErrorsMiddleware:
    """Gives every error under the API's address the API's shape, also those that Django itself makes.

    Outermost, so that a refused host, an unknown address or a wrong method reach a program as JSON too.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not is_api(request.path) or response.status_code < 400:
            return response
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return _with_type(response)
        details = {
            404: f"There is nothing at {request.path}. The calls are listed at {API_PREFIX}docs.",
            405: f"{request.method} is not possible here. Allowed: {response.headers.get('Allow', 'see the docs')}.",
            500: "Something went wrong on our side. Look at your generations before you send it again.",
        }
        detail = details.get(response.status_code, HTTPStatus(response.status_code).phrase + ".")
        answer = _with_type(JsonResponse({"detail": detail}, status=response.status_code))
        # With what the others have added for browsers, and which methods are allowed.
        for name, value in response.headers.items():
            if name not in ("Content-Type", "Content-Length"):
                answer.headers.setdefault(name, value)
        answer.headers.setdefault("Cache-Control", "private, no-store")
        return answer


def _with_type(response: HttpResponse) -> HttpResponse:
    """The error with ``type``, the address of what the docs say of its status: a relative one, as RFC 9457 allows."""
    body = json.loads(response.content)
    if isinstance(body, dict):
        response.content = json.dumps({"type": f"{API_PREFIX}docs#error-{response.status_code}"} | body).encode()
        if "Content-Length" in response.headers:
            response.headers["Content-Length"] = str(len(response.content))
    return response

"""What every request goes through: whose team it is, and JSON errors for programs."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.functional import SimpleLazyObject

from upscaler.models import Team

API_PREFIX = "/api/v1/"
Handler = Callable[[HttpRequest], HttpResponse]


def team_of(request: HttpRequest) -> Team | None:
    """The team that the signed-in person works in; None for nobody or for a person without one."""
    if not request.user.is_authenticated:
        return None
    return Team.objects.filter(memberships__user=request.user).order_by("memberships__pk").first()


class TeamMiddleware:
    """Sets ``request.team``, found when it is first asked for."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.team = SimpleLazyObject(lambda: team_of(request))  # type: ignore[attr-defined]
        return self.get_response(request)


class PageLoginMiddleware(LoginRequiredMiddleware):
    """Every page needs a signed-in person unless it says otherwise; the API asks for a token instead."""

    def process_view(self, request: HttpRequest, *args: Any) -> HttpResponseBase | None:
        if request.path.startswith(API_PREFIX):
            return None
        return super().process_view(request, *args)


class JsonErrorsMiddleware:
    """Gives every error under the API's address the API's shape, also those that Django itself makes.

    Outermost, so that a refused host, an unknown address or a wrong method reach a program as JSON too.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path.startswith(API_PREFIX) or response.status_code < 400:
            return response
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        details = {
            404: f"There is nothing at {request.path}. The calls are listed at {API_PREFIX}docs.",
            405: f"{request.method} is not possible here. Allowed: {response.headers.get('Allow', 'see the docs')}.",
            500: "Something went wrong on our side. Look at your generations before you send it again.",
        }
        detail = details.get(response.status_code, HTTPStatus(response.status_code).phrase + ".")
        answer = JsonResponse({"detail": detail}, status=response.status_code)
        if "Allow" in response.headers:
            answer.headers["Allow"] = response.headers["Allow"]
        return answer

"""What only pages need of Django's middleware: sessions, people, messages, what pages may load.

A program's call has a token and none of these, and would spend more time in them than in its answer.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware as DjangoCommonMiddleware
from django.utils.module_loading import import_string

from upscaler.middleware import is_api


def is_of_program(request: HttpRequest) -> bool:
    """Whether it is a call of the API with a token. The API's docs, read in a browser, are a page."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_call = is_api(request.path) and not request.path.endswith("/docs")
    return bool(token) and scheme.lower() == "bearer" and is_call


def _for_pages(path: str) -> type:
    """That middleware, but programs' calls go past it."""
    base: Any = import_string(path)

    def call(self: Any, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = (
            self.get_response(request) if is_of_program(request) else base.__call__(self, request)
        )
        return response

    return type(base.__name__, (base,), {"__call__": call, "__module__": __name__, "__doc__": base.__doc__})


SessionMiddleware = _for_pages("django.contrib.sessions.middleware.SessionMiddleware")
OTPMiddleware = _for_pages("django_otp.middleware.OTPMiddleware")
MessageMiddleware = _for_pages("django.contrib.messages.middleware.MessageMiddleware")
CSPMiddleware = _for_pages("csp.middleware.CSPMiddleware")
HtmxMiddleware = _for_pages("django_htmx.middleware.HtmxMiddleware")


class AuthenticationMiddleware(DjangoAuthenticationMiddleware):
    """Django's; a program is nobody, whatever cookie came with its call."""

    def __call__(self, request: HttpRequest) -> Any:
        if is_of_program(request):
            request.user = AnonymousUser()
            return self.get_response(request)
        return super().__call__(request)


class CommonMiddleware(DjangoCommonMiddleware):
    """Django's, which would look each of the API's addresses up twice, to see whether it lacks a slash at its end."""

    def should_redirect_with_slash(self, request: HttpRequest) -> bool:
        """No address of the API ends with one."""
        return not is_api(request.path) and super().should_redirect_with_slash(request)

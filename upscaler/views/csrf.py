"""Requests whose token against forgery is missing or old."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views import csrf

from upscaler.middleware import DRAFTS_PREFIX, SIGNED_OUT


def failure(request: HttpRequest, reason: str = "", **more: Any) -> HttpResponseBase:
    """Django's own page; to scripts what they say to people. Signing in again gives another token."""
    if request.path.startswith(DRAFTS_PREFIX):
        return JsonResponse({"message": SIGNED_OUT}, status=401)
    return csrf.csrf_failure(request, reason=reason, **more)

"""What every page knows beside its own context."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from upscaler.engines import get_engine
from upscaler.engines.base import RemoteEngine
from upscaler.processing import circuit_breaker


def engine(request: HttpRequest) -> dict[str, Any]:
    """``engine_down_since``: since when the remote engine does not answer; empty where it does. Asked for once used.

    ``engine_title``: what people call that engine.
    """
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine):
        return {"engine_down_since": ""}
    return {
        "engine_down_since": SimpleLazyObject(lambda: circuit_breaker.down_since(engine) or ""),
        "engine_title": engine.title,
    }

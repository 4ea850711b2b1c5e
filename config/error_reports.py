"""Errors go to Sentry, or a server that speaks its protocol, where SENTRY_DSN names one: without secrets or people."""

from __future__ import annotations

from typing import Any

import sentry_sdk
from django.core.exceptions import ImproperlyConfigured
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import BadDsn

from upscaler.logs import context
from upscaler.logs.redaction import redact_all


def report_errors(dsn: str, *, release: str) -> None:
    """Report every unhandled error and every log line of level ERROR, of web and workers.

    Raises ImproperlyConfigured where the address can't be one.
    """
    # Its lines repeat what is reported as an error anyway, and say of /readyz that it is not ready: again and again.
    ignore_logger("django.request")
    try:
        sentry_sdk.init(
            dsn=dsn,
            release=release,
            send_default_pii=False,
            # Forms hold passwords, and bodies are people's pictures.
            max_request_body_size="never",
            # They hold what a form or a key held a moment ago.
            include_local_variables=False,
            before_send=_without_secrets,
            before_breadcrumb=_breadcrumb_without_secrets,
            # Errors alone: nothing is timed.
            traces_sample_rate=None,
        )
    except (BadDsn, ValueError):
        # Not repeated: it holds a key.
        raise ImproperlyConfigured(
            "SENTRY_DSN can't be read. It must look like https://KEY@HOST/NUMBER, as the project's settings show it."
        ) from None


def _without_secrets(event: Event, hint: Hint) -> Event:
    event["tags"] = {**event.get("tags", {}), **{name: str(number) for name, number in context.current().items()}}
    cleaned: Any = redact_all(event)
    # What a browser sends of itself is nobody's business.
    if (request := cleaned.get("request")) is not None:
        request.pop("cookies", None)
        kept = ("host", "user-agent", "content-type", "content-length", "accept", "referer")
        headers = request.get("headers") or {}
        request["headers"] = {name: value for name, value in headers.items() if name.lower() in kept}
        request.pop("env", None)
        request.pop("data", None)
    cleaned.pop("user", None)
    # What a line was made of: a secret that stands alone does not look like one.
    if (line := cleaned.get("logentry")) is not None:
        line.pop("params", None)
    return cleaned


def _breadcrumb_without_secrets(crumb: dict[str, Any], hint: Hint) -> dict[str, Any]:
    cleaned: dict[str, Any] = redact_all(crumb)
    return cleaned

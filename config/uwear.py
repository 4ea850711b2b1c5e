"""The settings of Uwear's interfaces, read from the environment; `settings` takes them all."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.environment import env, one_of, whole
from upscaler import upscaling_models

UWEAR_DIALECT = one_of("UWEAR_DIALECT", "legacy", ("legacy", "current"))
_prefix = "/api/v1" if UWEAR_DIALECT == "legacy" else ""
UWEAR_API_URL = env.str("UWEAR_API_URL", default="").strip().rstrip("/") or f"https://api.uwear.ai{_prefix}"
# What the host offers, the usual one first. Empty: what Uwear has in this dialect. Only another desk has others.
UWEAR_MODELS = [name.strip() for name in env.list("UWEAR_MODELS", default=[]) if name.strip()]
if unknown := set(UWEAR_MODELS) - set(upscaling_models.MODELS):
    raise ImproperlyConfigured(
        f"UWEAR_MODELS names {', '.join(sorted(unknown))}. Known models are {', '.join(upscaling_models.MODELS)}."
    )
if "@" in urlsplit(UWEAR_API_URL).netloc:
    # It would be sent in place of the key. Not repeated: it may be a password.
    raise ImproperlyConfigured(
        "UWEAR_API_URL holds a name or password before the @. Leave them out: the key is enough."
    )
if urlsplit(UWEAR_API_URL).scheme not in ("http", "https") or not urlsplit(UWEAR_API_URL).hostname:
    raise ImproperlyConfigured(
        f"UWEAR_API_URL is {UWEAR_API_URL!r}. It must be a web address with its prefix, like https://api.uwear.ai/api/v1."
    )
# Stripped, because a key with a line's end is refused. Never repeated in a message: people paste those.
UWEAR_API_KEY = env.str("UWEAR_API_KEY", default="").strip()
if not re.fullmatch(r"[!-~]*", UWEAR_API_KEY):
    raise ImproperlyConfigured("UWEAR_API_KEY holds blanks or letters that no key has. Copy it again from Uwear.")
UWEAR_CONCURRENCY = whole("UWEAR_CONCURRENCY", 2, minimum=1)
UWEAR_CONNECT_TIMEOUT: float = whole("UWEAR_CONNECT_TIMEOUT", 10, minimum=1)
UWEAR_READ_TIMEOUT: float = whole("UWEAR_READ_TIMEOUT", 60, minimum=1)
# What a proxy cut off may still be worked on behind it, for as long as the call itself would have been waited for.
UWEAR_SETTLE_SECONDS = max(whole("UWEAR_SETTLE_SECONDS", 120), UWEAR_CONNECT_TIMEOUT + UWEAR_READ_TIMEOUT)
UWEAR_BREAKER_FAILURES = whole("UWEAR_BREAKER_FAILURES", 3, minimum=1)
UWEAR_TIME_LIMIT = whole("UWEAR_TIME_LIMIT", 60 * 60, minimum=1)
UWEAR_OUTAGE_LIMIT = whole("UWEAR_OUTAGE_LIMIT", 24 * 60 * 60, minimum=1)
UWEAR_MAX_RESULT_BYTES = whole("UWEAR_MAX_RESULT_MB", 1000, minimum=1) * 1_000_000

"""Answers of pages that people open and that open pages ask for again and again, while nothing that they show changes.

Each process keeps what it answered last, with all that was read from the database for it: session, person, team and
rows. Whoever sends the same request again has it answered with what is kept only while each of those questions still
gives the same. So nobody sees what they may not, or what is no longer so. Only what the clock alone changes, like
"3 minutes ago" or the end of a session, may be as late as ``FRESH_SECONDS``.
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from upscaler.logs import context
from upscaler.queue.workers import NoWorkers, recently_missing
from upscaler.recorded_queries import Read, Reads, read_again, recorded

PAGES = re.compile(r"/(history/(live/)?|(batches|upscales)/[0-9]{1,19}/|batches/[0-9]{1,19}/live/)")
"""Those that show nothing but the request, the database and whether workers are alive."""
FRESH_SECONDS = 30
MOST_BYTES = 16_000_000
"""What a process keeps, the least recently used making room."""
OF_THE_DATABASE = "django.contrib.sessions.backends.db"
OF_EACH_REQUEST = {
    *("HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_X_B3_TRACEID", "HTTP_X_B3_SPANID"),
    *("HTTP_X_AMZN_TRACE_ID", "HTTP_X_CLOUD_TRACE_CONTEXT", "HTTP_CF_RAY"),
}
"""Numbers that proxies give to each."""
OF_THE_ADDRESS = ("QUERY_STRING", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme")


@dataclass(frozen=True)
class Kept:
    """An answer with all that it was made of."""

    reads: list[Read]
    workers: NoWorkers | None
    status: int
    content: bytes
    headers: Mapping[str, str]
    log_numbers: Mapping[str, object]
    since: float
    until: float
    size: int


class Answers:
    """What was answered last, by the request."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def find(self, key: bytes) -> Kept | None:
        """What is kept, whether or not it is still right."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def add(self, key: bytes, kept: Kept) -> None:
        """Keep an answer in the place of an older one."""
        with self._lock:
            self._drop(key)
            self._kept[key] = kept
            self._size += kept.size
            while self._size > MOST_BYTES:
                self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Keep none."""
        with self._lock:
            self._kept.clear()
            self._size = 0

    def _drop(self, key: bytes) -> None:
        if (kept := self._kept.pop(key, None)) is not None:
            self._size -= kept.size


answers = Answers()


class PageCacheMiddleware:
    """Answers again what would come out the same, before anything else looks at the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        key = _key(request)
        if key is None:
            return self.get_response(request)
        kept = answers.find(key)
        try:
            workers = recently_missing()
            again = read_again(kept.reads) if kept is not None and _may_be_right(kept, workers) else []
        except DatabaseError:
            # The whole way says so on its page.
            return self.get_response(request)
        if kept is not None and again == kept.reads:
            context.add(**kept.log_numbers)
            return HttpResponse(kept.content, status=kept.status, headers=kept.headers)
        since = time.time()
        with recorded(again) as reads:
            response = self.get_response(request)
        if (
            reads.all
            and reads.can_be_repeated
            and isinstance(response, HttpResponse)
            and _is_lasting(request, response)
        ):
            answers.add(key, _kept(request, response, reads, workers, since))
        return response


def keep_until(request: HttpRequest, moment: float) -> None:
    """Note when the answer will be another though nothing changes, in seconds as `time.time` counts them."""
    request.kept_until = moment  # type: ignore[attr-defined]


def _kept(request: HttpRequest, response: HttpResponse, reads: Reads, workers: NoWorkers | None, since: float) -> Kept:
    return Kept(
        reads=reads.all,
        workers=workers,
        status=response.status_code,
        content=response.content,
        headers=dict(response.items()),
        log_numbers={name: number for name, number in context.current().items() if name != "request_id"},
        since=since,
        until=getattr(request, "kept_until", math.inf),
        size=len(response.content) + reads.size,
    )


def _key(request: HttpRequest) -> bytes | None:
    """All of the request that an answer may depend on; None where it is not kept."""
    sent = request.META
    if request.method != "GET" or not PAGES.fullmatch(request.path_info) or "HTTP_COOKIE" not in sent:
        return None
    if settings.SESSION_ENGINE != OF_THE_DATABASE:
        return None  # Whose session it is would not be among what is read.
    headers = sorted(
        (name, value) for name, value in sent.items() if name.startswith("HTTP_") and name not in OF_EACH_REQUEST
    )
    asked = (request.path_info, *map(sent.get, OF_THE_ADDRESS), headers)
    return hashlib.sha256(repr(asked).encode()).digest()


def _is_lasting(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether it is no answer of that moment alone. That a cookie lasts longer, which the browser has, can wait."""
    return response.status_code in (HTTPStatus.OK, HTTPStatus.NO_CONTENT) and all(
        name == settings.CSRF_COOKIE_NAME and cookie.value == request.COOKIES.get(name)
        for name, cookie in response.cookies.items()
    )


def _may_be_right(kept: Kept, workers: NoWorkers | None) -> bool:
    now = time.time()
    return kept.workers == workers and 0 <= now - kept.since < FRESH_SECONDS and now < kept.until

"""Answers to programs that ask again and again how one upscale stands.

Each process keeps what it answered last, together with the row that it was made of. A poll reads that row again, by one
small question in which its token has to be valid too, and is answered with what is kept only while the row is the same
to the last column: nothing is told later than it would be without, and to nobody else.

::

    poll ─► kept? ─► row as it was, token valid? ─► calls left? ─► the answer as it was
              └───────────┴────────────────────────────┴─► the whole way, at whose end its answer is kept
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import parse_etags

from upscaler.accounts import secrets
from upscaler.api.auth import TokenThrottle
from upscaler.api.polled_rows import Row, read
from upscaler.models import MAX_ID, Upscale

MOST = 5_000
"""Answers that a process keeps, of some 3 kB each."""
POLLS = re.compile(r"/(?:api/v1/)?generation/([0-9]{1,19})")
ASKED_AT = ("wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "SCRIPT_NAME")
"""What links begin with, and what decides whether the address is the desk's at all."""
TAKES_THE_WHOLE_WAY = ("QUERY_STRING", "HTTP_PREFER", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
"""What a plain poll does not have."""
OF_THIS_CALL = ("content-length", "content-type")
"""Headers that an answer without a body has not."""


@dataclass
class Poll:
    """A poll whose answer is being made."""

    row: Row
    until: datetime | None = None
    """When the answer changes by itself; None for never."""


@dataclass(frozen=True)
class _Kept:
    row: Row
    content: bytes
    headers: Mapping[str, str]
    until: datetime | None


class Answers:
    """What was answered last, the oldest ones making room for the newest."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: tuple[Any, ...]) -> _Kept | None:
        """What was answered, whether or not it is still right."""
        return self._kept.get(key)

    def add(self, key: tuple[Any, ...], kept: _Kept) -> None:
        """Keep an answer."""
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)


_answers = Answers()


class PollMiddleware:
    """Answers a poll of what is unchanged before anything else looks at it, and keeps the answers of the others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.throttle = TokenThrottle(settings.API_RATE)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        number = _number(request)
        if number is None:
            return self.get_response(request)
        key = (request.path_info, *map(request.META.get, ASKED_AT))
        return self._again(request, key, number) or self._whole(request, key)

    def _again(self, request: HttpRequest, key: tuple[Any, ...], number: int) -> HttpResponse | None:
        kept = _answers.find(key)
        if kept is None or (kept.until is not None and timezone.now() >= kept.until):
            return None
        scheme, _, clear = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = secrets.digest(clear.strip())
        try:
            is_same = read(digest, number) == kept.row
        except DatabaseError:
            return None  # The whole way says so in the API's words.
        if not is_same or not self.throttle.allows(request, digest):
            return None
        rate = getattr(request, "api_rate", None)
        return _answer(request, kept.content, {**kept.headers, **(rate.headers() if rate is not None else {})})

    def _whole(self, request: HttpRequest, key: tuple[Any, ...]) -> HttpResponseBase:
        response = self.get_response(request)
        poll: Poll | None = getattr(request, "poll", None)
        if poll is None or response.status_code != 200 or not isinstance(response, HttpResponse) or response.cookies:
            return response
        headers = dict(response.items())
        lasting = {name: value for name, value in headers.items() if not name.startswith("RateLimit")}
        _answers.add(key, _Kept(poll.row, response.content, lasting, poll.until))
        return _answer(request, response.content, headers)


def begin(request: HttpRequest, digest: str, number: int) -> None:
    """Note the row that the answer is made of, before it is; ``digest``: the token's. Only of a plain poll."""
    row = read(digest, number) if _number(request) == number else None
    if row is not None:
        request.poll = Poll(row)  # type: ignore[attr-defined]


def will_change(request: HttpRequest, upscale: Upscale) -> None:
    """Note when the answer about the upscale changes by itself: when its result can't be named any more."""
    poll: Poll | None = getattr(request, "poll", None)
    if poll is not None and upscale.is_referable:
        poll.until = upscale.expires_at


def has(request: HttpRequest, tag: str) -> bool:
    """Whether the caller says that it has the answer with that tag."""
    known = parse_etags(request.META.get("HTTP_IF_NONE_MATCH", ""))
    return tag in known or tag.removeprefix("W/") in known


def _number(request: HttpRequest) -> int | None:
    """The upscale that a plain poll asks about; None for any other request."""
    if request.method != "GET" or any(map(request.META.get, TAKES_THE_WHOLE_WAY)):
        return None
    match = POLLS.fullmatch(request.path_info)
    number = int(match[1]) if match else None
    return number if number is not None and number <= MAX_ID else None


def _answer(request: HttpRequest, content: bytes, headers: Mapping[str, str]) -> HttpResponse:
    if has(request, headers.get("ETag", "")):
        response: HttpResponse = HttpResponseNotModified()
        headers = {name: value for name, value in headers.items() if name.lower() not in OF_THIS_CALL}
    else:
        response = HttpResponse(content)
    for name, value in headers.items():
        response.headers[name] = value
    return response

"""Answers to programs that ask again and again how one upscale stands.

Each process keeps what it answered last, together with the row that it was made of. A poll reads that row, by a
statement that Django wrote once, and is answered with what is kept only while the row is the same to the last column:
nothing is told later than it would be without.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from upscaler.models import MAX_ID, Upscale
from upscaler.storage import signed_links

MOST = 5_000
"""Answers that a process keeps, of some 2 kB each."""
TEAM, UPSCALE = -1, -2
"""What stands in the statement where the numbers go."""


@dataclass(frozen=True)
class _Kept:
    row: tuple[Any, ...]
    content: bytes
    content_type: str
    tag: str
    until: datetime | None
    """When the answer changes by itself; None for never."""


class Answers:
    """What one call answers. ``rows`` gives the upscales of a team's number, with all that its answer is made of."""

    def __init__(self, rows: Callable[[int], QuerySet[Upscale]]) -> None:
        self._rows = rows
        self._statement: tuple[str, tuple[Any, ...]] | None = None
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, request: HttpRequest, *, team_id: int, number: int) -> HttpResponse | None:
        """The answer, where it is the same as before. None where it is to be made; `keep` keeps it then."""
        row = self._row(team_id, number) if number <= MAX_ID else None
        if row is None:
            return None
        # Its links begin with the address that the desk was asked at.
        key = (signed_links.site(request), number)
        kept = self._kept.get(key)
        if kept is None or kept.row != row or (kept.until is not None and timezone.now() >= kept.until):
            request.poll = Poll(self, key, row)  # type: ignore[attr-defined]
            return None
        request.api_tag = kept.tag  # type: ignore[attr-defined]
        return HttpResponse(kept.content, content_type=kept.content_type)

    def add(self, key: tuple[str, int], kept: _Kept) -> None:
        """Keep an answer; the oldest ones make room for it."""
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def _row(self, team_id: int, number: int) -> tuple[Any, ...] | None:
        if self._statement is None:
            query = self._rows(TEAM).filter(pk=UPSCALE).order_by().query
            self._statement = query.get_compiler(connection=connection).as_sql()
        sql, places = self._statement
        numbers = {TEAM: team_id, UPSCALE: number}
        with connection.cursor() as cursor:
            cursor.execute(sql, [numbers.get(place, place) for place in places])
            row: tuple[Any, ...] | None = cursor.fetchone()
        return row


@dataclass
class Poll:
    """A poll whose answer is being made."""

    answers: Answers
    key: tuple[str, int]
    row: tuple[Any, ...]
    until: datetime | None = None
    """When the answer changes by itself; None for never."""


def will_change(request: HttpRequest, upscale: Upscale) -> None:
    """Note when the answer about the upscale changes by itself: when its result can't be named any more."""
    poll: Poll | None = getattr(request, "poll", None)
    if poll is not None and upscale.is_referable:
        poll.until = upscale.expires_at


def keep(request: HttpRequest, response: HttpResponseBase) -> None:
    """Keep the answer of a poll that had to be made."""
    poll: Poll | None = getattr(request, "poll", None)
    tag = getattr(request, "api_tag", None)
    if poll is not None and tag and isinstance(response, HttpResponse) and response.status_code == 200:
        kept = _Kept(poll.row, response.content, response.headers["Content-Type"], tag, poll.until)
        poll.answers.add(poll.key, kept)

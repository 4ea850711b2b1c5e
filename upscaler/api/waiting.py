"""Calls that wait for an end (`wait=SECONDS`), so that a program need not ask again and again.

One that waits has a thread of the web server and nothing else: no connection to the database, no transaction. It waits
for `API_WAIT_SECONDS` at most. Each process lets `API_MAX_WAITING` calls wait; any others are answered at once, so that
pages always find a thread.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Annotated

from django.conf import settings
from django.db import connections
from django.http import HttpResponse
from ninja import Header, Schema
from pydantic import Field

from upscaler.api import filters
from upscaler.models import Upscale

FIRST_PAUSE, LAST_PAUSE = 0.2, 1.0
"""Seconds between two looks; they grow, since what took long takes longer still."""
PREFERENCE = re.compile(r'(?:\A|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=[,;]|\Z)', re.IGNORECASE)
PREFER_HELP = (
    "`wait=SECONDS` is the same as the parameter `wait`, as RFC 7240 has it; more than the most is taken as the most."
)
PreferHeader = Annotated[str | None, Header(alias="Prefer", description=PREFER_HELP)]


class WaitQuery(Schema):
    """How long the answer may wait. An empty value counts as not given."""

    wait: Annotated[int | None, filters.EMPTY_IS_NOT_GIVEN, filters.PLAIN_DIGITS] = Field(
        None,
        ge=0,
        le=settings.API_WAIT_SECONDS,
        description=f"Answer at the end, or after so many seconds, 0 to {settings.API_WAIT_SECONDS}. Where it was "
        "waited for, the answer says so in `Preference-Applied`; a desk with many who wait answers at once.",
    )


class _Places:
    """How many calls of this process wait now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self) -> bool:
        with self._lock:
            is_free = self._taken < settings.API_MAX_WAITING
            self._taken += is_free
            return is_free

    def give_back(self) -> None:
        with self._lock:
            self._taken -= 1


_places = _Places()
_stopping = threading.Event()


def stop() -> None:
    """Have all who wait answered now: the web server ends."""
    _stopping.set()


def asked(query: WaitQuery, prefer: str | None) -> int | None:
    """For how many seconds the call wants to wait: by its parameter, or else by its header; None where it says nothing.

    A header that can't be read is left out of account, as RFC 7240 has it.
    """
    if query.wait is not None:
        return query.wait
    found = PREFERENCE.search(prefer or "")
    return min(int(found[1]), settings.API_WAIT_SECONDS) if found else None


def for_end(has_ended: Callable[[], bool], seconds: int | None, response: HttpResponse) -> None:
    """Wait until ``has_ended()``, or the seconds are over; the response's headers say whether it was waited for."""
    if seconds is not None and _waited(has_ended, seconds):
        response.headers["Preference-Applied"] = f"wait={seconds}"


def upscale_has_ended(number: int) -> bool:
    """Whether the upscale is Done or in Error."""
    return Upscale.objects.filter(pk=number, status__in=Upscale.FINAL).exists()


def batch_has_ended(number: int) -> bool:
    """Whether none of the batch's upscales is under way."""
    return not Upscale.objects.filter(batch=number, status__in=Upscale.OPEN).exists()


def _waited(has_ended: Callable[[], bool], seconds: int) -> bool:
    end = time.monotonic() + seconds
    if has_ended():
        return True
    if not _places.take():
        return False
    try:
        pause = FIRST_PAUSE
        while (left := end - time.monotonic()) > 0:
            _leave_database()
            if _stopping.wait(min(pause, left)):
                return False
            if has_ended():
                break
            pause = min(1.3 * pause, LAST_PAUSE)
        return True
    finally:
        _places.give_back()


def _leave_database() -> None:
    for connection in connections.all(initialized_only=True):
        # Only tests call it inside of a transaction.
        if not connection.in_atomic_block:
            connection.close()

"""Amounts, times and long texts as people read them."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

from django.utils import formats, timezone


def format_credits(amount: int) -> str:
    """``1 credit``, ``3 credits``, ``1,200 credits``."""
    return f"{amount} credit" if amount == 1 else f"{amount:,} credits"


def format_bytes(amount: int) -> str:
    """``900 bytes``, ``12.3 kB``, ``4.56 GB``: three digits, rounded down, so that nothing looks full before it is."""
    if amount < 1000:
        return f"{amount} byte{'' if amount == 1 else 's'}"
    units = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
    unit, size = next((unit, size) for unit, size in units if amount >= size)
    places = 2 if amount < 10 * size else 1 if amount < 100 * size else 0
    shown = amount * 10**places // size / 10**places
    return f"{shown:,.{places}f}".rstrip("0").rstrip(".") + f" {unit}" if places else f"{shown:,.0f} {unit}"


def format_datetime(time: datetime | None) -> str:
    """A time with its date and zone."""
    if time is None:
        return "a time that is over"
    local = timezone.localtime(time)
    return f"{formats.date_format(local, 'j F Y, H:i')} ({local.tzname()})"


def format_clock(time: datetime) -> str:
    """The time of the day with its zone: ``14:05 UTC``."""
    return formats.date_format(timezone.localtime(time), "H:i e")


def folded(text: str) -> str:
    """The text as searches compare it: without letter case, accents and control characters, with single blanks."""
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    if not letters.isascii():
        letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", letters).split())

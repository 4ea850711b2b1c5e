"""Amounts, times and long texts as people read them."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

from django.utils import formats, timezone


def format_credits(amount: int) -> str:
    """``1 credit``, ``3 credits``, ``1,200 credits``."""
    return f"{amount} credit" if amount == 1 else f"{amount:,} credits"


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

"""Reading numbers from an address that anybody may have typed."""

from __future__ import annotations

from django.http import QueryDict

from upscaler.models import MAX_ID


def as_number(text: str) -> int | None:
    """A row's number; None for a text that is none, or none that a row could have."""
    # The length first: Python refuses to convert thousands of digits.
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID))):
        return None
    return int(text) if int(text) <= MAX_ID else None


def number(query: QueryDict, name: str) -> int | None:
    """The number that the address gives under ``name``; None where it gives none."""
    return as_number(query.get(name, ""))

"""Keyset pages: the thousandth is as fast as the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import QueryDict

from upscaler.views.query import number

BATCH = 2000


@dataclass(frozen=True)
class KeysetPage:
    """One page of rows, the newest first."""

    rows: list[Any]
    has_newer: bool
    has_older: bool
    is_beyond: bool
    """Nothing is left where the address points to, so that the first page is what to show."""

    def urls(self, address: str, chosen: dict[str, str]) -> dict[str, str | None]:
        """``newer_url`` and ``older_url`` with the filters in ``chosen``; None where there is no such page."""
        newer = {**chosen, "after": self.rows[0].pk} if self.has_newer and self.rows else None
        older = {**chosen, "before": self.rows[-1].pk} if self.has_older and self.rows else None
        return {
            "newer_url": f"{address}?{urlencode(newer)}" if newer else None,
            "older_url": f"{address}?{urlencode(older)}" if older else None,
        }


def keyset_page(rows: Any, query: QueryDict, size: int) -> KeysetPage:
    """The page of ``rows``, newest first by their numbers, that the address asks for with ``before`` or ``after``."""
    before, after = number(query, "before"), number(query, "after")
    if after is not None:
        page = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        return KeysetPage(page[:size][::-1], has_newer=len(page) > size, has_older=True, is_beyond=not page)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    page = list(rows.order_by("-pk")[: size + 1])
    is_beyond = not page and ("before" in query or "after" in query)
    return KeysetPage(page[:size], has_newer=before is not None, has_older=len(page) > size, is_beyond=is_beyond)


def sku_page(rows: Any, query: QueryDict, size: int, *, anchors: Any) -> KeysetPage:
    """As `keyset_page`, by SKU and in each the newest first. ``anchors``: where the address's number is looked up."""
    after, before = number(query, "after"), number(query, "before")
    anchor = anchors.filter(pk=before if after is None else after).first() if (after or before) is not None else None
    if anchor is None:
        page = list(rows.order_by("sku", "-pk")[: size + 1])
        return KeysetPage(page[:size], has_newer=False, has_older=len(page) > size, is_beyond=False)
    # The first bound follows from the others, and leads the database to its place in the index.
    if after is not None:
        rows = rows.filter(Q(sku__lt=anchor.sku) | Q(pk__gt=anchor.pk), sku__lte=anchor.sku).order_by("-sku", "pk")
        page = list(rows[: size + 1])
        return KeysetPage(page[:size][::-1], has_newer=len(page) > size, has_older=True, is_beyond=not page)
    rows = rows.filter(Q(sku__gt=anchor.sku) | Q(pk__lt=anchor.pk), sku__gte=anchor.sku).order_by("sku", "-pk")
    page = list(rows[: size + 1])
    return KeysetPage(page[:size], has_newer=True, has_older=len(page) > size, is_beyond=not page)


def in_batches(rows: Any) -> Iterator[Any]:
    """All of ``rows``, newest first by their numbers, read ``BATCH`` at a time.

    Not by one long query: neither memory nor a read lock grows with the table.
    """
    last = None
    while True:
        batch = list((rows if last is None else rows.filter(pk__lt=last)).order_by("-pk")[:BATCH])
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1].pk

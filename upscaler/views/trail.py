"""The way through the history on the page of one upscale: the ones before and after it, and the way back.

Every query here reads a few rows beside one number, so that it is as quick in a million rows as in ten, unless a rare
filter makes it look for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from upscaler.views.query import number

CURSORS = ("before", "after")
BATCH_PAGES = {"of_batch_page": "batch", "of_pairs_page": "batch-compare"}
"""In the addresses on a batch's pages: which page of the batch leads there, and is led back to."""


@dataclass(frozen=True)
class Step:
    """The upscale before or after this one."""

    url: str
    name: str


def carried_query(query: QueryDict, filters: Mapping[str, str]) -> str:
    """Where somebody is in the history, for the links to its upscales: ``?status=Done&before=77``, or nothing."""
    where = {key: value for key, value in filters.items() if value} | cursor(query)
    return f"?{urlencode(where)}" if where else ""


def trail(
    rows: Any, pk: int, query: QueryDict, filters: Mapping[str, str], page_size: int, *, page: str = "upscale"
) -> dict[str, Any]:
    """For the page of the upscale ``pk``: ``previous`` and ``next``, each a `Step` or None, and ``back_url``.

    ``back_to`` is what that leads to: history or batch. ``rows`` are the team's upscales that the filters let through.
    The way back leads to the history's page that somebody came from, or, once they went on past its end, to one that
    begins with this upscale. ``page``: which page of each upscale the steps lead to.
    """
    rows = rows.select_related(None).prefetch_related(None)
    came_from = next((name for name in BATCH_PAGES if name in query), None)
    if came_from is not None and filters["batch"].isdecimal():
        return _trail_of_batch(rows, pk, query, int(filters["batch"]), came_from, page)
    carried = carried_query(query, filters)
    place = cursor(query)
    # As many as a page has, on the side where its beginning is: so many tell whether this one is on the same page.
    newer = _beside(rows.filter(pk__gt=pk).order_by("pk"), 1 if "after" in place else page_size)
    older = _beside(rows.filter(pk__lt=pk).order_by("-pk"), page_size if "after" in place else 1)
    if not _is_on_page(pk, place, newer, older, page_size):
        place = {"before": pk + 1}
    back = urlencode({key: value for key, value in filters.items() if value} | place)
    return {
        "previous": _step(newer, carried, page),
        "next": _step(older, carried, page),
        "back_url": f"{reverse('history')}{'?' if back else ''}{back}#upscale-{pk}",
        "back_to": "history",
    }


def _trail_of_batch(rows: Any, pk: int, query: QueryDict, batch: int, came_from: str, to: str) -> dict[str, Any]:
    """As the batch's page lists them: the first one first."""
    page = number(query, came_from) or 1
    carried = f"?{urlencode({'batch': batch, came_from: page})}"
    back = f"?{urlencode({'page': page})}" if page > 1 else ""
    return {
        "previous": _step(_beside(rows.filter(pk__lt=pk).order_by("-pk"), 1), carried, to),
        "next": _step(_beside(rows.filter(pk__gt=pk).order_by("pk"), 1), carried, to),
        "back_url": f"{reverse(BATCH_PAGES[came_from], args=[batch])}{back}#upscale-{pk}",
        "back_to": "batch",
    }


def _beside(rows: Any, most: int) -> list[tuple[int, str]]:
    """Number and name of the first ones."""
    return list(rows.values_list("pk", "source_name")[:most])


def _step(beside: list[tuple[int, str]], carried: str, page: str) -> Step | None:
    if not beside:
        return None
    pk, name = beside[0]
    return Step(reverse(page, args=[pk]) + carried, name or "Picture from the web")


def cursor(query: QueryDict) -> dict[str, int]:
    """Which of the history's pages an address is about. Of both cursors ``after`` counts, as for `keyset_page`."""
    return next(({name: found} for name in reversed(CURSORS) if (found := number(query, name)) is not None), {})


def _is_on_page(
    pk: int,
    place: Mapping[str, int],
    newer: list[tuple[int, str]],
    older: list[tuple[int, str]],
    page_size: int,
) -> bool:
    """Whether the history's page at ``place`` shows the upscale ``pk``, beside which are ``newer`` and ``older``."""
    if "after" in place:
        between = [other for other, _ in older if other > place["after"]]
        return pk > place["after"] and len(between) < page_size
    before = place.get("before", math.inf)
    between = [other for other, _ in newer if other < before]
    return pk < before and len(between) < page_size

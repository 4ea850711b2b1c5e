"""What a check has found: figures by channel, the pictures behind each, and what has changed since the last check."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Q, QuerySet

from upscaler import picture_formats
from upscaler.channels.table import Channel
from upscaler.feeds import limits
from upscaler.feeds.limits import BELOW_MINIMUM, STATES
from upscaler.models import Feed, FeedCheck, FeedPicture

MENDED, STILL, NEW, GONE = "mended", "still", "new", "gone"
CHANGES = {
    MENDED: "Mended since the last check",
    STILL: "Too small then and now",
    NEW: "Too small since the last check",
    GONE: "Too small at the last check, and no longer in the feed",
}
"""What became of products by the check before."""
BAD_ROWS, TWINS = "bad_rows", "twins"
ROWS_AT_ONCE = 2_000


def count(check: FeedCheck) -> dict[str, Any]:
    """The report's figures as JSON keeps them: of products and of pictures, for each channel and state.

    A product counts in each state that one of its pictures is in.
    """
    rows = check.rows.all()
    found: dict[str, Any] = {"channels": {}}
    totals = rows.aggregate(
        products=Count("product_key", distinct=True, filter=~limits.BAD_ROW | ~Q(sku="")),
        bad_rows=Count("pk", filter=limits.BAD_ROW),
        twins=Count("row", distinct=True, filter=Q(is_twin=True)),
    )
    found.update(totals)
    before = previous(check)
    for channel in limits.chosen(check.feed.team, check.feed.channels):
        wanted: dict[str, Any] = {}
        for state in STATES:
            is_state = limits.is_state(channel, state)
            wanted[state] = Count("product_key", distinct=True, filter=is_state)
            wanted[f"{state}_pictures"] = Count("pk", filter=is_state)
        figures = rows.aggregate(**wanted)
        if before is not None:
            for change in CHANGES:
                changed = changes(check, before, channel, change)
                figures[change] = changed.aggregate(n=Count("product_key", distinct=True))["n"]
        found["channels"][channel.id] = figures
    return found


def counted(check: FeedCheck) -> dict[str, Any]:
    """The columns of the check that the figures stand in, and when and in how many seconds they were counted."""
    began = time.monotonic()
    counts = count(check)
    counts |= {"at": time.time(), "took": time.monotonic() - began}
    return {"counts": counts, "products": counts["products"]}


def previous(check: FeedCheck) -> FeedCheck | None:
    """The check of the same feed that it is compared with."""
    done = check.feed.checks.filter(status=FeedCheck.Status.DONE, pk__lt=check.pk)
    return done.order_by("-pk").first()


def changes(check: FeedCheck, before: FeedCheck, channel: Channel, change: str) -> QuerySet[FeedPicture]:
    """The pictures of the products that have changed so, as they are now; of those that are gone, as they were.

    A product is the one that it was by its SKU, or where it has none by its picture's address.
    """
    is_small = limits.is_state(channel, BELOW_MINIMUM)
    small_now = check.rows.filter(is_small).values("product_key")
    small_before = before.rows.filter(is_small).values("product_key")
    if change == NEW:
        return check.rows.filter(is_small).exclude(product_key__in=small_before)
    if change == STILL:
        return check.rows.filter(is_small, product_key__in=small_before)
    if change == GONE:
        return before.rows.filter(is_small).exclude(product_key__in=check.rows.values("product_key"))
    measured = check.rows.filter(status=FeedPicture.Status.MEASURED, product_key__in=small_before)
    return measured.exclude(product_key__in=small_now)


def pictures(check: FeedCheck, channel: Channel | None, state: str) -> QuerySet[FeedPicture]:
    """The rows behind a figure, in the order of the feed; all of them for no state."""
    rows = check.rows.order_by("row", "place")
    if state == BAD_ROWS:
        return rows.filter(limits.BAD_ROW)
    if state == TWINS:
        return rows.filter(is_twin=True)
    if channel is None:
        return rows
    if state in CHANGES:
        before = previous(check)
        return changes(check, before, channel, state).order_by("row", "place") if before else rows.none()
    return rows.filter(limits.is_state(channel, state)) if state in STATES else rows


def too_small(check: FeedCheck, channel: Channel, *, below_best: bool = False) -> QuerySet[FeedPicture]:
    """The pictures that a channel refuses for their size, and those below its best one where that is asked for."""
    wanted = limits.is_state(channel, BELOW_MINIMUM)
    if below_best:
        wanted |= limits.is_state(channel, limits.BELOW_BEST)
    return check.rows.filter(wanted).order_by("row", "place")


def csv_header(feed: Feed) -> list[str]:
    """The titles of the report as a table."""
    channels = limits.chosen(feed.team, feed.channels)
    fixed = ["SKU", "Title", "Row in the feed", "Picture", "Address", "Width", "Height", "Format", "Bytes"]
    return [*fixed, *(f"{channel.title}" for channel in channels), "Problem"]


def csv_rows(check: FeedCheck, rows: QuerySet[FeedPicture]) -> Iterator[list[Any]]:
    """The report as a table, read bit by bit."""
    channels = limits.chosen(check.feed.team, check.feed.channels)
    for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
        known = picture_formats.FORMATS.get(row.format)
        yield [
            row.sku,
            row.title,
            row.row,
            "main" if row.place == 0 else f"extra {row.place}",
            row.url,
            row.width,
            row.height,
            known.title if known else row.format,
            row.file_size,
            *(", ".join(STATES[state] for state in limits.states_of(channel, row)) for channel in channels),
            row.message,
        ]

"""One step of the check that is next: fetch the feed, read it, or measure some of its pictures."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, cast

from django.conf import settings
from django.db import reset_queries, transaction
from django.db.models import F

from upscaler import fetching
from upscaler.errors import PublicError
from upscaler.feeds import delimited, measuring, quota, records, report, turns
from upscaler.feeds.entries import Entry, WrongEntry
from upscaler.feeds.reader import Feed
from upscaler.feeds.records import Hold, Lost
from upscaler.logs.context import about
from upscaler.models import FeedCheck, media_storage
from upscaler.storage import room, stored_files
from upscaler.storage.cleanup import WORK_PREFIX

logger = logging.getLogger(__name__)

GROUP = 1_000
"""Rows of a feed that are kept at once."""
BEAT = 20.0
"""Seconds after which it is said that a feed is still read."""
COUNTING_SHARE = 20
"""So many times longer than counting takes, nothing is counted anew."""
FETCH_SECONDS = 600
OPENING = timedelta(minutes=15)
"""What opening the largest feed may take."""
PAUSE = 60.0
"""Seconds until a step is tried again that failed in passing."""
PAUSE_FOR_ROOM = 300.0
"""Seconds after a full storage was met."""
NO_END = "The desk could not go on with this check. Start it again; if it stays so, tell an admin."


@dataclass(frozen=True)
class Turn:
    """What came of a check's turn."""

    due_in: float | None
    """Seconds until the check's next turn; None where it has ended, or is somebody else's now."""


def step() -> Turn | None:
    """Take up the check whose turn it is, for half a minute; a feed is read in one go. None where none waits."""
    hold = turns.claim()
    if hold is None:
        return None
    try:
        with about(team_id=hold.check.feed.team_id):
            return Turn(_work(hold))
    except Lost:
        logger.info("check %s: it is somebody else's now", hold.check.pk)
    return Turn(None)


def ready() -> int:
    """How many workers could take up a check now."""
    return min(turns.places(), turns.candidates().count())


def _work(hold: Hold) -> float | None:
    check = hold.check
    try:
        return _advance(hold)
    except PublicError as error:
        if error.permanent or check.failures + 1 >= records.MAX_FAILURES:
            hold.end(FeedCheck.Status.FAILED, problem=error.message)
            return None
        due_in = error.retry_after or PAUSE
    except Lost:
        raise
    except Exception as error:
        if room.refusal_of(error) is not None:
            hold.release(due_in=PAUSE_FOR_ROOM)
            return PAUSE_FOR_ROOM
        logger.exception("check %s failed in passing", check.pk)
        if check.failures + 1 >= records.MAX_FAILURES:
            hold.end(FeedCheck.Status.FAILED, problem=NO_END)
            return None
        due_in = PAUSE
    hold.release(due_in=due_in, failures=F("failures") + 1)
    return due_in


def _advance(hold: Hold) -> float | None:
    check = hold.check
    if check.status == FeedCheck.Status.WAITING:
        _fetch(hold)
    if check.status == FeedCheck.Status.READING:
        _read(hold)
    due_in = measuring.measure(hold)
    if due_in is None:
        hold.end(FeedCheck.Status.DONE, failures=0, **_counted(hold))
    else:
        values = _counted(hold) if _is_worth_counting(check) else {}
        hold.release(due_in=due_in, failures=0, **values)
    return due_in


def _is_worth_counting(check: FeedCheck) -> bool:
    """Whether the report's figures are to be shown anew before the end: of a million pictures that takes a while."""
    return time.time() - check.counts.get("at", 0.0) > COUNTING_SHARE * check.counts.get("took", 0.0)


def _counted(hold: Hold) -> dict[str, Any]:
    hold.renew(lease=timedelta(minutes=10))
    return report.counted(hold.check)


def _fetch(hold: Hold) -> None:
    """Bring the feed of an address into the storage. Raises PublicError, Lost."""
    check, new = hold.check, dict[str, int]()
    if not check.file:
        hold.renew(lease=timedelta(seconds=FETCH_SECONDS + 60))
        with tempfile.TemporaryDirectory(prefix=WORK_PREFIX) as folder:
            target = Path(folder, "feed")
            name = _download(check.feed.address, target)
            quota.ensure_file(check.feed.team, target.stat().st_size)
            with target.open("rb") as file:
                check.file, check.file_name = records.store_file(file), name
            check.file_size = target.stat().st_size
            new = {check.file: check.file_size}
    check.status = FeedCheck.Status.READING
    with transaction.atomic():
        hold.renew(status=check.status, file=check.file, file_name=check.file_name[:255], file_size=check.file_size)
        stored_files.note(check.feed.team_id, new)


def _download(address: str, target: Path) -> str:
    try:
        return fetching.fetch(
            address,
            target,
            max_bytes=settings.FEED_MAX_BYTES,
            max_length=fetching.MAX_SIGNED_URL_LENGTH,
            refuse_pages=False,
            time_limit=FETCH_SECONDS,
            accept="application/xml,text/xml,text/csv,text/tab-separated-values,*/*;q=0.5",
        )
    except PublicError as error:
        message = error.message.replace("this picture", "the feed").replace("The picture", "The feed")
        raise PublicError(
            f"The feed could not be fetched. {message.replace('the picture', 'the feed')}",
            code=error.code,
            permanent=error.permanent,
            retry_after=error.retry_after,
        ) from None


def _keep(hold: Hold, entries: list[Entry | WrongEntry]) -> None:
    """Keep rows of the feed, if the team has room for them. Raises PublicError with the code `quota.FULL`, Lost."""
    feed = hold.check.feed
    pictures = sum(len(entry.urls) if isinstance(entry, Entry) else 1 for entry in entries)
    if quota.room_for_pictures(feed.team) < pictures:
        # The newest report stays, for what has changed since.
        records.forget_old(feed, kept=1)
        if quota.room_for_pictures(feed.team) < pictures:
            raise quota.no_pictures(after_row=hold.check.rows_read)
    if entries:
        hold.add_rows(entries)


def _read(hold: Hold) -> None:
    """Keep every row of the feed, from where the last worker was. Raises PublicError, Lost."""
    check, problem = hold.check, ""
    group: list[Entry | WrongEntry] = []
    beaten_at = time.monotonic()
    # Until the first row: a feed may come from a storage far away, and a workbook's texts are read before its rows.
    hold.renew(lease=OPENING)
    with media_storage().open(check.file) as file:
        feed = Feed(cast(IO[bytes], file.file))
        try:
            for entry in feed:
                if entry.row > check.rows_read:
                    group.append(entry)
                if len(group) >= GROUP and entry.row != group[-2].row:
                    _keep(hold, group[:-1])
                    # In development Django keeps what it has said to the database, and this is a lot.
                    reset_queries()
                    group = group[-1:]
                    beaten_at = time.monotonic()
                elif time.monotonic() - beaten_at > BEAT:
                    hold.renew()
                    beaten_at = time.monotonic()
        except PublicError as error:
            # What was read before it counts.
            if not group and not check.rows_read:
                raise
            problem, group = error.message, [] if error.code == quota.FULL else group
    try:
        _keep(hold, group)
    except PublicError as error:
        if not check.rows_read:
            raise
        problem = error.message
    if not check.rows_read:
        raise PublicError("There are no products in this feed: it has titles and no rows.", code="feed_empty")
    if feed.kind in ("XML", delimited.GOOGLE):
        hold.note_twins()
    check.status = FeedCheck.Status.MEASURING
    hold.renew(status=check.status, kind=feed.kind[:40], problem=problem)

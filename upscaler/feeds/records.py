"""The only writer of feeds, of their checks, and of what is found out about their pictures; `turns` gives out leases.

Whoever works on a check holds its lease, and every change goes through that `Hold`: of two workers, and of a worker and
the person who stops the check, the second one is told so before it has changed anything.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from upscaler import file_names
from upscaler.errors import PublicError
from upscaler.feeds import quota
from upscaler.feeds.entries import Entry, WrongEntry
from upscaler.fetching import addresses
from upscaler.models import Feed, FeedCheck, FeedPicture, Team, media_storage
from upscaler.storage import stored_files

LEASE = timedelta(seconds=90)
"""A worker that has written nothing for so long counts as dead."""
MAX_FAILURES = 3
KEPT = 3
"""Checks of a feed that are kept."""
GROUP = 5_000
"""Rows that one statement deletes."""
REMOVED_AT_ONCE = 10
"""Feeds."""
FOLDER = "feeds"
"""Where in the storage the files lie."""
MAX_MESSAGE = 500


class Lost(Exception):
    """The check is somebody else's now: another worker's, or it was stopped."""


@dataclass(frozen=True)
class Measured:
    """What was found out about a picture."""

    picture: FeedPicture
    width: int | None = None
    height: int | None = None
    format: str = ""
    file_size: int | None = None
    problem: str = ""
    message: str = ""


def create_feed(*, team: Team, user: Any, name: str, channels: Sequence[str], address: str = "") -> Feed:
    """A new feed, of which nothing is read yet. Raises PublicError."""
    if address:
        addresses.checked(address, max_length=addresses.MAX_SIGNED_URL_LENGTH)
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        quota.ensure_feed(team)
        name = file_names.shortened(" ".join(name.split())) or "Feed"
        return Feed.objects.create(team=team, created_by=user, name=name, channels=list(channels), address=address)


def store_file(file: IO[bytes]) -> str:
    """Put a feed's file into the storage. Returns its name there. Raises OSError."""
    # As it is where it is one of Django's: a large upload is moved then, not copied.
    content = file if isinstance(file, File) else File(file)
    name: str = media_storage().save(f"{FOLDER}/{timezone.now():%Y/%m}/{uuid.uuid4().hex}", content)
    return name


def begin_check(
    feed: Feed, *, user: Any, file: str = "", file_name: str = "", file_size: int = 0, channels: Sequence[str] = ()
) -> FeedCheck:
    """A check of the feed that waits for a worker. Raises PublicError where one is under way, or there is no room."""
    with transaction.atomic():
        # The team's lock: two at once would both find the last room.
        team = Team.objects.select_for_update(no_key=True).get(pk=feed.team_id)
        is_new = bool(file) and not FeedCheck.objects.filter(file=file).exists()
        if is_new:
            quota.ensure_file(team, file_size)
        if not quota.room_for_pictures(team) and feed.checks.count() < 2:
            raise quota.no_pictures()
        if feed.checks.filter(status__in=FeedCheck.OPEN).exists():
            raise PublicError(
                "This feed is being checked already. Wait for the end of it, or stop it.", code="check_under_way"
            )
        if channels:
            Feed.objects.filter(pk=feed.pk).update(channels=list(channels))
        check = FeedCheck.objects.create(
            feed=feed, created_by=user, file=file, file_name=file_names.shortened(file_name), file_size=file_size
        )
        if is_new:
            stored_files.note(team.pk, {file: file_size})
        return check


@dataclass
class Hold:
    """A check that this worker works on."""

    check: FeedCheck
    _lease: Any = field(init=False)

    def __post_init__(self) -> None:
        self._lease = self.check.lease_until

    def renew(self, *, lease: timedelta = LEASE, **values: Any) -> None:
        """Say that it is worked on, and change its columns. Raises Lost."""
        until = timezone.now() + lease
        mine = FeedCheck.objects.filter(pk=self.check.pk, lease_until=self._lease, status__in=FeedCheck.OPEN)
        if not mine.update(lease_until=until, **values):
            raise Lost
        self._lease = until

    def add_rows(self, entries: Sequence[Entry | WrongEntry]) -> None:
        """Keep what was read of the feed, and how far that is. Raises Lost."""
        rows = [row for entry in entries for row in _rows(self.check, entry)]
        waiting = sum(row.status == FeedPicture.Status.WAITING for row in rows)
        with transaction.atomic():
            self.renew(
                rows_read=entries[-1].row,
                pictures=F("pictures") + len(rows),
                waiting=F("waiting") + waiting,
            )
            FeedPicture.objects.bulk_create(rows, batch_size=1000)
        self.check.rows_read = entries[-1].row

    def note(self, found: Iterable[Measured], **values: Any) -> None:
        """Keep what was found out about pictures, for all rows with the same address. Raises Lost."""
        with transaction.atomic():
            done = 0
            for one in found:
                picture = one.picture
                same = FeedPicture.objects.filter(check_of=self.check, url_key=picture.url_key, url=picture.url)
                done += same.filter(status=FeedPicture.Status.WAITING).update(
                    status=FeedPicture.Status.FAILED if one.problem else FeedPicture.Status.MEASURED,
                    width=one.width,
                    height=one.height,
                    format=one.format,
                    file_size=one.file_size,
                    problem=one.problem,
                    message=one.message[:MAX_MESSAGE],
                )
            self.renew(waiting=F("waiting") - done, **values)

    def count_attempt(self, picture: FeedPicture) -> None:
        """Note that a host asked to come again for it."""
        FeedPicture.objects.filter(pk=picture.pk).update(attempts=F("attempts") + 1)

    def give_up(self, host: str, problem: str, message: str) -> None:
        """Say the same of all pictures of a host that are still waiting. Raises Lost."""
        with transaction.atomic():
            rest = FeedPicture.objects.filter(check_of=self.check, host=host, status=FeedPicture.Status.WAITING)
            done = rest.update(status=FeedPicture.Status.FAILED, problem=problem, message=message[:MAX_MESSAGE])
            self.renew(waiting=F("waiting") - done)

    def note_twins(self) -> None:
        """Mark rows whose product stands in the feed before. Raises Lost."""
        self.renew(lease=timedelta(minutes=10))
        before = FeedPicture.objects.filter(
            check_of=self.check, product_key=OuterRef("product_key"), row__lt=OuterRef("row")
        )
        rows = FeedPicture.objects.filter(Exists(before), check_of=self.check).exclude(sku="")
        rows.update(is_twin=True)
        self.renew()

    def release(self, *, due_in: float = 0.0, **values: Any) -> None:
        """Let go of it until it is due again. Raises Lost."""
        self.renew(due_at=timezone.now() + timedelta(seconds=due_in), **values)
        mine = FeedCheck.objects.filter(pk=self.check.pk, lease_until=self._lease)
        mine.update(lease_until=None)

    def end(self, status: str, *, problem: str = "", **values: Any) -> None:
        """The end of the check. Raises Lost."""
        self.renew(status=status, problem=problem[:2000] or F("problem"), ended_at=timezone.now(), **values)
        FeedCheck.objects.filter(pk=self.check.pk).update(lease_until=None)
        forget_old(self.check.feed, kept=KEPT)
        _forget_files(self.check.feed)


def stop(check: FeedCheck) -> bool:
    """End a check that somebody wants no more; False where it has ended already."""
    mine = FeedCheck.objects.filter(pk=check.pk, status__in=FeedCheck.OPEN)
    return bool(mine.update(status=FeedCheck.Status.STOPPED, ended_at=timezone.now(), lease_until=None))


def keep_counts(check: FeedCheck, **counted: Any) -> None:
    """Keep what was counted (`report.counted`) of a check that has ended."""
    FeedCheck.objects.filter(pk=check.pk).exclude(status__in=FeedCheck.OPEN).update(**counted)


def remove(feed: Feed) -> None:
    """Show the feed to nobody from now on; `forget_removed` takes its rows."""
    Feed.objects.filter(pk=feed.pk, removed_at=None).update(removed_at=timezone.now())
    for check in feed.checks.filter(status__in=FeedCheck.OPEN):
        stop(check)


def kept_until(newest: FeedCheck) -> datetime:
    """When a feed is removed unless it is checked again after its newest check, which has ended."""
    return (newest.ended_at or newest.created_at) + timedelta(days=settings.FEED_KEEP_DAYS)


def remove_unused() -> int:
    """Remove the feeds that nobody has checked for `FEED_KEEP_DAYS`. Returns how many."""
    before = timezone.now() - timedelta(days=settings.FEED_KEEP_DAYS)
    checked = FeedCheck.objects.filter(feed=OuterRef("pk"))
    recent = checked.filter(Q(created_at__gte=before) | Q(ended_at__gte=before) | Q(status__in=FeedCheck.OPEN))
    unused = Feed.objects.filter(~Exists(recent), removed_at=None, created_at__lt=before)
    return unused.update(removed_at=timezone.now())


def forget_removed() -> int:
    """Delete the rows and files of removed feeds, at most of `REMOVED_AT_ONCE`. Returns of how many."""
    gone = list(Feed.objects.exclude(removed_at=None)[:REMOVED_AT_ONCE])
    for feed in gone:
        for check in feed.checks.all():
            _delete(check)
        feed.delete()
    return len(gone)


def key_of(text: str) -> int:
    """A number that stands for a text: 63 bits of its SHA-256 and a sign."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)


def _rows(check: FeedCheck, entry: Entry | WrongEntry) -> list[FeedPicture]:
    if isinstance(entry, WrongEntry):
        row = FeedPicture(check_of=check, row=entry.row, sku=entry.sku, title=entry.text[:255])
        row.status, row.problem, row.message = FeedPicture.Status.FAILED, entry.code, entry.message[:MAX_MESSAGE]
        row.product_key = key_of(entry.sku or f"row {entry.row}")
        return [row]
    rows = []
    for place, url in enumerate(entry.urls):
        row = FeedPicture(check_of=check, row=entry.row, place=place, sku=entry.sku, title=entry.title)
        row.product_key = key_of(entry.sku or url)
        try:
            row.url = addresses.checked(url, max_length=addresses.MAX_SIGNED_URL_LENGTH)
            row.url_key, row.host = key_of(row.url), addresses.place(row.url)[0]
        except PublicError as error:
            row.url = url[: addresses.MAX_SIGNED_URL_LENGTH]
            row.status, row.problem = FeedPicture.Status.FAILED, error.code
            row.message = without_upload(error.message)[:MAX_MESSAGE]
        rows.append(row)
    return rows


def without_upload(message: str) -> str:
    """A refusal of an address, without the advice to upload a file: here the address is mended where it stands."""
    for advice in (
        ", or upload the file instead.",
        " Upload the file instead.",
        " Save the picture and upload the file instead.",
    ):
        message = message.replace(advice, "." if advice.startswith(",") else "")
    return message


def forget_old(feed: Feed, *, kept: int) -> None:
    """Delete all reports of the feed but the newest."""
    for check in feed.checks.exclude(status__in=FeedCheck.OPEN).order_by("-pk")[kept:]:
        _delete(check)


def _forget_files(feed: Feed) -> None:
    """Delete the files that no check will read any more: a fetched one is fetched anew, a newer one takes its place."""
    with_file = feed.checks.exclude(file="").order_by("-pk")
    needed = {check.file for check in with_file.filter(status__in=FeedCheck.OPEN)}
    if not feed.address and (newest := with_file.first()) is not None:
        needed.add(newest.file)
    for path in sorted({check.file for check in with_file} - needed):
        feed.checks.filter(file=path).update(file="")
        stored_files.remove([path])


def _delete(check: FeedCheck) -> None:
    while True:
        first = list(check.rows.order_by("pk").values_list("pk", flat=True)[:GROUP])
        if not first:
            break
        check.rows.filter(pk__lte=first[-1]).delete()
    path = check.file
    check.delete()
    if path and not FeedCheck.objects.filter(file=path).exists():
        stored_files.remove([path])

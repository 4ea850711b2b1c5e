"""The only writer of feeds, of their checks, and of what is found out about their pictures.

Whoever works on a check holds its lease, and every change goes through that `Hold`: of two workers, and of a worker and
the person who stops the check, the second one is told so before it has changed anything.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any

from django.core.files.base import File
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from upscaler import file_names
from upscaler.errors import PublicError
from upscaler.feeds.entries import Entry, WrongEntry
from upscaler.fetching import addresses
from upscaler.models import Feed, FeedCheck, FeedPicture, Team, media_storage

LEASE = timedelta(seconds=90)
"""A worker that has written nothing for so long counts as dead."""
AT_WORK = 2
"""Checks that are worked on at the same time, over all teams: the same workers fetch the pictures of orders."""
MAX_FEEDS = 100
"""Of one team."""
MAX_FAILURES = 3
KEPT = 3
"""Checks of a feed that are kept."""
GROUP = 5_000
"""Rows that one statement deletes."""
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
        if team.feeds.filter(removed_at=None).count() >= MAX_FEEDS:
            raise PublicError(
                f"Your team has {MAX_FEEDS} feeds, which is as many as are kept. Remove one that you need no more.",
                code="too_many_feeds",
            )
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
    """A check of the feed that waits for a worker. Raises PublicError where one is under way."""
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=feed.team_id)
        if feed.checks.filter(status__in=FeedCheck.OPEN).exists():
            raise PublicError(
                "This feed is being checked already. Wait for the end of it, or stop it.", code="check_under_way"
            )
        if channels:
            Feed.objects.filter(pk=feed.pk).update(channels=list(channels))
        return FeedCheck.objects.create(
            feed=feed, created_by=user, file=file, file_name=file_names.shortened(file_name), file_size=file_size
        )


def candidates() -> QuerySet[FeedCheck]:
    """Checks that may be worked on now: of each team the oldest, the one that has waited longest first."""
    now = timezone.now()
    older = FeedCheck.objects.filter(
        feed__team=OuterRef("feed__team"), status__in=FeedCheck.OPEN, pk__lt=OuterRef("pk"), feed__removed_at=None
    )
    waiting = FeedCheck.objects.filter(status__in=FeedCheck.OPEN, due_at__lte=now, feed__removed_at=None)
    waiting = waiting.filter(Q(lease_until=None) | Q(lease_until__lt=now)).exclude(Exists(older))
    return waiting.order_by("due_at", "pk")


def places() -> int:
    """How many more checks may be worked on now."""
    return max(0, AT_WORK - FeedCheck.objects.filter(lease_until__gte=timezone.now()).count())


def claim() -> Hold | None:
    """Take up the check that is next; None where there is none, or enough are at work."""
    if not places():
        return None
    for check in candidates().select_related("feed__team")[:AT_WORK]:
        lease = timezone.now() + LEASE
        mine = FeedCheck.objects.filter(pk=check.pk, lease_until=check.lease_until, status=check.status)
        # Another worker may have been quicker.
        if mine.update(lease_until=lease):
            check.lease_until = lease
            return Hold(check)
    return None


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
        _forget_old(self.check.feed)


def stop(check: FeedCheck) -> bool:
    """End a check that somebody wants no more; False where it has ended already."""
    mine = FeedCheck.objects.filter(pk=check.pk, status__in=FeedCheck.OPEN)
    return bool(mine.update(status=FeedCheck.Status.STOPPED, ended_at=timezone.now(), lease_until=None))


def remove(feed: Feed) -> None:
    """Show the feed to nobody from now on; `forget_removed` takes its rows."""
    Feed.objects.filter(pk=feed.pk, removed_at=None).update(removed_at=timezone.now())
    for check in feed.checks.filter(status__in=FeedCheck.OPEN):
        stop(check)


def forget_removed() -> int:
    """Delete the rows and files of removed feeds. Returns of how many."""
    gone = list(Feed.objects.exclude(removed_at=None)[:10])
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


def _forget_old(feed: Feed) -> None:
    for check in feed.checks.exclude(status__in=FeedCheck.OPEN).order_by("-pk")[KEPT:]:
        _delete(check)


def _delete(check: FeedCheck) -> None:
    while True:
        first = list(check.rows.order_by("pk").values_list("pk", flat=True)[:GROUP])
        if not first:
            break
        check.rows.filter(pk__lte=first[-1]).delete()
    path = check.file
    check.delete()
    if path and not FeedCheck.objects.filter(file=path).exists():
        try:
            media_storage().delete(path)
        except OSError:
            # `cleanup` finds what no row names.
            return

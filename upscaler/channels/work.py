"""What workers do for batches' channel files: find what is lacking or out of date, make it, and give up in the end."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from upscaler import no_room
from upscaler.channels import due, files, table, teams
from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.models import Batch, ChannelFile, Upscale, batch_queries
from upscaler.storage import room, stored_files

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""A worker that has a file in hand for longer counts as dead. Most take some seconds."""
PAUSE = timedelta(minutes=1)
"""After a failure in passing; twice as long after the next."""
PAUSE_FOR_ROOM = timedelta(minutes=5)
"""After a full storage was met."""
MAX_ATTEMPTS = 3
GIVEN_UP = (
    "The desk could not make this file in {attempts} attempts. Press “Fit them”, or “Fit it”, to try again; if it "
    "stays so, tell an admin."
)


def make_due(batch_id: int, *, most: int) -> int:
    """Make at most ``most`` of the files that the batch's channels lack, or whose rules have changed.

    Returns how many were seen to. What can't be made is kept too, with its reason, so that nobody waits for it.
    """
    batch = Batch.objects.select_related("team").filter(pk=batch_id).first()
    if batch is None:
        return 0
    now = timezone.now()
    seen = due.note_message(batch.pk, now)
    channels = _used(batch, teams.channels(batch.team))
    done = 0
    for channel in channels:
        for upscale in _lacking(batch, channel, now).order_by("pk")[: most - done]:
            done += _see_to(upscale, channel)
    if done < most:
        due.settle(batch.pk, seen, again_at=_next(batch, channels))
    return done


def find_lost(now: datetime | None = None) -> int:
    """Have a look at recent batches that lack files although nobody knows: returns how many do.

    It finds what the table's change has put out of date, and what a desk of an older version has left.
    """
    now = now or timezone.now()
    known: dict[int, dict[str, Channel]] = {}
    found = 0
    for batch in due.unasked(now).iterator(chunk_size=500):
        if batch.team_id not in known:
            known[batch.team_id] = teams.channels(batch.team)
        if any(_lacking(batch, channel, now).exists() for channel in _used(batch, known[batch.team_id])):
            found += Batch.objects.filter(pk=batch.pk, fit_due_at=None).update(fit_due_at=now)
    return found


def _used(batch: Batch, known: dict[str, Channel]) -> list[Channel]:
    return [known[id_] for id_ in batch.channels if id_ in known]


def _lacking(batch: Batch, channel: Channel, now: datetime) -> QuerySet[Upscale]:
    """The results without a file, or word of why there is none, by the channel's rules as they are now."""
    results = batch_queries.pictures(batch).present().filter(status=Upscale.Status.DONE, withdrawn_at=None)
    settled = Q(rules=table.rules(channel), lease_until=None) | Q(lease_until__gt=now)
    there = ChannelFile.objects.filter(settled, upscale=OuterRef("pk"), channel_id=channel.id)
    return results.exclude(Exists(there)).select_related("team")


def _next(batch: Batch, channels: list[Channel]) -> datetime | None:
    """When the first file is to be tried again that another worker has in hand, or that waits after a failure."""
    held = ChannelFile.objects.filter(
        upscale__batch=batch,
        upscale__deleted_at=None,
        upscale__withdrawn_at=None,
        channel_id__in=[one.id for one in channels],
    )
    first: datetime | None = held.aggregate(first=Min("lease_until"))["first"]
    return first


def _see_to(upscale: Upscale, channel: Channel) -> bool:
    """Make one file, unless another worker is at it. Whether it was seen to."""
    row = _claim(upscale, channel)
    if row is None:
        return False
    if row.attempts > MAX_ATTEMPTS:
        # The last workers have died of it.
        _refuse(row, channel, GIVEN_UP.format(attempts=MAX_ATTEMPTS))
        return True
    try:
        files.make(upscale, channel, crop=row.crop, trim=row.trim, lease=row.lease_until)
    except PublicError as error:
        if error.code in no_room.CODES and room.refusal_of(error) is not None:
            _wait_for_room(row)
        elif error.permanent:
            _refuse(row, channel, error.message)
        else:
            _put_off(row, channel, error.message, error.retry_after)
    except Exception as error:
        if room.refusal_of(error) is not None:
            _wait_for_room(row)
            return True
        logger.exception("upscale %s: its file for %s failed in passing", upscale.pk, channel.id)
        _put_off(row, channel, GIVEN_UP.format(attempts=MAX_ATTEMPTS), None)
    return True


def _claim(upscale: Upscale, channel: Channel) -> ChannelFile | None:
    """The file's row, counted as begun before it is: a worker that dies of it can't count. None for another's."""
    now = timezone.now()
    row, is_new = ChannelFile.objects.get_or_create(
        upscale=upscale,
        channel_id=channel.id,
        defaults={"title": channel.title, "attempts": 1, "lease_until": now + LEASE},
    )
    if not is_new:
        if row.rules == table.rules(channel) and row.lease_until is None:
            return None
        free = ChannelFile.objects.filter(Q(lease_until=None) | Q(lease_until__lte=now), pk=row.pk)
        free = free.filter(Q(rules=row.rules) if row.rules is not None else Q(rules=None))
        if not free.update(attempts=F("attempts") + 1, lease_until=now + LEASE):
            return None
        row.refresh_from_db()
    return row


def _put_off(row: ChannelFile, channel: Channel, message: str, seconds: float | None) -> None:
    if row.attempts >= MAX_ATTEMPTS:
        _refuse(row, channel, message)
        return
    pause = timedelta(seconds=seconds) if seconds else PAUSE * 2 ** (row.attempts - 1)
    # Not where its lease ran out, and another one has made the file since.
    mine = ChannelFile.objects.filter(pk=row.pk, lease_until=row.lease_until)
    mine.update(lease_until=timezone.now() + pause)


def _wait_for_room(row: ChannelFile) -> None:
    """Try again once the storage may have room; no attempt at the file, since it was not its fault."""
    mine = ChannelFile.objects.filter(pk=row.pk, lease_until=row.lease_until)
    mine.update(lease_until=timezone.now() + PAUSE_FOR_ROOM, attempts=F("attempts") - 1)


def _refuse(row: ChannelFile, channel: Channel, message: str) -> None:
    """No file, and why. One that is out of date goes."""
    with transaction.atomic():
        held = ChannelFile.objects.select_for_update().filter(pk=row.pk, lease_until=row.lease_until).first()
        if held is None:
            return
        old, held.file = held.file, ""
        held.title, held.problems, held.key, held.rules = channel.title, [message], "", table.rules(channel)
        held.attempts, held.lease_until = 0, None
        held.save()
        if old:
            transaction.on_commit(lambda: stored_files.remove([old]))

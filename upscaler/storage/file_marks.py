"""What each stored file says of how it was made, and its SHA-256: read in the file itself by a worker, once, and kept.

The row is the truth: a message only wakes a worker, and a worker that dies is replaced once its lease has run out.
Nobody who waits at a page reads a file: he is told that it is not read yet.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.logs.context import about
from upscaler.models import FileMark, media_storage
from upscaler.storage import room

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
"""Many times longer than the largest file takes, and how long a storage that is away is left alone."""
MAX_ATTEMPTS = 3
AGAIN_AFTER = timedelta(hours=1)
"""What could not be read is tried again where it is asked for after that time."""
SIZE = (1, 1)
"""No pixel is decoded, so a file's marks need no memory for any."""
BLOCK = 1024 * 1024


def note(upscale_id: int, name: str) -> None:
    """Have a stored file read. Call it in the transaction that makes it."""
    FileMark.objects.bulk_create([FileMark(upscale_id=upscale_id, file=name)], ignore_conflicts=True)


def known(files: Mapping[str, int]) -> dict[str, FileMark]:
    """By name what is known of stored files, in a few queries however many they are.

    ``files``: the number of its upscale by a file's name. What has no row gets one, without ``read_at``, so that a
    worker reads it.
    """
    found = {mark.file: mark for mark in FileMark.objects.filter(file__in=files)}
    missing = [FileMark(upscale_id=number, file=name) for name, number in files.items() if name not in found]
    if missing:
        FileMark.objects.bulk_create(missing, ignore_conflicts=True)
    long_ago = timezone.now() - AGAIN_AFTER
    again = [mark for mark in found.values() if mark.problem and mark.read_at and mark.read_at < long_ago]
    for mark in again:
        mark.read_at, mark.lease_until, mark.attempts, mark.problem = None, None, 0, ""
    if again:
        FileMark.objects.bulk_update(again, ["read_at", "lease_until", "attempts", "problem"])
    return found | {mark.file: mark for mark in missing}


def waiting() -> QuerySet[FileMark]:
    """Files that a worker may read now, the oldest row first."""
    return FileMark.objects.filter(Q(lease_until=None) | Q(lease_until__lt=timezone.now()), read_at=None).order_by("pk")


def step() -> bool:
    """Read the file that is next. False where none is."""
    mark = _claim()
    if mark is None:
        return False
    if mark.attempts > MAX_ATTEMPTS:
        _end(mark, problem=FileMark.Problem.UNREADABLE)
        return True
    try:
        with about(upscale_id=mark.upscale_id):
            _read(mark)
    except FileNotFoundError:
        _end(mark, problem=FileMark.Problem.GONE)
    except Exception as error:
        if room.refusal_of(error) is not None:
            # No fault of the file's, so no attempt at it.
            FileMark.objects.filter(pk=mark.pk, lease_until=mark.lease_until).update(attempts=F("attempts") - 1)
            return True
        # A storage may be away: the lease runs out, and then it is tried again.
        logger.exception("upscale %s: the marks of %s could not be read", mark.upscale_id, mark.file)
    return True


def _claim() -> FileMark | None:
    for mark in waiting()[:5]:
        lease = timezone.now() + LEASE
        # Another worker may have been quicker.
        mine = FileMark.objects.filter(pk=mark.pk, read_at=None, lease_until=mark.lease_until)
        if mine.update(lease_until=lease, attempts=F("attempts") + 1):
            mark.lease_until, mark.attempts = lease, mark.attempts + 1
            return mark
    return None


def _read(mark: FileMark) -> None:
    counted = hashlib.sha256()
    with tempfile.TemporaryFile() as copy, tempfile.TemporaryFile() as nothing:
        with media_storage().open(mark.file) as stored:
            for chunk in stored.chunks(BLOCK):
                counted.update(chunk)
                copy.write(chunk)
        copy.seek(0)
        digest = counted.hexdigest()
        try:
            told = intake.convert("imaging.marks", copy, nothing, {}, named="The file", size=SIZE)
        except PublicError as error:
            if not error.permanent:
                raise
            logger.info("upscale %s: %s says nothing of itself: %s", mark.upscale_id, mark.file, error.message)
            _end(mark, digest=digest, problem=FileMark.Problem.UNREADABLE)
            return
    _end(mark, digest=digest, source_type=str(told["source_type"])[:60], credentials=bool(told["credentials"]))


def _end(mark: FileMark, **values: Any) -> None:
    """Write what was found, unless another worker has it by now."""
    mine = FileMark.objects.filter(pk=mark.pk, read_at=None, lease_until=mark.lease_until)
    mine.update(read_at=timezone.now(), lease_until=None, **values)

"""Results, and files for shops, are put back where their pictures came from: each once, and over no other file.

The name is written down first, then the file is put there, then that it is. Whoever finds a name and no word of the
rest looks at the place: what is there already is just this file, or another one.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import IO

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from upscaler import file_names, result_names
from upscaler.channels import files, names, teams
from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.models import WITHHELD, ChannelFile, Upscale, WatchedFile, WatchedFolder, WatchedResult, media_storage
from upscaler.picture_formats import FORMATS
from upscaler.watching.holding import Hold
from upscaler.watching.places import NameTaken, Place

logger = logging.getLogger(__name__)

IN_MEMORY = 5_000_000
CHUNK = 1 << 20
AT_ONCE = 200
PAUSE, MAX_PAUSE = timedelta(seconds=30), timedelta(hours=1)
OWN_FAULT = "The desk could not read its own file. It is tried again; who runs the desk finds the reason in its log."
MAX_NUMBER = 10_000


class _NotYet(Exception):
    """It can't be put back now, and nothing is wrong."""


class _Never(Exception):
    """It will not be put back, and why."""


def put_back(hold: Hold, place: Place, end: float) -> bool:
    """Put back what is ready until the moment ``end`` (`time.monotonic`). Whether more is ready. Raises Lost."""
    _follow_retries(hold.folder)
    rows = _ready(hold.folder).select_related("file__batch").order_by("due_at", "pk")
    for row in rows[:AT_ONCE]:
        if time.monotonic() > end:
            return True
        hold.renew()
        mine = WatchedResult.objects.filter(pk=row.pk)
        try:
            path = _put(hold, place, row)
        except _NotYet:
            mine.update(due_at=timezone.now() + PAUSE)
        except _Never as never:
            mine.update(is_given_up=True, problem=str(never))
        except PublicError as error:
            mine.update(problem=error.message, failures=F("failures") + 1, due_at=_again(row))
            return False  # Most often the place is away: the others would fail too.
        except OSError:
            logger.exception("watched folder %s: result %s could not be read", hold.folder.pk, row.pk)
            mine.update(problem=OWN_FAULT, failures=F("failures") + 1, due_at=_again(row))
        else:
            mine.update(path=path, put_at=timezone.now(), problem="")
    return _ready(hold.folder).exists()


def _ready(folder: WatchedFolder) -> QuerySet[WatchedResult]:
    waiting = WatchedResult.objects.filter(folder=folder, put_at=None, is_given_up=False, due_at__lte=timezone.now())
    return waiting.filter(
        ~Q(file__upscale__review__in=WITHHELD),
        file__upscale__status=Upscale.Status.DONE,
        file__upscale__withdrawn_at=None,
        file__upscale__deleted_at=None,
    )


def _follow_retries(folder: WatchedFolder) -> None:
    """What failed and was tried again since is the file's upscale now."""
    owing = WatchedFile.objects.filter(folder=folder, upscale__status=Upscale.Status.ERROR)
    failed = dict(owing.filter(upscale__retries__isnull=False).values_list("upscale_id", "pk"))
    tries = Upscale.objects.filter(retry_of__in=list(failed)[:500]).order_by("pk")
    for pk, before in dict(tries.values_list("retry_of_id", "pk")).items():
        WatchedFile.objects.filter(folder=folder, upscale=pk).update(upscale=before)


def _again(row: WatchedResult) -> datetime:
    return timezone.now() + min(MAX_PAUSE, PAUSE * 2 ** min(row.failures, 10))


def _put(hold: Hold, place: Place, row: WatchedResult) -> str:
    """Put one file back. Returns its path."""
    # As it is now: it may have been rejected since.
    upscale = Upscale.objects.select_related("team", "batch").get(pk=row.file.upscale_id or 0)
    if not upscale.gives_file:
        raise _NotYet
    stored, name = _of_channel(upscale, row) if row.channel_id else _of_result(hold.folder, upscale, row.file)
    with _copied(stored) as (content, digest):
        for path in _paths(row, name):
            WatchedResult.objects.filter(pk=row.pk).update(path=path)
            there = place.holds(path, content, digest)
            if there:
                return path
            if there is None:
                hold.renew()
                with suppress(NameTaken):
                    place.put(path, content, digest)
                    return path
    raise _Never(f"There are {MAX_NUMBER:,} files called {name} already. Change how results are called.")


def _of_result(folder: WatchedFolder, upscale: Upscale, file: WatchedFile) -> tuple[str, str]:
    total = file.batch.total if file.batch is not None else 0
    template = result_names.compile(folder.template, total=total)
    facts = upscale.result_facts(file.number or 1)._replace(name=file.path.rpartition("/")[2], sku=file.sku)
    return upscale.result_file.name or "", template.name_of(facts)


def _of_channel(upscale: Upscale, row: WatchedResult) -> tuple[str, str]:
    usable = teams.channels(upscale.team)
    if row.channel_id not in usable:
        raise _Never(f"Your team does not use the channel {row.channel_id} any more.")
    made = upscale.channel_files.select_related("upscale__team").filter(channel_id=row.channel_id).first()
    is_made_elsewhere = upscale.batch is not None and row.channel_id in upscale.batch.channels
    if (made is None or not files.is_current(made, files.rules_of(upscale.team))) and not is_made_elsewhere:
        # An earlier order's result, which was not for this shop: no worker makes it.
        made = files.make(upscale, usable[row.channel_id])
    if made is None or not files.is_current(made, files.rules_of(upscale.team)):
        if made is not None and made.lease_until is None and made.problems and not made.file:
            raise _Never(" ".join(made.problems))
        raise _NotYet
    return made.file, _name_for_shop(usable[row.channel_id], made, upscale, row.file)


def _name_for_shop(channel: Channel, made: ChannelFile, upscale: Upscale, file: WatchedFile) -> str:
    """By the channel's rule; a copy of a picture, which shares its upscale, by its own SKU."""
    stem = file_names.stem(file.path.rpartition("/")[2])
    if (stem, file.sku) == (file_names.stem(upscale.source_name), upscale.sku):
        return files.name_of(made)
    codes = teams.codes_of(upscale.team, [file.sku] if file.sku else [])
    [called] = names.names(channel, [names.Picture(file.sku, fallback=stem)], codes, format_=made.format)
    return called.name or f"{stem}{FORMATS[made.format].extension}"


def _paths(row: WatchedResult, name: str) -> Iterator[str]:
    """Where it may go: under the name that was written down, else its own, else that with a number."""
    if row.path:
        yield row.path
    folder = row.file.path.rpartition("/")[0]
    shop = f"for {row.channel_id}" if row.channel_id else ""
    before = "".join(f"{part}/" for part in (shop, folder) if part)
    first = f"{before}{result_names.safe_part(name)}"
    yield first
    stem, dot, ending = first.rpartition(".")
    # Past those of our own: hundreds may be called the same.
    taken = WatchedResult.objects.filter(folder=row.folder_id, path__startswith=f"{stem} (").exclude(pk=row.pk)
    start = taken.exclude(put_at=None).count() + 2
    for number in range(start, start + MAX_NUMBER):
        yield f"{stem} ({number}){dot}{ending}"


@contextmanager
def _copied(stored: str) -> Iterator[tuple[IO[bytes], str]]:
    """A file of the picture storage to be read again and again, and its SHA-256. Raises OSError."""
    digest = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as copy:
        with media_storage().open(stored) as source:
            for chunk in source.chunks(CHUNK):
                digest.update(chunk)
                copy.write(chunk)
        yield copy, digest.hexdigest()

"""Removes stored files that no upscale, draft or feed names: what nobody ordered, and what a killed process left."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.utils import timezone

from upscaler import no_room
from upscaler.errors import PublicError
from upscaler.models import DELETED, ChannelFile, DraftItem, FeedCheck, FidelityCheck, Upscale, media_storage
from upscaler.models.prepared import Place, Prepared
from upscaler.storage import quota, room, stored_files, tiles

logger = logging.getLogger(__name__)

FIELDS = {
    "sources": ("source_file",),
    # An order of an earlier result shows that result's thumbnail as its source's.
    "thumbnails": ("source_thumbnail", "result_thumbnail"),
    "results": ("result_file", "source_file"),
    "previews": ("before_preview", "after_preview"),
    "channels": (),
    "heat-maps": (),
    "feeds": (),
}
"""Which fields of an upscale may name a file of each folder."""
DRAFT_FIELDS = {"sources": "file", "thumbnails": "thumbnail"}
"""The same of what was chosen and not ordered yet."""
THUMBNAILS = {"source_file": "source_thumbnail", "result_file": "result_thumbnail"}
"""The thumbnail of each picture: whoever shares the picture shares it. Nobody shares the previews."""
FILE_FIELDS = (*THUMBNAILS, *THUMBNAILS.values(), "before_preview", "after_preview")
BATCH = 500
"""Upscales whose files one call removes."""
WORK_PREFIX = "upscaler-work-"
"""How the names of the workers' folders begin."""
KEPT_FOR = timedelta(hours=48)
"""Longer than a link to an upload lives, so that nothing is taken from under an order."""
TURN = timedelta(hours=6)
"""How often orphans are looked for."""


def remove_orphans(now: datetime | None = None) -> int:
    """Delete files older than ``KEPT_FOR`` that no row names: of this month, the last, and one of the older ones.

    The older months have their turns one after the other, a new one every `TURN`: what a killed process leaves there is
    found too, and nobody looks through years of files at once. Those of channels, whose files are replaced at any age,
    are looked at each time. Returns how many were deleted.
    """
    now = now or timezone.now()
    last_month = now.replace(day=1) - timedelta(days=1)
    young = {f"{last_month:%Y/%m}", f"{now:%Y/%m}"}
    removed = 0
    for kind in FIELDS:
        older = sorted(_months(kind) - young)
        turn = int(now.timestamp() // TURN.total_seconds())
        if kind != "channels":
            older = older[turn % len(older) :][:1] if older else []
        for month in young.union(older):
            removed += _remove_orphans_in(PurePosixPath(kind, month), now - KEPT_FOR)
    if removed:
        logger.info("%s stored files that no upscale names were removed", removed)
    return removed


def remove_deleted() -> int:
    """Remove the files of at most ``BATCH`` deleted upscales, but those that another row needs. Returns of how many.

    The row forgets a file once it is gone, so that what was interrupted goes on at the next turn. No order can begin to
    need one meanwhile: it is refused where its source was deleted.
    """
    # Spelt out as the index has it.
    waiting = Upscale.objects.filter(deleted_at__isnull=False).exclude(source_file="", result_file="").order_by("pk")
    done = 0
    for upscale in waiting[:BATCH]:
        fitted = ChannelFile.objects.filter(upscale=upscale)
        checked = FidelityCheck.objects.filter(upscale=upscale)
        unneeded = _unneeded(upscale)
        if stored_files.remove([*unneeded, *_files(fitted, "file"), *_files(checked, "heat_map")]):
            if no_room.code_of(room.trouble()) == no_room.AWAY:
                break
            continue
        tiles.forget(unneeded)
        fitted.delete()
        if upscale.deleted_by_rule:
            # Its row stays in the history, and with it what was found.
            checked.update(heat_map="")
        else:
            checked.delete()
        Upscale.objects.filter(pk=upscale.pk).update(**dict.fromkeys(FILE_FIELDS, ""))
        done += 1
    return done


def _files(rows: QuerySet[Any], field: str) -> list[str]:
    return list(rows.exclude(**{field: ""}).values_list(field, flat=True))


def ensure_kept(paths: Collection[str]) -> None:
    """Raise PublicError with the code ``deleted`` where a picture of ``paths`` was deleted and is about to go.

    Call it under the team's lock, which whoever deletes takes too: from then on the order's own row keeps the file.
    """
    names = sorted(paths)
    if len(names) == 1 and NAMED_BY_DELETED.first(path=names[0]) is None:
        return
    for start in range(0, len(names), BATCH):
        going = _named(Upscale.objects.filter(deleted_at__isnull=False), names[start : start + BATCH])
        if going - _named(Upscale.objects.present(), going) - _drafted(going):
            raise PublicError(f"{DELETED} Choose another picture.", code="deleted")


def _named_by_deleted() -> Any:
    path = Place("path", CharField())
    rows = Upscale.objects.filter(Q(source_file=path) | Q(result_file=path), deleted_at__isnull=False)
    return rows.order_by().values_list("pk")[:1]


NAMED_BY_DELETED = Prepared(_named_by_deleted)


def _unneeded(upscale: Upscale) -> list[str]:
    """The files of a deleted upscale that no other row needs."""
    pictures = {path for field in THUMBNAILS if (path := getattr(upscale, field).name)}
    needed = _named(Upscale.objects.present(), pictures) | _drafted(pictures)
    gone = [upscale.before_preview.name, upscale.after_preview.name]
    for picture, thumbnail in THUMBNAILS.items():
        if getattr(upscale, picture).name not in needed:
            gone += [getattr(upscale, picture).name, getattr(upscale, thumbnail).name]
    return sorted({path for path in gone if path} - needed)


def _named(rows: QuerySet[Upscale], paths: Collection[str]) -> set[str]:
    if not paths:
        return set()
    return {
        *rows.filter(source_file__in=paths).values_list("source_file", flat=True),
        *rows.filter(result_file__in=paths).values_list("result_file", flat=True),
    }


def named(paths: Collection[str]) -> set[str]:
    """Those of the pictures that an upscale that is not deleted or a draft names."""
    names, found = sorted(paths), set[str]()
    for start in range(0, len(names), BATCH):
        part = names[start : start + BATCH]
        found |= _named(Upscale.objects.present(), part) | _drafted(part)
    return found


def _drafted(paths: Collection[str]) -> set[str]:
    return set(DraftItem.objects.filter(file__in=paths).values_list("file", flat=True)) if paths else set()


def remove_left_folders() -> None:
    """Delete the working folders of this machine's workers that were killed longer ago than ``KEPT_FOR``."""
    for folder in Path(tempfile.gettempdir()).glob(f"{WORK_PREFIX}*"):
        if folder.is_dir() and time.time() - folder.stat().st_mtime > KEPT_FOR.total_seconds():
            shutil.rmtree(folder, ignore_errors=True)


def _months(kind: str) -> set[str]:
    """The months of which files are stored, as “2026/11”."""
    storage = media_storage()
    try:
        years = storage.listdir(kind)[0]
        return {f"{year}/{month}" for year in years for month in storage.listdir(f"{kind}/{year}")[0]}
    except FileNotFoundError:
        return set()


def _remove_orphans_in(folder: PurePosixPath, before: datetime) -> int:
    storage = media_storage()
    try:
        paths = {f"{folder}/{name}" for name in storage.listdir(str(folder))[1]}
    except FileNotFoundError:
        # Nothing was stored in that month. S3 has no folders, so that an empty one is there and a full one is not.
        return 0
    for field in FIELDS[folder.parts[0]]:
        paths -= set(Upscale.objects.filter(**{f"{field}__startswith": f"{folder}/"}).values_list(field, flat=True))
    if (field_of_drafts := DRAFT_FIELDS.get(folder.parts[0])) is not None:
        chosen = DraftItem.objects.filter(**{f"{field_of_drafts}__startswith": f"{folder}/"})
        paths -= set(chosen.values_list(field_of_drafts, flat=True))
    if folder.parts[0] == "channels":
        kept = ChannelFile.objects.filter(file__startswith=f"{folder}/")
        paths -= set(kept.values_list("file", flat=True))
    if folder.parts[0] == "heat-maps":
        paths -= set(_files(FidelityCheck.objects.filter(heat_map__startswith=f"{folder}/"), "heat_map"))
    if folder.parts[0] == "feeds":
        paths -= set(FeedCheck.objects.filter(file__startswith=f"{folder}/").values_list("file", flat=True))
    old = [path for path in paths if storage.get_modified_time(path) < before]
    left = stored_files.remove(old)
    quota.forget(set(old).difference(left))
    return len(old) - len(left)

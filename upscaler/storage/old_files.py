"""Counting what was stored before the desk kept `StoredFile`: slice by slice in the background.

A slice is read without a lock first, because the storage may be slow to say a file's size. Then what deletes its files
is locked out, and what its rows still name and nobody has noted is noted.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from upscaler.models import (
    ChannelFile,
    DraftItem,
    FeedCheck,
    FidelityCheck,
    StoredFile,
    Team,
    TeamStorage,
    UnorderedUpload,
    Upscale,
    media_storage,
)
from upscaler.storage import stored_files
from upscaler.storage.cleanup import FILE_FIELDS

logger = logging.getLogger(__name__)

SLICE = 200
"""Upscales of one transaction, so that nobody waits long behind it."""


def step() -> bool:
    """Count one slice of one team. Whether there may be more that can be counted now."""
    for team in uncounted():
        try:
            count_slice(team.pk)
        except OSError:
            # It holds up no other team, and is tried again at the next turn.
            logger.exception("team %s: its files can't be counted now", team.slug)
        else:
            return True
    return False


def uncounted() -> QuerySet[Team]:
    """Teams whose files from before are not all counted."""
    return Team.objects.exclude(storage__counted_at__isnull=False).order_by("pk")


def count_slice(team_id: int) -> bool:
    """Count the next slice of the team's files. Whether there may be more."""
    TeamStorage.objects.bulk_create([TeamStorage(team_id=team_id)], ignore_conflicts=True)
    kept = TeamStorage.objects.get(team_id=team_id)
    if kept.counted_at is not None:
        return False
    upscales = Upscale.objects.filter(team_id=team_id, pk__gt=kept.counted_to).order_by("pk")
    numbers = list(upscales.values_list("pk", flat=True)[:SLICE])
    sizes = uncounted_files(of_upscales(numbers) if numbers else of_rest(team_id))
    with transaction.atomic():
        # The team's lock, which orders, drafts and deletions take too, and another worker that counts.
        Team.objects.select_for_update(no_key=True).get(pk=team_id)
        mine = TeamStorage.objects.filter(team_id=team_id, counted_to=kept.counted_to, counted_at=None)
        if mine.exists():
            still = set() if numbers else of_rest(team_id, is_locked=True)
            # Of the rest, some may have been ordered since: now upscales name them, which come after all slices.
            still |= of_upscales(numbers or list(upscales.values_list("pk", flat=True)), is_locked=True)
            stored_files.note(team_id, {path: sizes[path] for path in _unnoted(still.intersection(sizes))})
            mine.update(**({"counted_to": numbers[-1]} if numbers else {"counted_at": timezone.now()}))
    return True


def of_upscales(numbers: Collection[int], *, is_locked: bool = False) -> set[str]:
    """The files of these upscales; not of deleted ones, whose files are about to go.

    Under the team's lock none is deleted meanwhile. The upscales themselves are not locked: a worker that ends one
    waits for that lock.
    """
    rows = list(Upscale.objects.filter(pk__in=numbers, deleted_at__isnull=True))
    found = {getattr(row, field).name or "" for row in rows for field in FILE_FIELDS}
    kept = [row.pk for row in rows]
    found |= set(FidelityCheck.objects.filter(upscale__in=kept).values_list("heat_map", flat=True))
    found |= {row.file for row in _rows(ChannelFile.objects.filter(upscale__in=kept), is_locked)}
    return {path for path in found if stored_files.kind_of(path)}


def of_rest(team_id: int, *, is_locked: bool = False) -> set[str]:
    """The files of the team that belong to no upscale: drafts, uploads that nobody has ordered, catalogue checks."""
    found = set(UnorderedUpload.objects.filter(team_id=team_id).values_list("path", flat=True))
    for pair in DraftItem.objects.filter(batch__team_id=team_id).values_list("file", "thumbnail"):
        found |= set(pair)
    found |= {row.file for row in _rows(FeedCheck.objects.filter(feed__team_id=team_id), is_locked)}
    return {path for path in found if stored_files.kind_of(path)}


def uncounted_files(paths: Collection[str]) -> dict[str, int]:
    """Those of the files that don't count and are there, with their bytes, for which the storage is asked."""
    sizes = {}
    for path in _unnoted(paths):
        with suppress(FileNotFoundError):
            sizes[path] = media_storage().size(path)
    return sizes


def _rows(rows: QuerySet[Any], is_locked: bool) -> list[Any]:
    rows = rows.order_by("pk")
    return list(rows.select_for_update(of=("self",), no_key=True) if is_locked else rows)


def _unnoted(paths: Collection[str]) -> list[str]:
    names, noted = sorted(paths), set[str]()
    for start in range(0, len(names), stored_files.GROUP):
        some = StoredFile.objects.filter(path__in=names[start : start + stored_files.GROUP])
        noted |= set(some.values_list("path", flat=True))
    return [path for path in names if path not in noted]

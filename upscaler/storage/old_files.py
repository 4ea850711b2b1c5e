"""Counting what was stored before the desk kept `StoredFile`: slice by slice in the background.

A slice is read without a lock first, because the storage may be slow to say a file's size. Then its rows are locked,
and what they still name and nobody has noted is noted. Whoever deletes one of these files waits that long.
"""

from __future__ import annotations

from collections.abc import Iterable
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

SLICE = 200
"""Upscales of one transaction, so that nobody waits long behind it."""
Sizes = dict[str, int | None]
"""By name the bytes of files; None where no row says how many."""


def step() -> bool:
    """Count one slice of one team. Whether there may be more."""
    team = uncounted().first()
    if team is None:
        return False
    count_slice(team.pk)
    return True


def uncounted() -> QuerySet[Team]:
    """Teams whose files from before are not all counted."""
    return Team.objects.exclude(storage__counted_at__isnull=False).order_by("pk")


def count_slice(team_id: int) -> bool:
    """Count the next slice of the team's files. Whether there may be more."""
    TeamStorage.objects.bulk_create([TeamStorage(team_id=team_id)], ignore_conflicts=True)
    begin = TeamStorage.objects.get(team_id=team_id).counted_to
    upscales = Upscale.objects.filter(team_id=team_id, pk__gt=begin).order_by("pk")
    numbers = list(upscales.values_list("pk", flat=True)[:SLICE])
    known = missing(of_upscales(numbers) if numbers else of_rest(team_id))
    with transaction.atomic():
        # The team's lock, which orders, drafts and deletions take too.
        Team.objects.select_for_update(no_key=True).get(pk=team_id)
        still = of_upscales(numbers, is_locked=True) if numbers else of_rest(team_id, is_locked=True)
        new = _unnoted({path: None for path in still if path in known})
        mine = TeamStorage.objects.filter(team_id=team_id, counted_to=begin, counted_at=None)
        if numbers and not mine.update(counted_to=numbers[-1]):
            return True  # Another worker was quicker.
        stored_files.note(team_id, {path: known[path] for path in new})
        if not numbers:
            TeamStorage.objects.filter(team_id=team_id).update(counted_at=timezone.now())
    return bool(numbers)


def of_upscales(numbers: Iterable[int], *, is_locked: bool = False) -> Sizes:
    """The files of these upscales; not of deleted ones, whose files are about to go."""
    numbers = list(numbers)
    rows = _rows(Upscale.objects.filter(pk__in=numbers, deleted_at__isnull=True), is_locked)
    found: Sizes = {}
    for row in rows:
        found |= {getattr(row, field).name or "": None for field in FILE_FIELDS}
    for row in rows:
        found |= {row.source_file.name or "": row.source_bytes, row.result_file.name or "": row.result_bytes}
    kept = [row.pk for row in rows]
    fitted = _rows(ChannelFile.objects.filter(upscale__in=kept).order_by("pk"), is_locked)
    found |= {row.file: row.file_size for row in fitted}
    checks = _rows(FidelityCheck.objects.filter(upscale__in=kept).exclude(heat_map="").order_by("pk"), is_locked)
    found |= {row.heat_map: None for row in checks}
    return _of_teams(found)


def of_rest(team_id: int, *, is_locked: bool = False) -> Sizes:
    """The files of the team that belong to no upscale: drafts, uploads that nobody has ordered, catalogue checks."""
    found: Sizes = dict(UnorderedUpload.objects.filter(team_id=team_id).values_list("path", "file_size"))
    drafted = DraftItem.objects.filter(batch__team_id=team_id)
    for path, size, thumbnail in drafted.exclude(file="").values_list("file", "file_size", "thumbnail"):
        found |= {thumbnail: None, path: size}
    checks = _rows(FeedCheck.objects.filter(feed__team_id=team_id).exclude(file="").order_by("pk"), is_locked)
    found |= {row.file: row.file_size for row in checks}
    return _of_teams(found)


def _rows(rows: QuerySet[Any], is_locked: bool) -> list[Any]:
    return list(rows.order_by("pk").select_for_update(of=("self",), no_key=True) if is_locked else rows)


def _of_teams(found: Sizes) -> Sizes:
    return {path: size for path, size in found.items() if stored_files.kind_of(path)}


def missing(found: Sizes) -> dict[str, int]:
    """Those of the files that don't count and are there, with their bytes."""
    known = {}
    for path, size in _unnoted(found).items():
        with suppress(FileNotFoundError):
            known[path] = media_storage().size(path) if size is None else size
    return known


def _unnoted(found: Sizes) -> Sizes:
    names = sorted(found)
    noted = set[str]()
    for start in range(0, len(names), stored_files.GROUP):
        some = StoredFile.objects.filter(path__in=names[start : start + stored_files.GROUP])
        noted |= set(some.values_list("path", flat=True))
    return {path: size for path, size in found.items() if path not in noted}

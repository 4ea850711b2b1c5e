"""Removes stored files that no upscale and no draft names: what nobody ordered, and what a killed process left."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from django.utils import timezone

from upscaler.models import DraftItem, Upscale, media_storage
from upscaler.storage import quota

logger = logging.getLogger(__name__)

FIELDS = {
    "sources": ("source_file",),
    # An order of an earlier result shows that result's thumbnail as its source's.
    "thumbnails": ("source_thumbnail", "result_thumbnail"),
    "results": ("result_file", "source_file"),
    "previews": ("before_preview", "after_preview"),
}
"""Which fields may name a file of each folder."""
DRAFT_FIELDS = {"sources": "file", "thumbnails": "thumbnail"}
"""The same of what was chosen and not ordered yet."""
WORK_PREFIX = "upscaler-work-"
"""How the names of the workers' folders begin."""
KEPT_FOR = timedelta(hours=48)
"""Longer than a link to an upload lives, so that nothing is taken from under an order."""


def remove_orphans(now: datetime | None = None) -> int:
    """Delete files of this month and the last that are older than ``KEPT_FOR`` and that no row names.

    Older months were looked at while they were young. Returns how many were deleted.
    """
    now = now or timezone.now()
    last_month = now.replace(day=1) - timedelta(days=1)
    removed = 0
    for kind in FIELDS:
        for month in {f"{last_month:%Y/%m}", f"{now:%Y/%m}"}:
            removed += _remove_orphans_in(PurePosixPath(kind, month), now - KEPT_FOR)
    if removed:
        logger.info("%s stored files that no upscale names were removed", removed)
    return removed


def remove_left_folders() -> None:
    """Delete the working folders of this machine's workers that were killed longer ago than ``KEPT_FOR``."""
    for folder in Path(tempfile.gettempdir()).glob(f"{WORK_PREFIX}*"):
        if folder.is_dir() and time.time() - folder.stat().st_mtime > KEPT_FOR.total_seconds():
            shutil.rmtree(folder, ignore_errors=True)


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
    old = [path for path in paths if storage.get_modified_time(path) < before]
    for path in old:
        storage.delete(path)
    quota.forget(old)
    return len(old)

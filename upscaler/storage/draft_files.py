"""The files of drafts: gone with the items that name them, and with drafts that nobody touches."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from upscaler.models import Batch, DraftItem, Team
from upscaler.storage import quota, stored_files

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
"""How long a draft is kept that nobody touches."""
MAX_DELETED = 500
"""Items whose files are deleted while somebody waits. Those of more are left to `cleanup`: S3 takes its time."""
GROUP = 500


def is_own(item: DraftItem) -> bool:
    """Whether the item's file was stored for it, and is not that of an upscale or of a program's upload."""
    return bool(item.file) and item.source == DraftItem.Source.UPLOAD and item.result_id is None and not item.url


def delete(items: Iterable[DraftItem]) -> None:
    """Delete what was stored for items whose rows are gone, and that nobody ordered."""
    own = [item for item in items if is_own(item)]
    for start in range(0, len(own), GROUP):
        quota.forget(item.file for item in own[start : start + GROUP])
    stored_files.forget(_paths(own))
    # One that can't be deleted now is found by `cleanup`.
    stored_files.remove(_paths(own[:MAX_DELETED]))


def _paths(items: Iterable[DraftItem]) -> list[str]:
    return [path for item in items for path in (item.file, item.thumbnail) if path]


def remove_old_drafts(now: datetime | None = None) -> int:
    """Remove drafts that nobody has touched for ``KEPT_FOR``, with their files. Returns how many."""
    before = (now or timezone.now()) - KEPT_FOR
    removed = 0
    for draft in Batch.objects.filter(ordered_at__isnull=True, updated_at__lt=before).order_by("pk"):
        with transaction.atomic():
            # The team's lock, under which drafts are changed and ordered.
            Team.objects.select_for_update(no_key=True).get(pk=draft.team_id)
            still = Batch.objects.filter(pk=draft.pk, ordered_at__isnull=True, updated_at__lt=before)
            if not still.exists():
                continue
            items = list(draft.items.all())
            still.delete()
        delete(items)
        removed += 1
    if removed:
        logger.info("%s drafts that nobody touched for %s days were removed", removed, KEPT_FOR.days)
    return removed

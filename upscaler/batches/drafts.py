"""Drafts: what somebody has chosen for a team and not ordered yet. Each person has one for each of their teams.

Whatever changes a draft does it under the team's lock, as ordering does. So nothing is put into a draft, or taken from
it, while it becomes a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from upscaler.models import Batch, DraftItem, Membership, Team, media_storage
from upscaler.ordering.submission import DraftOrderedBefore
from upscaler.storage import quota

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
"""How long a draft is kept that nobody touches."""
LEFT_OUT = "left_out"
"""The problem of a row that stands for files that are no pictures to be had: told to people, and no item."""
OVER_LIMIT = "over_limit"
"""The same, of pictures for which the draft had no room."""
READING = "reading"
"""The same, of an archive that is being read; its message is the number of its pictures."""
NO_ITEMS = (LEFT_OUT, OVER_LIMIT, READING)
GROUP = 200
"""Rows that one statement changes: a database takes only so many values in one."""


def begin(team: Team, user: Any) -> Batch:
    """The person's draft of the team, made where there is none."""
    draft, _ = Batch.objects.get_or_create(team=team, created_by=user, ordered_at=None)
    return draft


def find_draft(team: Team, user: Any) -> Batch | None:
    """The person's draft of the team, if there is one."""
    return Batch.objects.filter(team=team, created_by=user, ordered_at=None).first()


def find_own(pk: int, user: Any) -> Batch:
    """The person's own draft of this number, or the batch that it became, of a team that they are in.

    Raises Batch.DoesNotExist.
    """
    mine = Membership.objects.filter(user=user).values("team_id")
    return Batch.objects.select_related("team").get(pk=pk, created_by=user, team__in=mine)


def items_of(draft: Batch) -> Any:
    """What was chosen, good or bad; without what stands for files that were left out."""
    return draft.items.exclude(problem__in=NO_ITEMS)


@contextmanager
def changing(draft: Batch) -> Iterator[Batch]:
    """The draft as it is now, for a change in one short transaction.

    Raises Batch.DoesNotExist where it is gone, and DraftOrderedBefore where it was ordered meanwhile.
    """
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=draft.team_id)
        locked = Batch.objects.get(pk=draft.pk)
        if not locked.is_draft:
            raise DraftOrderedBefore(locked)
        yield locked
        Batch.objects.filter(pk=draft.pk).update(updated_at=timezone.now())


def remove(draft: Batch, ids: Iterable[int]) -> list[int]:
    """Take items out of the draft, with the files that are theirs alone. Returns the numbers of those that are gone.

    Raises as `changing` does.
    """
    wanted = list(ids)
    with changing(draft) as locked:
        gone: list[DraftItem] = []
        for start in range(0, len(wanted), GROUP):
            group = locked.items.filter(pk__in=wanted[start : start + GROUP])
            gone += group
            group.delete()
    delete_files(gone)
    return [item.pk for item in gone]


def delete_files(items: Iterable[DraftItem]) -> None:
    """Delete what was stored for items whose rows are gone, and that nobody ordered."""
    paths = []
    for item in items:
        if is_own_file(item):
            paths.append(item.file)
            for path in filter(None, (item.file, item.thumbnail)):
                # One that can't be deleted now is found by `cleanup`.
                with suppress(OSError):
                    media_storage().delete(path)
    for start in range(0, len(paths), GROUP):
        quota.forget(paths[start : start + GROUP])


def is_own_file(item: DraftItem) -> bool:
    """Whether the item's file was stored for it, and is not that of an upscale or of a program's upload."""
    return bool(item.file) and item.source == DraftItem.Source.UPLOAD and item.result_id is None and not item.url


def remove_old(now: datetime | None = None) -> int:
    """Remove drafts that nobody has touched for ``KEPT_FOR``, with their files. Returns how many."""
    before = (now or timezone.now()) - KEPT_FOR
    removed = 0
    for draft in Batch.objects.filter(Q(ordered_at__isnull=True), updated_at__lt=before).order_by("pk"):
        with suppress(DraftOrderedBefore, Batch.DoesNotExist):
            with transaction.atomic():
                with changing(draft) as locked:
                    if locked.updated_at >= before:
                        continue
                    items = list(locked.items.all())
                Batch.objects.filter(pk=draft.pk).delete()
            delete_files(items)
            removed += 1
    if removed:
        logger.info("%s drafts that nobody touched for %s days were removed", removed, KEPT_FOR.days)
    return removed

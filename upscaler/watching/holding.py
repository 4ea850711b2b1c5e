"""Which watched folder a worker takes up next, and that no other has it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from upscaler.models import WatchedFolder, WatchedResult

LEASE = timedelta(minutes=5)
"""A worker that has written nothing for so long counts as dead; bringing the largest file takes less."""
AT_ONCE = 2
"""Folders that are worked on at the same time: the same workers fetch the pictures of orders."""
MAX_PAUSE = timedelta(minutes=10)
"""After looks that failed."""


class Lost(Exception):
    """The folder is another worker's now, or was removed."""


@dataclass
class Hold:
    """A folder that this worker works on."""

    folder: WatchedFolder
    lease: datetime

    def renew(self, **values: Any) -> None:
        """Keep the folder, and write ``values`` into its row. Raises Lost."""
        lease = timezone.now() + LEASE
        if not self._mine().update(lease_until=lease, **values):
            raise Lost
        self.lease = lease

    def release(self, due_at: datetime, **values: Any) -> None:
        """Let go of it until it is due again."""
        self._mine().update(lease_until=None, due_at=due_at, **values)

    def _mine(self) -> QuerySet[WatchedFolder]:
        return WatchedFolder.objects.filter(pk=self.folder.pk, lease_until=self.lease, removed_at=None)


def claim(pk: int | None = None) -> Hold | None:
    """Take up the folder that has been due longest, or the one of number ``pk``; None where none can be had."""
    now = timezone.now()
    if places() <= 0:
        return None
    waiting = candidates(now) if pk is None else _free(now).filter(pk=pk)
    for folder in waiting.select_related("team", "created_by").order_by("due_at", "pk")[: AT_ONCE * 2]:
        mine = WatchedFolder.objects.filter(pk=folder.pk, lease_until=folder.lease_until)
        # Another worker may have been quicker.
        if mine.update(lease_until=now + LEASE):
            return Hold(folder, now + LEASE)
    return None


def candidates(now: datetime) -> QuerySet[WatchedFolder]:
    """Folders that are due: those that are on, and those that are off and owe somebody results."""
    owed = WatchedResult.objects.filter(folder=OuterRef("pk"), put_at=None, is_given_up=False)
    return _free(now).filter(Q(off_since=None) | Exists(owed), due_at__lte=now)


def places() -> int:
    """How many more folders may be worked on now."""
    return AT_ONCE - WatchedFolder.objects.filter(lease_until__gte=timezone.now()).count()


def ready() -> int:
    """How many workers could take up a folder now."""
    return max(0, min(places(), candidates(timezone.now()).count()))


def next_look(*, is_left: bool, is_unsteady: bool, failures: int) -> datetime:
    """When a folder is due again: at once where work is left, later and later after failures."""
    pause = timedelta(seconds=settings.WATCH_SECONDS)
    if failures:
        pause = min(MAX_PAUSE, pause * 2 ** min(failures - 1, 10))
    elif is_left:
        pause = timedelta(0)
    elif is_unsteady:
        pause = min(pause, STEADY + timedelta(seconds=1))
    return timezone.now() + pause


STEADY = timedelta(seconds=5)
"""A file that is the same for so long has been written to its end."""


def _free(now: datetime) -> QuerySet[WatchedFolder]:
    return WatchedFolder.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), removed_at=None)

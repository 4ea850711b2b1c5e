"""The only writer of `StoredFile` and of the sums in `TeamStorage`, and the only one that deletes stored files.

A file is noted in the transaction whose row names it. It is forgotten first and deleted then: what a killed process
leaves is a file that counts for nobody, which `cleanup` finds and deletes. The sums are written last in a transaction,
so that nobody waits for a team's other work behind them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping

from django.db import transaction
from django.db.models import F

from upscaler import no_room
from upscaler.models import StoredFile, TeamStorage, media_storage

logger = logging.getLogger(__name__)

KINDS = {
    "sources": "sources",
    "results": "results",
    "channels": "channels",
    "thumbnails": "copies",
    "previews": "copies",
    "heat-maps": "copies",
    "feeds": "feeds",
}
"""By a file's first folder the column of `TeamStorage` in which it counts."""
GROUP = 500
"""Files of one statement."""


def kind_of(path: str) -> str:
    """The column in which a file counts; empty for one that is no team's."""
    return KINDS.get(path.partition("/")[0], "")


def note(team_id: int, sizes: Mapping[str, int]) -> None:
    """Count new files for a team, in the transaction that makes the row which names them. ``sizes``: bytes by name."""
    rows = [StoredFile(team_id=team_id, path=path, file_size=size) for path, size in sizes.items() if kind_of(path)]
    if not rows:
        return
    StoredFile.objects.bulk_create(rows, batch_size=GROUP)
    _add(team_id, rows, sign=1)


@transaction.atomic
def forget(paths: Iterable[str]) -> None:
    """Files that are deleted, or about to be, count for nobody any more."""
    names = sorted(set(paths))
    gone: dict[int, list[StoredFile]] = {}
    for start in range(0, len(names), GROUP):
        # The lock: of two that forget the same file only one takes it off the sum.
        some = StoredFile.objects.select_for_update().filter(path__in=names[start : start + GROUP])
        found = list(some.order_by("pk"))
        StoredFile.objects.filter(pk__in=[row.pk for row in found]).delete()
        for row in found:
            gone.setdefault(row.team_id, []).append(row)
    for team_id, rows in sorted(gone.items()):
        _add(team_id, rows, sign=-1)


def remove(paths: Iterable[str]) -> list[str]:
    """Delete stored files. Returns those that can't be deleted now, and the log says why; `cleanup` tries again."""
    names = sorted(set(paths))
    forget(names)
    left: list[str] = []
    for place, path in enumerate(names):
        try:
            media_storage().delete(path)
        except no_room.StorageAway as error:
            # It would be waited for once more for each of the others.
            no_room.note(no_room.AWAY, error)
            return [*left, *names[place:]]
        except OSError:
            logger.exception("%s can't be removed, tried again later", path)
            left.append(path)
    return left


def _add(team_id: int, rows: Iterable[StoredFile], *, sign: int) -> None:
    changes = Counter[str]()
    for row in rows:
        changes[kind_of(row.path)] += sign * row.file_size
    columns = {kind: F(kind) + change for kind, change in changes.items()}
    team = TeamStorage.objects.filter(team_id=team_id)
    if not team.update(**columns):
        TeamStorage.objects.bulk_create([TeamStorage(team_id=team_id)], ignore_conflicts=True)
        team.update(**columns)

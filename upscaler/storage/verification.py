"""Whether what counts for teams is what is kept for them, and mending it where it is not."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from upscaler.models import StoredFile, Team, TeamStorage, Upscale, media_storage
from upscaler.storage import old_files, stored_files

GROUP = 500
"""Rows that are looked at together."""


def verify(teams: QuerySet[Team], *, with_storage: bool = False) -> list[str]:
    """Compare the sums with the files of these teams, and these with the rows; each difference is a sentence.

    ``with_storage``: ask the storage for each file too, which takes its time where it is far away.

    Also while the desk is at work: what is wrong in truth is still wrong, in the same words, at a second look.
    """
    problems = list(_problems(teams, with_storage))
    if problems:
        still = set(_problems(teams, with_storage))
        problems = [problem for problem in problems if problem in still]
    return problems


def rebuild(team: Team, *, with_storage: bool = False) -> int:
    """Note what is kept and not noted, with ``with_storage`` forget what is gone, and make the team's sums anew.

    Returns its bytes.
    """
    TeamStorage.objects.filter(team=team).update(counted_to=0, counted_at=None)
    while old_files.count_slice(team.pk):
        pass
    if with_storage:
        stored_files.forget(_gone(team))
    with transaction.atomic():
        # Whoever notes or forgets a file waits here, and changes the new sums then.
        kept = TeamStorage.objects.select_for_update().get(team=team)
        for kind, right in _sums(team).items():
            setattr(kept, kind, right)
        kept.save(update_fields=TeamStorage.KINDS)
    return kept.total


def _problems(teams: QuerySet[Team], with_storage: bool) -> Iterator[str]:
    for team in teams.iterator():
        yield from wrong_sums(team)
        for path in _unnoted(team):
            yield f"Team {team.slug}: {path} is not counted."
        for path in _gone(team) if with_storage else ():
            yield f"Team {team.slug}: {path} is counted and not there."


def wrong_sums(team: Team) -> Iterator[str]:
    """Differences between the team's sums and its files' rows, as sentences."""
    kept = TeamStorage.objects.filter(team=team).first()
    for kind, right in _sums(team).items():
        seen = getattr(kept, kind, 0)
        if seen != right:
            yield f"Team {team.slug}, {kind}: {seen:,} bytes, its files have {right:,}."


def _sums(team: Team) -> dict[str, int]:
    files = StoredFile.objects.filter(team=team)
    sums = dict.fromkeys(TeamStorage.KINDS, 0)
    for folder, kind in stored_files.KINDS.items():
        of_folder = files.filter(path__startswith=f"{folder}/")
        sums[kind] += of_folder.aggregate(total=Coalesce(Sum("file_size"), 0))["total"]
    return sums


def _unnoted(team: Team) -> Iterator[str]:
    """Files that rows name and that are there, but don't count."""
    numbers = Upscale.objects.filter(team=team, deleted_at__isnull=True).order_by("pk").values_list("pk", flat=True)
    after = 0
    while part := list(numbers.filter(pk__gt=after)[:GROUP]):
        yield from old_files.uncounted_files(old_files.of_upscales(part))
        after = part[-1]
    yield from old_files.uncounted_files(old_files.of_rest(team.pk))


def _gone(team: Team) -> Iterator[str]:
    """Files that count and are not there. Those that are there and that no row names, `cleanup` removes."""
    rows = StoredFile.objects.filter(team=team).order_by("pk")
    after = 0
    while part := list(rows.filter(pk__gt=after)[:GROUP]):
        yield from (row.path for row in part if not media_storage().exists(row.path))
        after = part[-1].pk

"""How much a team keeps, how much it may keep, and the refusal of what has no room.

What was accepted is always finished and kept, so a team may come to keep more than its quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField, ExpressionWrapper, F, QuerySet, Sum, Value
from django.db.models.functions import Cast, Coalesce

from upscaler.errors import PublicError
from upscaler.models import Team, TeamStorage
from upscaler.models.prepared import Place, Prepared
from upscaler.text import format_bytes

FULL = "storage_quota_exceeded"
"""The code of the refusal."""
LOW_PERCENT = 90
"""From which on the team is warned."""
MEGABYTE = 1_000_000


class NoRoom(PublicError):
    """The refusal. ``brief`` is its message for where many pictures have one each."""

    def __init__(self, facts: str) -> None:
        super().__init__(
            f"{facts} Nothing new can be uploaded or ordered, and nothing was charged. Delete pictures that nobody "
            "needs any more (History, select, Delete), have an admin of the team set how long files are kept, or ask "
            "who runs this desk for more room. What is under way is finished.",
            code=FULL,
        )
        self.brief = f"{facts} Delete pictures in the history, or tell an admin of the team."


@dataclass(frozen=True)
class Room:
    """How much a team keeps, in bytes."""

    kinds: Mapping[str, int]
    """By the columns of `TeamStorage`."""
    quota: int | None
    """None for no limit."""
    is_counted: bool
    """Whether files from before the desk counted are in it."""

    @property
    def used(self) -> int:
        """All that is kept."""
        return sum(self.kinds.values())

    @property
    def percent(self) -> int:
        """Of the quota, rounded down; 0 without one."""
        return self.used * 100 // self.quota if self.quota else 0

    @property
    def is_full(self) -> bool:
        """Whether nothing new is taken."""
        return self.quota is not None and self.used >= self.quota

    @property
    def is_low(self) -> bool:
        """Whether the team is to be warned."""
        return self.quota is not None and self.percent >= LOW_PERCENT


def of_team(team: Team) -> Room:
    """What the team keeps and may keep. It needs no query where ``team`` was selected with its ``storage``."""
    kept: TeamStorage | None = getattr(team, "storage", None)
    kinds = {kind: getattr(kept, kind) if kept is not None else 0 for kind in TeamStorage.KINDS}
    return Room(kinds, quota_of(team), kept is not None and kept.counted_at is not None)


def quota_of(team: Team) -> int | None:
    """How many bytes the team may keep; None for no limit."""
    megabytes = team.storage_quota_mb if team.storage_quota_mb is not None else settings.DEFAULT_STORAGE_QUOTA_MB
    return megabytes * MEGABYTE if megabytes else None


def ensure_room(team_id: int, adding: int = 0) -> None:
    """Raise NoRoom where the team may not keep ``adding`` bytes more, or anything new.

    Under the team's lock, of two at once the second one sees what the first has stored.
    """
    team = WITH_STORAGE.first(team=team_id)
    if team is None:
        raise Team.DoesNotExist
    room = of_team(team)
    if room.quota is None or not (room.is_full or room.used + adding > room.quota):
        return
    new = "" if room.is_full else f", and this needs {format_bytes(adding)} more"
    raise NoRoom(f"Your team keeps files of {format_bytes(room.used)}{new}; the limit is {format_bytes(room.quota)}.")


WITH_STORAGE = Prepared(
    lambda: Team.objects.select_related("storage").filter(pk=Place("team", BigIntegerField())).order_by()
)


def by_size() -> QuerySet[Team]:
    """All teams that keep anything, those that keep most first, each with its ``storage`` and its ``bytes``."""
    kept = sum((F(f"storage__{kind}") for kind in TeamStorage.KINDS[1:]), F(f"storage__{TeamStorage.KINDS[0]}"))
    return Team.objects.select_related("storage").annotate(bytes=kept).filter(bytes__gt=0).order_by("-bytes", "pk")


def full_teams() -> int:
    """How many teams keep as much as they may, or more."""
    # As a large number before it is multiplied: PostgreSQL's smaller one ends at 2,147 MB.
    megabytes = Cast(Coalesce("storage_quota_mb", Value(settings.DEFAULT_STORAGE_QUOTA_MB)), BigIntegerField())
    quota = ExpressionWrapper(megabytes * Value(MEGABYTE), output_field=BigIntegerField())
    teams: Any = by_size()
    return int(teams.annotate(quota=quota).filter(quota__gt=0, bytes__gte=F("quota")).count())


def of_desk() -> dict[str, int]:
    """The bytes of all teams, by kind."""
    sums = TeamStorage.objects.aggregate(**{f"all_{kind}": Sum(kind) for kind in TeamStorage.KINDS})
    return {kind: sums[f"all_{kind}"] or 0 for kind in TeamStorage.KINDS}

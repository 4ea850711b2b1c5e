"""How much a team may keep of its catalogue checks: feeds, their files, and the pictures in their reports."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Max, Sum

from upscaler.errors import PublicError
from upscaler.models import FeedCheck, Team
from upscaler.storage import team_room

FULL = "feed_quota"
"""The code of the refusal."""
REMOVE = "Remove a feed that you need no more, or ask your operator for more room."


@dataclass(frozen=True)
class Used:
    """What is kept."""

    feeds: int
    file_bytes: int
    pictures: int


def used(team: Team) -> Used:
    """What the team keeps now."""
    checks = FeedCheck.objects.filter(feed__team=team, feed__removed_at=None)
    # Checks of the same file share it.
    files = checks.exclude(file="").order_by().values("file").annotate(size=Max("file_size"))
    return Used(
        feeds=team.feeds.filter(removed_at=None).count(),
        file_bytes=sum(one["size"] for one in files),
        pictures=checks.aggregate(n=Sum("pictures"))["n"] or 0,
    )


def ensure_feed(team: Team) -> None:
    """Raise PublicError where the team has as many feeds as it may keep."""
    if used(team).feeds >= settings.FEEDS_PER_TEAM:
        raise PublicError(
            f"A team keeps {settings.FEEDS_PER_TEAM:,} feeds, and yours has as many. {REMOVE}",
            code="too_many_feeds",
        )


def ensure_file(team: Team, file_size: int) -> None:
    """Raise PublicError where there is no room for a feed's file of so many bytes, or for anything of the team's."""
    team_room.ensure_room(team.pk, file_size)
    kept = used(team).file_bytes
    if kept + file_size > settings.FEED_QUOTA_BYTES:
        raise PublicError(
            f"Your team keeps feeds of {kept / 1e6:,.0f} MB, and this one has {file_size / 1e6:,.1f} MB; the limit is "
            f"{settings.FEED_QUOTA_BYTES / 1e6:,.0f} MB for all. {REMOVE}",
            code=FULL,
        )


def room_for_pictures(team: Team) -> int:
    """How many more pictures the team's reports may have; 0 where there is no room."""
    return max(0, int(settings.FEED_QUOTA_PICTURES) - used(team).pictures)


def no_pictures(after_row: int = 0) -> PublicError:
    """What is said where there is no room for more of them; the rows until ``after_row`` are kept."""
    ends = f"The report ends after row {after_row:,} of the feed. " if after_row else ""
    return PublicError(
        f"{ends}Your team’s reports may have {settings.FEED_QUOTA_PICTURES:,} pictures in all, and there is no room "
        f"for more. {REMOVE}",
        code=FULL,
    )

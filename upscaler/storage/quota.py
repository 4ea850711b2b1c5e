"""How much a team may upload without ordering it: files cost nothing until then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import CharField, Min, QuerySet, Sum
from django.utils import timezone

from upscaler.errors import PublicError
from upscaler.models import Team, UnorderedUpload
from upscaler.models.prepared import Change, Place, PreparedChange
from upscaler.storage import team_room
from upscaler.storage.pictures import StoredPicture
from upscaler.text import format_datetime

FULL = "upload_quota"
"""The code of the refusal."""
CODES = (FULL, team_room.FULL)
"""Of all that `ensure_room` refuses with."""
DAY = timedelta(days=1)


def ensure_room(team_id: int, file_size: int) -> None:
    """Raise PublicError where the team may not upload ``file_size`` bytes now: `FULL`, or the code of `team_room`."""
    team_room.ensure_room(team_id, file_size)
    used = _recent(team_id).aggregate(used=Sum("file_size"))["used"] or 0
    if used + file_size <= settings.UPLOAD_QUOTA_BYTES:
        return
    raise PublicError(
        f"In the last 24 hours your team has uploaded {used / 1e6:,.0f} MB that nobody has ordered; the limit is "
        f"{settings.UPLOAD_QUOTA_BYTES / 1e6:,.0f} MB. Order some of it, or go on after "
        f"{format_datetime(opens_at(team_id))}, when the first of it counts no more.",
        code=FULL,
    )


def note(team_id: int, stored: StoredPicture) -> None:
    """Count an upload, in a transaction that ends soon. Raises PublicError as `ensure_room` does."""
    # The team's lock: two uploads at once would both find the last room.
    Team.objects.select_for_update(no_key=True).get(pk=team_id)
    ensure_room(team_id, stored.file_size)
    UnorderedUpload.objects.create(team_id=team_id, path=stored.path, file_size=stored.file_size)


def forget(paths: Iterable[str]) -> None:
    """What is ordered or gone counts no more."""
    gone = set(paths)
    if len(gone) == 1:
        FORGET.run(path=gone.pop())
    else:
        UnorderedUpload.objects.filter(path__in=gone).delete()


FORGET = PreparedChange(lambda: Change(UnorderedUpload.objects.filter(path=Place("path", CharField())), None))


def opens_at(team_id: int) -> datetime:
    """When the oldest upload that counts will count no more."""
    return (_recent(team_id).aggregate(oldest=Min("created_at"))["oldest"] or timezone.now()) + DAY


def _recent(team_id: int) -> QuerySet[UnorderedUpload]:
    return UnorderedUpload.objects.filter(team_id=team_id, created_at__gt=timezone.now() - DAY)

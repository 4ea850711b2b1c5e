"""Deleting a whole team: first nobody gets in, then its rows go part by part with their files, then the team itself.

Whatever interrupts it, the same call again goes on. `storage.cleanup` finds a file whose row is gone at the latest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from upscaler.accounts import people
from upscaler.errors import PublicError
from upscaler.models import (
    ApiToken,
    AuditEvent,
    Batch,
    ChannelFile,
    CreditEntry,
    DraftItem,
    Erasure,
    Feed,
    FeedCheck,
    FeedPicture,
    FidelityCheck,
    Invitation,
    Membership,
    ShareLink,
    Team,
    UnorderedUpload,
    Upscale,
    WatchedFolder,
    WebhookEndpoint,
)
from upscaler.storage import stored_files, tiles
from upscaler.storage.cleanup import THUMBNAILS, named

logger = logging.getLogger(__name__)

SLICE = 200
"""Upscales of one transaction."""
DOORS: tuple[Any, ...] = (ApiToken, Membership, Invitation, ShareLink, WatchedFolder, WebhookEndpoint)
"""What lets somebody or something order for the team or see what it has."""


def find(slug: str) -> Team:
    """The team with this slug. Raises PublicError where there is none."""
    team = Team.objects.filter(slug=slug).first()
    if team is None:
        raise PublicError(f"There is no team {slug!r}.", code="not_found")
    return team


def counts(team: Team) -> dict[str, int]:
    """How much of the team there is."""
    return {
        "people": team.memberships.count(),
        "upscales": Upscale.objects.filter(team=team).count(),
        "batches": Batch.objects.filter(team=team).count(),
        "ledger entries": CreditEntry.objects.filter(team=team).count(),
        "events": AuditEvent.objects.filter(team=team).count(),
        "credits left": team.balance,
    }


def delete(team: Team, *, by: Any = None, how: str) -> dict[str, int]:
    """Delete the team with all its rows and files. Returns how much there was, and how many files went.

    Raises PublicError with the code ``under_way`` where upscales have not ended: nothing is deleted then.
    """
    told = counts(team)
    with transaction.atomic():
        people.lock(team.pk)
        if Upscale.objects.open().filter(team=team).exists():
            raise PublicError(
                f"{team.name} has upscales under way, so nothing was deleted. Wait for their end, or cancel them.",
                code="under_way",
            )
        for doors in DOORS:
            doors.objects.filter(team=team).delete()
    files = 0
    while part := list(Upscale.objects.filter(team=team).order_by("-pk")[:SLICE]):
        files += _delete_upscales(team, part)
    files += _delete_rest(team)
    told["files"] = files
    logger.info("team %s deleted: %s", team.pk, told)
    with transaction.atomic():
        Erasure.objects.create(kind=Erasure.Kind.TEAM, number=team.pk, counts=told, by=by, how=how)
        AuditEvent.objects.filter(team=team).erase()
        Team.objects.get(pk=team.pk).delete()
    return told


def _delete_upscales(team: Team, part: list[Upscale]) -> int:
    pictures = {
        getattr(row, picture).name: getattr(row, thumbnail).name
        for row in part
        for picture, thumbnail in THUMBNAILS.items()
    }
    others = {getattr(row, field).name for row in part for field in ("before_preview", "after_preview")}
    others |= set(ChannelFile.objects.filter(upscale__in=part).values_list("file", flat=True))
    others |= set(FidelityCheck.objects.filter(upscale__in=part).values_list("heat_map", flat=True))
    with transaction.atomic():
        people.lock(team.pk)
        # So that what was made of an earlier result holds none of them back.
        mine = Upscale.objects.filter(Q(pk__in=[row.pk for row in part]) | Q(source_result__in=part), team=team)
        mine.update(source_result=None, deleted_at=timezone.now())
        CreditEntry.objects.filter(upscale__in=part).erase()
        Upscale.objects.filter(pk__in=[row.pk for row in part]).delete()
    return _remove(pictures, others)


def _delete_rest(team: Team) -> int:
    pictures = dict.fromkeys(UnorderedUpload.objects.filter(team=team).values_list("path", flat=True), "")
    # What is in a draft is no order either, and its thumbnail is known.
    pictures |= dict(DraftItem.objects.filter(batch__team=team).values_list("file", "thumbnail"))
    others = set(FeedCheck.objects.filter(feed__team=team).values_list("file", flat=True))
    with transaction.atomic():
        people.lock(team.pk)
        CreditEntry.objects.filter(team=team).erase()
        Batch.objects.filter(team=team).delete()
        UnorderedUpload.objects.filter(team=team).delete()
        FeedPicture.objects.filter(check_of__feed__team=team).delete()
        Feed.objects.filter(team=team).delete()
    return _remove(pictures, others)


def _remove(pictures: Mapping[str, str], others: Iterable[str]) -> int:
    """Delete stored pictures with their thumbnails, but those that an upscale or a draft still names, and ``others``.
    Returns how many files."""
    unneeded = sorted(set(pictures) - named(pictures) - {""})
    going = {*unneeded, *(pictures[path] for path in unneeded), *others} - {""}
    left = stored_files.remove(going)
    tiles.forget(unneeded)
    return len(going) - len(left)

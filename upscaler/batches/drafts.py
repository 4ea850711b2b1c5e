"""Drafts: what somebody has chosen for a team and not ordered yet. Each person has one for each of their teams.

Whatever changes a draft does it under the team's lock, as ordering does. So nothing is put into a draft, or taken from
it, while it becomes a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils import timezone

from upscaler.models import Batch, DraftItem, Membership, Team
from upscaler.ordering.new_batches import DraftOrderedBefore
from upscaler.storage import draft_files

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


def usual_channels(team: Team, user: Any) -> list[str]:
    """Ids of the channels that the page begins with: what the draft is to go to, else what the person chose last."""
    draft = find_draft(team, user)
    if draft is not None and draft.channels:
        return list(draft.channels)
    ordered = Batch.objects.filter(team=team, created_by=user, token=None, ordered_at__isnull=False)
    last = ordered.order_by("-pk").values_list("channels", flat=True).first()
    return list(last or [])


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


def send_to(draft: Batch, channel_id: str) -> None:
    """Have the page begin with that channel, beside those that it would begin with for this draft already.

    Raises as `changing` does.
    """
    with changing(draft) as locked:
        if channel_id not in locked.channels:
            Batch.objects.filter(pk=locked.pk).update(channels=[*locked.channels, channel_id])


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
    draft_files.delete(gone)
    return [item.pk for item in gone]

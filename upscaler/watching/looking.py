"""A look at a watched folder: which versions of files are new, and which have stopped changing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.utils import timezone

from upscaler.models import WatchedFile
from upscaler.watching.holding import STEADY, Hold
from upscaler.watching.places import Found, Place

State = WatchedFile.State
GROUP = 500


def look(hold: Hold, place: Place) -> None:
    """Note what is there. A file that is the same at two looks, or that came whole, is next to be taken.

    Raises PublicError, Lost.
    """
    began, count = timezone.now(), 0
    for group in _groups(place.files()):
        hold.renew()
        count += len(group)
        _note(hold, place, group, began)
    # Changed or gone since: of a file that grows only the newest version counts.
    hold.folder.files.filter(state=State.SEEN, looked_at__lt=began).delete()
    hold.renew(looked_at=began, found=count)


def _groups(found: Iterable[Found]) -> Iterator[list[Found]]:
    waiting = iter(found)
    while group := list(islice(waiting, GROUP)):
        yield group


def _note(hold: Hold, place: Place, group: list[Found], began: Any) -> None:
    keys = {one.key: one for one in group}
    known = dict(hold.folder.files.filter(key__in=keys).values_list("key", "state"))
    seen = hold.folder.files.filter(key__in=[key for key, state in known.items() if state == State.SEEN])
    seen.filter(seen_at__lte=began - STEADY).update(state=State.READY)
    seen.filter(state=State.SEEN).update(looked_at=began)
    first = State.READY if place.is_whole_at_once else State.SEEN
    WatchedFile.objects.bulk_create(
        WatchedFile(
            folder=hold.folder,
            key=key,
            path=one.path,
            size=one.size,
            version=one.version,
            seen_at=began,
            looked_at=began,
            state=State.REFUSED if one.problem else first,
            problem=one.problem,
        )
        for key, one in keys.items()
        if key not in known
    )

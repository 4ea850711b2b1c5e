"""One step of a watched folder: put back what is ready, look what is new, take it, order it."""

from __future__ import annotations

import logging
import time

from upscaler import no_room
from upscaler.errors import PublicError
from upscaler.logs.context import about
from upscaler.models import WatchedFile
from upscaler.storage import quota
from upscaler.watching import batching, holding, looking, places, putting, taking
from upscaler.watching.holding import Hold, Lost
from upscaler.watching.places import Place

logger = logging.getLogger(__name__)

SLICE = 20.0
"""Seconds after which a folder with more to do lets the next one go first."""
STORAGE_TROUBLE = "The desk could not store a picture just now. It is tried again by itself."
OWN_FAULT = "The desk could not go on. It is tried again by itself; whoever runs the desk finds the reason in its log."
State = WatchedFile.State


def step(pk: int | None = None) -> bool:
    """Work on the folder that is next, or on the one of number ``pk``. False where none can be taken up."""
    hold = holding.claim(pk)
    if hold is None:
        return False
    try:
        with about(team_id=hold.folder.team_id):
            _work(hold)
    except Lost:
        logger.info("watched folder %s: it is another worker's now, or removed", hold.folder.pk)
    return True


def _work(hold: Hold) -> None:
    folder, problem, is_left, is_failure = hold.folder, "", False, True
    try:
        batching.settle(folder)
        with places.opened(folder) as place:
            is_left = putting.put_back(hold, place, time.monotonic() + SLICE / 2)
            if folder.off_since is None:
                is_left = _look_and_order(hold, place) or is_left
    except PublicError as error:
        problem, is_failure = error.message, error.code not in batching.WAITS
    except Lost:
        raise
    except OSError as error:
        doing = f"watched folder {folder.pk}: a picture could not be stored"
        problem = no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing=doing)
    except Exception:
        logger.exception("watched folder %s failed in passing", folder.pk)
        problem = OWN_FAULT
    if problem and problem != folder.problem:
        logger.info("watched folder %s: %s", folder.pk, problem)
    failures = folder.failures + 1 if problem and is_failure else 0
    is_unsteady = folder.files.filter(state=State.SEEN).exists()
    due_at = holding.next_look(is_left=is_left, is_unsteady=is_unsteady, failures=failures)
    hold.release(due_at, problem=problem, failures=failures)


def _look_and_order(hold: Hold, place: Place) -> bool:
    """Whether some of what was found is still to be taken. What one look finds becomes one batch."""
    if not hold.folder.files.filter(state=State.READY).exists():
        looking.look(hold, place)
    try:
        if taking.take(hold, place, time.monotonic() + SLICE / 2):
            return True
    except PublicError as trouble:
        # What the draft holds counts in the quota until it is ordered, and does not wait for a file that can't be read.
        is_ordered = batching.order(hold)
        if trouble.code not in quota.CODES or not is_ordered:
            raise
        return True
    batching.order(hold)
    return bool(hold.folder.files.filter(state=State.READY).exists())

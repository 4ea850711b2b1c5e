"""Checks results for faithfulness, after they are done and when no picture waits for the processors.

The row is the truth: a message only wakes a worker, and a worker that dies is replaced once its lease has run out.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from upscaler import fidelity
from upscaler.errors import PublicError
from upscaler.logs.context import about
from upscaler.models import FidelityCheck, Upscale, media_storage
from upscaler.review import decisions
from upscaler.storage import room, stored_files
from upscaler.storage.cleanup import WORK_PREFIX

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
"""Many times longer than the largest picture takes."""
MAX_ATTEMPTS = 3
PATIENCE = timedelta(minutes=10)
"""For which a check lets pictures that wait go first."""
FOLDER = "heat-maps"
GONE = "The source or the result is not kept any more, so they can’t be compared."
BROKE = "The check stopped several times before it could end. Compare the two by eye."


def request(upscale: Upscale) -> None:
    """Have a result checked. Call it for one that was never checked."""
    FidelityCheck.objects.get_or_create(upscale=upscale)


def note_done(upscale: Upscale) -> None:
    """Have a new result checked, unless FIDELITY_CHECKS says no. Call it in the transaction that makes it."""
    if settings.FIDELITY_CHECKS and not upscale.is_only_fitted:
        request(upscale)


def waiting(*, may_wait: bool) -> QuerySet[FidelityCheck]:
    """Checks that a worker may take up now, the oldest first; with ``may_wait`` those alone that waited long enough."""
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    found = FidelityCheck.objects.filter(free, checked_at=None)
    if may_wait:
        found = found.filter(created_at__lt=now - PATIENCE)
    return found.order_by("created_at", "pk")


def step(*, may_wait: bool) -> bool:
    """Check the result that is next. False where none is. ``may_wait``: whether pictures wait to be enlarged."""
    check = _claim(may_wait=may_wait)
    if check is None:
        return False
    if check.attempts > MAX_ATTEMPTS:
        _end(check, problem=BROKE)
        return True
    with about(upscale_id=check.upscale_id, team_id=check.upscale.team_id):
        _try(check)
    return True


def _try(check: FidelityCheck) -> None:
    began = time.monotonic()
    try:
        _check(check, began)
    except PublicError as error:
        if error.permanent:
            _end(check, problem=error.message[:300])
        else:
            logger.info("upscale %s: it can't be checked now: %s", check.upscale_id, error.message)
    except FileNotFoundError:
        _end(check, problem=GONE)
    except Exception as error:
        if room.refusal_of(error) is not None:
            # No fault of the result's, so no attempt at it.
            FidelityCheck.objects.filter(pk=check.pk, lease_until=check.lease_until).update(attempts=F("attempts") - 1)
            return
        # The lease runs out, and then it is tried again.
        logger.exception("upscale %s: the check of its result failed", check.upscale_id)


def _claim(*, may_wait: bool) -> FidelityCheck | None:
    for check in waiting(may_wait=may_wait).select_related("upscale")[:5]:
        lease = timezone.now() + LEASE
        # Another worker may have been quicker.
        mine = FidelityCheck.objects.filter(pk=check.pk, checked_at=None, lease_until=check.lease_until)
        if mine.update(lease_until=lease, attempts=F("attempts") + 1):
            check.lease_until, check.attempts = lease, check.attempts + 1
            return check
    return None


def _check(check: FidelityCheck, began: float) -> None:
    upscale = check.upscale
    if not (upscale.gives_result and upscale.gives_source and upscale.source_file):
        _end(check, problem=GONE)
        return
    with tempfile.TemporaryDirectory(prefix=WORK_PREFIX) as folder:
        source, result = Path(folder, "source"), Path(folder, "result")
        heat_map = Path(folder, "heat-map.png")
        for name, path in ((upscale.source_file.name, source), (upscale.result_file.name, result)):
            _download(str(name), path)
        verdict = fidelity.check(source, result, heat_map=heat_map)
        stored, size = "", 0
        if verdict.verdict == fidelity.LOOK:
            size = heat_map.stat().st_size
            with heat_map.open("rb") as file:
                stored = media_storage().save(f"{FOLDER}/{timezone.now():%Y/%m}/{uuid.uuid4().hex}.png", File(file))
    ended = _end(
        check,
        size,
        verdict=verdict.verdict,
        reasons=list(verdict.reasons),
        report=verdict.as_json(),
        heat_map=stored,
        seconds=time.monotonic() - began,
    )
    if not ended and stored:
        stored_files.remove([stored])
    logger.info("upscale %s: %s", upscale.pk, verdict.words)


def _end(check: FidelityCheck, heat_map_bytes: int = 0, **values: Any) -> bool:
    """Write the check's end, unless another worker has it by now, or its result was deleted meanwhile."""
    with transaction.atomic():
        mine = FidelityCheck.objects.filter(pk=check.pk, checked_at=None, lease_until=check.lease_until)
        if values.get("heat_map"):
            # Whoever removes the files of a deleted one does not come back for this one.
            mine = mine.filter(upscale__deleted_at=None)
        if not mine.update(checked_at=timezone.now(), lease_until=None, **values):
            return False
        if values.get("verdict") == fidelity.FAITHFUL:
            decisions.note_faithful(check.upscale_id)
        if values.get("heat_map"):
            stored_files.note(check.upscale.team_id, {values["heat_map"]: heat_map_bytes})
        return True


def _download(name: str, path: Path) -> None:
    with media_storage().open(name) as stored, path.open("wb") as file:
        shutil.copyfileobj(stored, file)

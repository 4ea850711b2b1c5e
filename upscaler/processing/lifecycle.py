"""Every change of an upscale's status. Each is one conditional update, so that a stale worker writes nothing.

A worker claims an upscale for ``LEASE_SECONDS`` and keeps the lease alive while it works. The claim counts up
``attempt``; whoever holds an older number has lost it, and none of its writes match any row.
"""

from __future__ import annotations

import logging
import threading
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from upscaler import credits, no_room, usage
from upscaler.accounts import audit_log
from upscaler.channels import due
from upscaler.models import Team, Upscale
from upscaler.models.upscale_queries import CANCELLED_CODE, UpscaleQuerySet
from upscaler.processing import batch_end, fidelity_checks, ranks
from upscaler.review import decisions
from upscaler.storage import file_marks
from upscaler.webhooks import outbox as webhooks

logger = logging.getLogger(__name__)

FETCHING = "Fetching the picture"
"""What the row says while its source is being fetched."""
FETCH_PAUSE = 1.0
"""Seconds after which one that another worker of its team was ahead of asks again."""
GAVE_UP = (
    "The work on this picture stopped {failures} times before it could end, so we gave up. Try again; if it stops "
    "again, the picture itself may be the reason: save it anew from the program it came from."
)


CANCELLED = "{name} cancelled this before the work on it had begun."
CANCELLED_AT_ONCE = 500
TRIES_FOR_ROOM = 36
"""So often a full storage is met before the upscale ends: some five hours."""
ONLY_FITTED = "Large enough for its shops: only fitted"
"""The note of a refund."""


class ClaimLost(Exception):
    """Another worker has the upscale now, or it has ended."""


def _lease() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)


def claim(upscale_id: int) -> Upscale | None:
    """Take the upscale for this worker; None where it has ended, another worker holds it, or it is not due yet.

    A lease that ran out means that its worker died: that counts as a failure, so that a picture which kills
    its worker ends in Error after ``MAX_FAILURES`` and not never.
    """
    with transaction.atomic():
        upscale = mark_claimed(upscale_id)
    return None if upscale is None or gave_up(upscale) else upscale


def mark_claimed(upscale_id: int) -> Upscale | None:
    """The claim alone, inside the caller's transaction; `gave_up` is to be asked after it."""
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    # A wake-up too many must not cut a pause short, or each would bring the next step forward.
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    claimed = (
        Upscale.objects.open()
        .filter(free, due, pk=upscale_id)
        .update(
            status=Upscale.Status.ONGOING,
            attempt=F("attempt") + 1,
            failures=Case(
                # Whoever died with it died of something else than the storage: that is counted by itself.
                When(lease_until__isnull=False, error_code__in=no_room.CODES, then=Value(1)),
                When(lease_until__isnull=False, then=F("failures") + 1),
                default=F("failures"),
                output_field=IntegerField(),
            ),
            error_code=Case(When(lease_until__isnull=False, then=Value("")), default=F("error_code")),
            lease_until=now + _lease(),
            not_before=None,
            started_at=Coalesce("started_at", Value(now)),
            updated_at=now,
        )
    )
    if not claimed:
        return None
    return Upscale.objects.select_related("team", "handover").get(pk=upscale_id)


def most_failures(upscale: Upscale) -> int:
    """With how many failures in a row an upscale is given up: one that has met a full storage waits for hours."""
    return TRIES_FOR_ROOM if upscale.error_code in no_room.CODES else settings.MAX_FAILURES


def gave_up(upscale: Upscale) -> bool:
    """End a claimed upscale that failed `most_failures` times already. Whether it was one. Raises ClaimLost."""
    if upscale.failures < most_failures(upscale):
        return False
    fail(upscale, message=GAVE_UP.format(failures=upscale.failures), code="gave_up")
    return True


def _held(upscale: Upscale) -> QuerySet[Upscale]:
    """The row, as long as this attempt still holds it."""
    return Upscale.objects.filter(
        pk=upscale.pk, attempt=upscale.attempt, status=Upscale.Status.ONGOING, lease_until__isnull=False
    )


def _write(upscale: Upscale, **values: Any) -> None:
    if not _held(upscale).update(updated_at=timezone.now(), **values):
        raise ClaimLost(upscale.pk)
    for name, value in values.items():
        setattr(upscale, name, value)


def progress(upscale: Upscale, fraction: float, text: str) -> None:
    """Write how far the work is; ``fraction`` from 0 to 1. Raises ClaimLost."""
    _write(upscale, progress=min(max(fraction, 0.0), 1.0), progress_text=text[:100])


def wait_to_fetch(upscale: Upscale) -> float | None:
    """Begin to fetch the claimed upscale's source, unless ``FETCHES_PER_TEAM`` of its team are being fetched already.

    None where it begins; else the seconds after which to ask again: a host that keeps its callers waiting must not
    hold every team's downloads. Raises ClaimLost.
    """
    team = Upscale.objects.filter(team=upscale.team_id)
    with transaction.atomic():
        # The lock: of two that begin at once, the second sees the first.
        Team.objects.select_for_update(no_key=True).get(pk=upscale.team_id)
        fetched_now = team.filter(
            status=Upscale.Status.ONGOING, source_file="", lease_until__gt=timezone.now(), progress_text=FETCHING
        )
        if fetched_now.exclude(pk=upscale.pk).count() < settings.FETCHES_PER_TEAM:
            progress(upscale, 0.0, FETCHING)
            return None
    return FETCH_PAUSE


def record(upscale: Upscale, **values: Any) -> None:
    """Write what was learnt on the way: the fetched source, the engine's id. Raises ClaimLost."""
    _write(upscale, **values)


def release(upscale: Upscale, *, due_in: float, failures: int | None = None, **values: Any) -> None:
    """Let the upscale go until its next step, which is due in ``due_in`` seconds. Raises ClaimLost.

    ``failures``: how many there are in a row now, where that has changed. ``error_code`` only where it waits, or has
    waited, for room in the storage (`no_room`): `most_failures` goes by it.
    """
    not_before = timezone.now() + timedelta(seconds=due_in)
    if upscale.error_code and "error_code" not in values:
        # It got on, so there is room again.
        values["error_code"], failures = "", failures or 0
    failures = upscale.failures if failures is None else failures
    values |= ranks.moved(upscale)
    _write(upscale, lease_until=None, not_before=not_before, failures=failures, **values)


def follow_now(upscale_id: int) -> bool:
    """End the pause of an open upscale that a remote engine has, and that no worker holds. Whether there was one."""
    now = timezone.now()
    waits = Upscale.objects.open().filter(
        pk=upscale_id, lease_until__isnull=True, engine_id__isnull=False, not_before__gt=now
    )
    return waits.update(not_before=now, updated_at=now) == 1


def finish(upscale: Upscale, **result: Any) -> None:
    """Done: the result's files are stored, the row says so and is counted. Raises ClaimLost.

    What was only fitted costs nothing: whatever was charged, before its size was known, goes back.
    """
    with transaction.atomic():
        _write(
            upscale,
            status=Upscale.Status.DONE,
            progress=1.0,
            progress_text="",
            error_code="",
            completed_at=timezone.now(),
            lease_until=None,
            rank=None,
            **decisions.at_end(upscale),
            **result,
        )
        if upscale.is_only_fitted:
            credits.refund([upscale], note=ONLY_FITTED)
        usage.count([upscale])
        webhooks.note_upscales([upscale])
        fidelity_checks.note_done(upscale)
        if name := result.get("result_file"):
            file_marks.note(upscale.pk, name)
        batch_end.note(upscale.batch_id)
        due.note_result(upscale.batch_id)
    logger.info("upscale %s: done in attempt %s", upscale.pk, upscale.attempt)


def fail(upscale: Upscale, *, message: str, code: str) -> None:
    """Error: the reason is kept for people and the price goes back, both or neither. Raises ClaimLost."""
    with transaction.atomic():
        _write(
            upscale,
            status=Upscale.Status.ERROR,
            progress_text="",
            error_message=message,
            error_code=code,
            completed_at=timezone.now(),
            lease_until=None,
            rank=None,
        )
        credits.refund([upscale], note=f"Upscale {upscale.pk} failed")
        usage.count([upscale])
        webhooks.note_upscales([upscale])
        batch_end.note(upscale.batch_id)
    logger.info("upscale %s: failed in attempt %s (%s), refunded", upscale.pk, upscale.attempt, code)


def cancel(upscales: UpscaleQuerySet, *, by: Any) -> list[Upscale]:
    """End those of one team's upscales on which no work has begun, and give their price back. Returns them.

    What a worker or a remote engine has in hand goes on.
    """
    cancelled: list[Upscale] = []
    while True:
        with transaction.atomic():
            # Fetched, but not begun, is Ongoing too.
            idle = Q(lease_until__isnull=True, handed_over_at__isnull=True, engine_id__isnull=True)
            # Not the key: whoever names one of them under the team's lock, as drafts do, must not wait for this, which
            # waits for that lock.
            rows = upscales.open().filter(idle).select_for_update(of=("self",), no_key=True).order_by("pk")
            some = list(rows[:CANCELLED_AT_ONCE])
            if not some:
                return cancelled
            now = timezone.now()
            Upscale.objects.filter(pk__in=[upscale.pk for upscale in some]).update(
                status=Upscale.Status.ERROR,
                progress_text="",
                error_message=CANCELLED.format(name=audit_log.name_of(by)),
                error_code=CANCELLED_CODE,
                completed_at=now,
                updated_at=now,
                not_before=None,
                rank=None,
            )
            credits.refund(some, note="Cancelled before it had begun", by=by)
            usage.count(some)
            webhooks.note_upscales(
                list(Upscale.objects.filter(pk__in=[one.pk for one in some]).select_related("batch"))
            )
            for batch_id in {upscale.batch_id for upscale in some}:
                batch_end.note(batch_id)
        cancelled += some


class Heartbeat:
    """Keeps a claim's lease alive in a thread of its own while the ``with`` block works.

    ``lost`` becomes true once the claim is gone; the work then stops at its next report.
    """

    def __init__(self, upscale: Upscale) -> None:
        self._upscale = upscale
        self._stop = threading.Event()
        # With the numbers that this thread's lines carry.
        beat = partial(copy_context().run, self._beat)
        self._thread = threading.Thread(target=beat, name=f"heartbeat-{upscale.pk}", daemon=True)
        self.lost = False

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(settings.LEASE_SECONDS / 3):
            try:
                # By hand and not through `_write`: that would change the row object of the working thread.
                self.lost = not _held(self._upscale).update(lease_until=timezone.now() + _lease())
            except (DatabaseError, InterfaceError):
                # It may answer again at the next beat. If not, the lease runs out and another worker takes over.
                logger.exception("upscale %s: the lease could not be renewed", self._upscale.pk)
                connection.close()
            if self.lost:
                break
        connection.close()

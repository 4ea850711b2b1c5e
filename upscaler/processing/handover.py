"""Handing an upscale to an engine on somebody else's machines: once, within limits, and never into the dark.

The row says that a hand-over may have happened before anything is sent, and says the engine's id as soon as it
answers. Between the two the fate of the call is unknown, whatever happened to the worker: the engine's own list is
then searched before anything is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, Order, RemoteEngine
from upscaler.errors import PublicError
from upscaler.models import EngineState, Handover, Upscale
from upscaler.processing import circuit_breaker, lifecycle
from upscaler.processing.circuit_breaker import Pause
from upscaler.processing.source_reference import reference_for
from upscaler.text import format_clock

logger = logging.getLogger(__name__)

SLOT_PAUSE = 1.0
"""Seconds after which one that took a slot for free, and was not the first, may be picked again."""
FIRST_LOOK = 5.0
LOOK_PAUSE = 10.0
LOOKING = "Asking {engine} whether it has the picture"
AGAIN = "{engine}’s picture can’t be had yet; tried until {until}"
TURN = "Waiting for its turn at {engine}"
FIRST_AGAIN = 5.0
MAX_AGAIN_PAUSE = 120.0
MAX_DOUBT = timedelta(minutes=10)
"""For how long a doubtful answer is asked for again."""
UNANSWERED: dict[str, Any] = {"lost_at": None, "followed_since": None, "silent_since": None}
"""What is known of an order that was not sent yet."""
NOT_TAKEN = (
    "We sent your picture to {engine} {times}, and {engine} does not have it. Nothing is wrong with the picture: try "
    "again later."
)
ID_TAKEN = (
    "{engine} gave us the number of another order. Tell the admin of your desk: the desk’s account at {engine} may "
    "have been changed."
)
NOT_OFFERED = (
    "{engine} does not offer {model} on this desk any more, and no other model is taken in its place. Order it anew "
    "with {offered}."
)
OUTAGE = "{engine} did not take work for {hours:.1f} hours, so we gave up. Try again once it does."


def handover_of(upscale: Upscale) -> Handover:
    """What is known of the upscale's hand-over; an empty one, that is stored nowhere, before the first."""
    return upscale.handover if hasattr(upscale, "handover") else Handover(upscale=upscale)


def _record(upscale: Upscale, *, of_upscale: Mapping[str, Any] | None = None, **values: Any) -> None:
    """Write what was learnt of the hand-over, and ``of_upscale`` with it. Raises ClaimLost."""
    with transaction.atomic():
        # First the upscale's row, though nothing of it changes yet: that this worker still holds it is proved there,
        # and whoever claims it next has to wait until the rest is written too.
        lifecycle.record(upscale)
        if not Handover.objects.filter(pk=upscale.pk).update(**values):
            Handover.objects.create(pk=upscale.pk, **values)
        if of_upscale:
            lifecycle.record(upscale, **of_upscale)
    known = handover_of(upscale)
    for name, value in values.items():
        setattr(known, name, value)


def hand_over(upscale: Upscale, engine: RemoteEngine, order: Order) -> Order:
    """Make sure that the engine has the job, once. Returns the order with the engine's id.

    Raises EngineError, Pause and lifecycle.ClaimLost.
    """
    known = handover_of(upscale)
    if upscale.handed_over_at is not None:
        order = replace(
            order,
            reference=known.reference,
            handed_over_at=upscale.handed_over_at,
            taken=_taken(upscale),
            is_named=_is_named(upscale),
        )
        asked_at = timezone.now()
        with watched(engine, upscale):
            found = engine.find_job(order)
        if found is not None:
            logger.info("upscale %s: %s has it already, as %s", upscale.pk, engine.name, found)
            return _with_id(upscale, engine, order, found)
        # A worker that died in the middle of its call could not say when that ended.
        ended_at = known.lost_at or upscale.handed_over_at + engine.limits.call_time
        left = ended_at + engine.limits.settle_time - asked_at
        if left > timedelta(0):
            raise Pause(min(left.total_seconds(), LOOK_PAUSE), LOOKING.format(engine=engine.title))
        if "generation_result_id" in order.reference:
            # The engine may have dropped it meanwhile.
            order = replace(order, reference=reference_for(upscale, engine))
        # While no orders are taken at all, one more lost is no failure of this upscale.
        if circuit_breaker.takes_orders(engine):
            _count_lost_call(upscale, engine)
    else:
        order = replace(order, reference=reference_for(upscale, engine))
    if order.model_name not in engine.model_names:
        # Ordered before the desk was set up otherwise.
        message = NOT_OFFERED.format(
            engine=engine.title, model=upscale.model.title, offered=" or ".join(engine.model_names)
        )
        raise EngineError(message, code=f"{engine.name}_model", permanent=True)
    _take_slot(upscale, engine, order)
    order = replace(order, handed_over_at=upscale.handed_over_at)
    try:
        with watched(engine, takes_work=True):
            _record(upscale, submit_count=known.submit_count + 1)
            engine_id = engine.start(order)
    except EngineError as error:
        raise _after_failed_start(upscale, engine, error) from error
    except Pause as pause:
        if isinstance(pause.__cause__, EngineError):
            outcome = _after_failed_start(upscale, engine, pause.__cause__)
            # It is looked for first: else the outage's end could be the end of a job that the engine has.
            if isinstance(outcome, Pause):
                raise outcome from pause
        else:
            # Nothing was sent: the engine turned out to be down at the last moment.
            _is_not_handed_over(upscale)
        raise
    return _with_id(upscale, engine, order, engine_id)


def _after_failed_start(upscale: Upscale, engine: RemoteEngine, error: EngineError) -> Exception:
    """Note what a failed hand-over means, and give what to raise."""
    if not error.maybe_taken:
        # Without any answer, and not taken for certain: it never left.
        submit_count = handover_of(upscale).submit_count
        _is_not_handed_over(upscale, submit_count=submit_count - 1 if error.unavailable else submit_count)
        return error
    # It counts as a failure only once it is certain that the call was lost: an upscale must not end, and be
    # refunded, while the engine may be working on it.
    _record(upscale, lost_at=timezone.now())
    logger.warning("upscale %s: %s, the engine may have it all the same", upscale.pk, error.code)
    return Pause(FIRST_LOOK, LOOKING.format(engine=engine.title))


def _is_not_handed_over(upscale: Upscale, **values: Any) -> None:
    _record(upscale, of_upscale={"handed_over_at": None}, reference={}, **UNANSWERED, **values)


def _count_lost_call(upscale: Upscale, engine: RemoteEngine) -> None:
    """A hand-over never arrived. Raises EngineError where that was the last try."""
    failures = upscale.failures + 1
    if failures >= settings.MAX_FAILURES:
        # What was sent stays noted: should it arrive after all, it is still told apart from other programs' work.
        submit_count = handover_of(upscale).submit_count
        times = f"{submit_count} times" if submit_count > 1 else "once"
        message = NOT_TAKEN.format(engine=engine.title, times=times)
        raise EngineError(message, code=f"{engine.name}_not_taken", permanent=True)
    logger.warning("upscale %s: %s never got it, it is sent again", upscale.pk, engine.name)
    lifecycle.record(upscale, failures=failures)


@contextmanager
def watched(engine: RemoteEngine, handed_over: Upscale | None = None, *, takes_work: bool = False) -> Iterator[None]:
    """Around each call of the engine: learn from how it ends.

    ``handed_over``: the upscale that the question is about, which the engine may have. Raises Pause in place of an
    error that only waiting cures.
    """
    try:
        circuit_breaker.let_through(engine, takes_work=takes_work)
    except Pause as refusal:
        _is_silent(handed_over)
        _counts_from_silence(refusal, handed_over)
        raise
    try:
        yield
    except EngineError as error:
        pause = None
        if error.unavailable:
            _is_silent(handed_over)
            pause = circuit_breaker.did_not_answer(engine, error.retry_after)
            if takes_work:
                pause = circuit_breaker.did_not_answer(engine, error.retry_after, of_orders=True) or pause
            if pause is None and handed_over is not None:
                # However seldom it answers: that it does not is no failure of a job that it may have.
                pause = Pause(LOOK_PAUSE, circuit_breaker.waiting_text(engine))
        elif error.retry_after is not None:
            _is_silent(handed_over)
            pause = circuit_breaker.asked_to_wait(engine, error.retry_after)
        else:
            _is_heard(handed_over)
            circuit_breaker.answered(engine, took_work=False)
            if takes_work:
                circuit_breaker.answered(engine, took_work=False, of_orders=True)
        if pause is not None:
            _counts_from_silence(pause, handed_over)
            raise pause from error
        raise
    _is_heard(handed_over)
    circuit_breaker.answered(engine, took_work=takes_work)
    if takes_work:
        circuit_breaker.answered(engine, took_work=True, of_orders=True)


def _is_silent(upscale: Upscale | None) -> None:
    if upscale is not None and handover_of(upscale).silent_since is None:
        _record(upscale, silent_since=timezone.now())


def _counts_from_silence(pause: Pause, upscale: Upscale | None) -> None:
    """The engine may answer others: each time it does, its own trouble begins anew, and that of this upscale lasts."""
    if upscale is not None and (silent_since := handover_of(upscale).silent_since) is not None:
        pause.since = min(pause.since or silent_since, silent_since)


def _is_heard(upscale: Upscale | None) -> None:
    if upscale is not None and handover_of(upscale).silent_since is not None:
        _record(upscale, followed_since=followed_since(upscale), silent_since=None)


def followed_since(upscale: Upscale) -> datetime | None:
    """Since when the engine's time for the job counts: moved on by the time in which it does not answer."""
    known = handover_of(upscale)
    since = known.followed_since or upscale.handed_over_at
    if since is None or known.silent_since is None:
        return since
    return since + (timezone.now() - known.silent_since)


def is_made(upscale: Upscale) -> None:
    """The engine has done the job: its slot is free, though the picture is not here yet."""
    if handover_of(upscale).made_at is None:
        _record(upscale, made_at=timezone.now())


def ask_how_it_is(engine: RemoteEngine, *, every: timedelta) -> None:
    """One free call, by one caller of all in each ``every``; what it finds is kept in `circuit_breaker.last_found`."""
    if not circuit_breaker.may_ask(engine, every):
        return
    try:
        circuit_breaker.let_through(engine)
        engine.reach()
    except Pause:
        return
    except EngineError as error:
        logger.warning("%s: %s", engine.name, error.message)
        if error.unavailable:
            circuit_breaker.did_not_answer(engine, error.retry_after)
        elif error.retry_after is not None:
            circuit_breaker.asked_to_wait(engine, error.retry_after)
        # Whatever else it answers, as to a wrong key, is no sign that those who wait can go on.
        circuit_breaker.found(engine, error.message, passes=not error.permanent)
    else:
        circuit_breaker.answered(engine, took_work=False)
        circuit_breaker.found(engine, "", passes=False)


def ask_on(upscale: Upscale, error: PublicError) -> Pause | None:
    """What to wait for after a passing fault, instead of counting it: the engine has the job, or may have it.

    None where it has not, or where that has been going on for too long.
    """
    engine = get_engine(upscale.engine)
    since = followed_since(upscale)
    if since is None or not isinstance(engine, RemoteEngine):
        return None
    since = max(since, handover_of(upscale).made_at or since)
    limit = engine.limits.job_time
    if isinstance(error, EngineError) and error.doubtful:
        limit = min(limit, MAX_DOUBT)
    elapsed = timezone.now() - since
    if elapsed > limit:
        return None
    until = format_clock(since + limit)
    pause = min(max(FIRST_AGAIN, elapsed.total_seconds() / 4), MAX_AGAIN_PAUSE)
    return Pause(pause, AGAIN.format(engine=engine.title, until=until))


def outage_of(upscale: Upscale, pause: Pause) -> EngineError | None:
    """The error with which this upscale ends where the engine has been in trouble for too long; else None."""
    engine = get_engine(upscale.engine)
    if pause.since is None or not isinstance(engine, RemoteEngine):
        return None
    limit = engine.limits.outage_time
    if timezone.now() - max(pause.since, upscale.created_at) <= limit:
        return None
    message = OUTAGE.format(engine=engine.title, hours=limit / timedelta(hours=1))
    return EngineError(message, code=f"{engine.name}_outage", permanent=True)


def free_slots(engine: RemoteEngine) -> int:
    """How many further orders may be begun now; none while the engine is known to be away or busy.

    While there is none, no worker takes up what waits for the engine, and whoever ranks first begins once there is.
    """
    if not circuit_breaker.may_order(engine):
        return 0
    # A worker has it, and may be about to send it.
    begun = Upscale.objects.filter(
        lane=engine.name, handed_over_at__isnull=True, lease_until__gt=timezone.now()
    ).count()
    return max(0, engine.limits.slots - begun - _in_flight(_open_at(engine)))


def _take_slot(upscale: Upscale, engine: RemoteEngine, order: Order) -> None:
    """Count the jobs in flight and mark this one as handed over, in one step.

    Raises Pause where all slots are taken.
    """
    EngineState.objects.get_or_create(pk=engine.name)
    with transaction.atomic():
        # The row is the lock: two workers that count at the same moment would both see the last free slot.
        EngineState.objects.select_for_update().get(pk=engine.name)
        others = _open_at(engine).exclude(pk=upscale.pk)
        # One that is sent again has its slot already: two such would wait for each other.
        if upscale.handed_over_at is None and _in_flight(others) >= engine.limits.slots:
            raise Pause(SLOT_PAUSE, TURN.format(engine=engine.title))
        now = {"handed_over_at": timezone.now()}
        _record(upscale, of_upscale=now, reference=dict(order.reference), **UNANSWERED)


def _open_at(engine: RemoteEngine) -> QuerySet[Upscale]:
    # By the rank, which only what has not ended has: SQLite has no index for a list of statuses.
    return Upscale.objects.filter(engine=engine.name, rank__gte=0)


def _in_flight(upscales: QuerySet[Upscale]) -> int:
    """How many of them the engine may be working on still."""
    # In two questions, each answered from few rows by an index: for one, PostgreSQL reads all hand-overs ever made.
    handed_over = list(upscales.filter(handed_over_at__isnull=False).values_list("pk", flat=True))
    return len(handed_over) - Handover.objects.filter(pk__in=handed_over, made_at__isnull=False).count()


def _with_id(upscale: Upscale, engine: RemoteEngine, order: Order, engine_id: str) -> Order:
    try:
        _record(upscale, of_upscale={"engine_id": engine_id}, followed_since=timezone.now(), silent_since=None)
    except IntegrityError:
        # Another upscale with the very same order may have looked for its own at that moment and found this one. The
        # next look finds the other's, or that there is none. Else the engine has it under a number of no use.
        holder = Upscale.objects.get(engine=upscale.engine, engine_id=engine_id)
        raise EngineError(
            ID_TAKEN.format(engine=engine.title),
            code=f"{engine.name}_id_taken",
            permanent=handover_of(holder).reference != handover_of(upscale).reference,
        ) from None
    return replace(order, engine_id=engine_id)


def _taken(upscale: Upscale) -> Any:
    def taken(engine_ids: Collection[str]) -> set[str]:
        others = Upscale.objects.filter(engine=upscale.engine, engine_id__in=engine_ids).exclude(pk=upscale.pk)
        return {engine_id for engine_id in others.values_list("engine_id", flat=True) if engine_id}

    return taken


def _is_named(upscale: Upscale) -> Any:
    def is_named(reference: Mapping[str, Any]) -> bool:
        others = Handover.objects.filter(upscale__engine=upscale.engine, reference=dict(reference))
        return others.exclude(pk=upscale.pk).exists()

    return is_named

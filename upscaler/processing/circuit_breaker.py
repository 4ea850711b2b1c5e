"""Whether a remote engine may be called now. Shared by all workers.

A row for each engine's calls, and one for its orders. An engine may answer questions and take no orders: then the
second is down alone.

::

    up ──`breaker_failures` calls without an answer in a row──► down ──an answer──► up
         or one that says for how long it is away               │ ▲
                                         one call at `retry_at` └─┘ no answer: a longer pause
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from upscaler.engines.base import RemoteEngine
from upscaler.models import EngineState

logger = logging.getLogger(__name__)

FIRST_PAUSE = 15.0
MAX_PAUSE = 300.0
SAME_TROUBLE = timedelta(minutes=15)
"""Two requests to slow down that are further apart are two different times of being busy."""
FAR_APART = timedelta(hours=1)
"""Failures with more time between them are not taken for one outage."""


class Pause(Exception):
    """The upscale must wait, through no fault of its own. ``due_in``: seconds; ``text``: why, for people.

    ``since``: how long the engine has been in trouble already; None where it is not in any.
    """

    def __init__(self, due_in: float, text: str, *, since: datetime | None = None) -> None:
        super().__init__(text)
        self.due_in = max(due_in, 1.0)
        self.text = text
        self.since = since


def _row(engine: RemoteEngine, *, of_orders: bool) -> str:
    """Failed orders are counted under a name of their own: no answer to a mere question clears them."""
    return f"{engine.name}: orders" if of_orders else engine.name


def waiting_text(engine: RemoteEngine) -> str:
    """What an upscale waits for while the engine does not answer, for people."""
    return f"Waiting for {engine.title} to answer again"


def down_since(engine: RemoteEngine) -> datetime | None:
    """Since when the engine does not answer, or takes no orders; None while it does."""
    orders = _row(engine, of_orders=True)
    # Only an order can find out whether orders are taken, so without any for a while nobody knows.
    not_tried = Q(pk=orders, retry_at__lt=timezone.now() - SAME_TROUBLE)
    down = EngineState.objects.filter(pk__in=(engine.name, orders), retry_at__isnull=False).exclude(not_tried)
    return down.order_by("failing_since").values_list("failing_since", flat=True).first()


def is_due(engine: RemoteEngine, now: datetime) -> bool:
    """Whether the engine is down and its pause is over."""
    return EngineState.objects.filter(pk=engine.name, retry_at__lte=now).exists()


def may_ask(engine: RemoteEngine, every: timedelta) -> bool:
    """Whether to find out how the engine is: one caller of all in each ``every``, and none during an outage's pause."""
    state, _ = EngineState.objects.get_or_create(pk=engine.name)
    now = timezone.now()
    if state.asked_at is not None and now - state.asked_at < every:
        return False
    if any(until is not None and now < until for until in (state.retry_at, state.busy_until)):
        return False
    # Conditional on what was read: of two callers at the same moment one asks.
    return EngineState.objects.filter(pk=engine.name, asked_at=state.asked_at).update(asked_at=now) == 1


def found(engine: RemoteEngine, trouble: str, *, passes: bool) -> None:
    """Keep what was found by asking; ``trouble`` is empty where the engine is well."""
    EngineState.objects.filter(pk=engine.name).update(trouble=trouble, trouble_passes=passes)


def last_found(engine: RemoteEngine) -> tuple[str, bool]:
    """What was found by asking last: the trouble, empty for none, and whether waiting cures it."""
    state = EngineState.objects.filter(pk=engine.name).first()
    return (state.trouble, state.trouble_passes) if state is not None else ("", False)


def takes_orders(engine: RemoteEngine) -> bool:
    """Whether the last orders were answered."""
    return not EngineState.objects.filter(pk=_row(engine, of_orders=True), retry_at__isnull=False).exists()


def may_order(engine: RemoteEngine) -> bool:
    """Whether to try an order now, as far as is known without trying. True too where it has been away for too long:
    whoever tries then is told that it ends.
    """
    now = timezone.now()
    names = [_row(engine, of_orders=of_orders) for of_orders in (False, True)]
    for state in EngineState.objects.filter(pk__in=names):
        for until, since in ((state.retry_at, state.failing_since), (state.busy_until, state.busy_since)):
            is_over = since is not None and now - since > engine.limits.outage_time
            if until is not None and now < until and not is_over:
                return False
    return True


def let_through(engine: RemoteEngine, *, takes_work: bool = False) -> None:
    """Take leave for one call, ``takes_work`` for an order. Raises Pause where it can't be made now.

    Of a down engine one caller at a time finds out whether it is back.
    """
    now = timezone.now()
    names = [_row(engine, of_orders=of_orders) for of_orders in ((False, True) if takes_work else (False,))]
    states = list(EngineState.objects.filter(pk__in=names).order_by("pk"))
    for state in states:
        if state.busy_until is not None and now < state.busy_until:
            raise _busy(engine, state, now)
        if state.retry_at is not None and now < state.retry_at:
            raise _down(engine, state, now)
    for state in states:
        if state.retry_at is None:
            continue
        # Conditional on what was read: of two callers at the same moment one tries, and the other waits on, also while
        # the first one's call hangs.
        others_try_at = now + engine.limits.call_time + _pause(engine, state)
        if not EngineState.objects.filter(pk=state.pk, retry_at=state.retry_at).update(retry_at=others_try_at):
            raise _down(engine, state, now)


def answered(engine: RemoteEngine, *, took_work: bool, of_orders: bool = False) -> None:
    """The engine answered as itself. ``took_work``: it was an order, so it is not busy any more either."""
    row = _row(engine, of_orders=of_orders)
    state = EngineState.objects.filter(pk=row).first()
    if state is None:
        return
    if state.failures or state.retry_at is not None:
        EngineState.objects.filter(pk=row).update(failures=0, failing_since=None, retry_at=None)
        if state.retry_at is not None:
            logger.warning("%s answers again; it did not since %s", row, state.failing_since)
    if took_work and state.busy_since is not None:
        EngineState.objects.filter(pk=row).update(busy_since=None, busy_until=None)


def did_not_answer(engine: RemoteEngine, retry_after: float | None = None, *, of_orders: bool = False) -> Pause | None:
    """A call got no answer. Returns the pause for its upscale where that makes the engine count as down.

    ``retry_after``: for how many seconds the engine itself says that it is away; then it counts as down at once.
    """
    now = timezone.now()
    row = _row(engine, of_orders=of_orders)
    EngineState.objects.get_or_create(pk=row)
    old = EngineState.objects.filter(pk=row, retry_at__isnull=True, failing_since__lt=now - FAR_APART)
    old.update(failures=0, failing_since=None)
    EngineState.objects.filter(pk=row).update(
        failures=F("failures") + 1, failing_since=Coalesce("failing_since", Value(now))
    )
    state = EngineState.objects.get(pk=row)
    if state.failures < engine.limits.breaker_failures and retry_after is None:
        return None
    if state.retry_at is None:
        logger.warning("%s did not answer %s times in a row: its upscales wait", row, state.failures)
    state.retry_at = now + max(_pause(engine, state), timedelta(seconds=retry_after or 0))
    # Another call may have been answered meanwhile: then it is up, and this failure was one in passing.
    is_down = EngineState.objects.filter(pk=row, failing_since=state.failing_since).update(retry_at=state.retry_at)
    return _down(engine, state, now) if is_down else None


def asked_to_wait(engine: RemoteEngine, seconds: float) -> Pause:
    """The engine wants to be left alone for ``seconds``. Returns the pause for the upscale that was told so."""
    now = timezone.now()
    state, _ = EngineState.objects.get_or_create(pk=engine.name)
    if state.busy_since is None or state.busy_until is None or now - state.busy_until > SAME_TROUBLE:
        state.busy_since = now
    # Two calls at once may be told differently: the longer one is obeyed.
    state.busy_until = max(now + timedelta(seconds=seconds), state.busy_until or now)
    state.save(update_fields=["busy_since", "busy_until"])
    return _busy(engine, state, now)


def _pause(engine: RemoteEngine, state: EngineState) -> timedelta:
    probes = max(state.failures - engine.limits.breaker_failures, 0)
    return timedelta(seconds=min(FIRST_PAUSE * 2 ** min(probes, 10), MAX_PAUSE))


def _down(engine: RemoteEngine, state: EngineState, now: datetime) -> Pause:
    retry_at = state.retry_at or now
    return Pause((retry_at - now).total_seconds(), waiting_text(engine), since=state.failing_since)


def _busy(engine: RemoteEngine, state: EngineState, now: datetime) -> Pause:
    until = state.busy_until or now
    text = f"Waiting: {engine.title} asks us to slow down"
    return Pause((until - now).total_seconds(), text, since=state.busy_since)

"""Finding the result that a ``generation_result_id`` names: one of the team's own, or one that the engine knows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import formats, timezone

from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, KnownResult, RemoteEngine
from upscaler.models import Team, Upscale, result_hours
from upscaler.services import remote
from upscaler.services.breaker import Pause

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResultRefused(Exception):
    """The number can't be a source. ``message`` is for people.

    ``code``: ``not_found``, ``expired``, or ``engine_unavailable`` where nobody can say at the moment.
    """

    message: str
    code: str


def find(result_id: int, *, team: Team) -> Upscale | KnownResult:
    """The upscale of this team whose result it is, or what the remote engine knows of it. Raises ResultRefused.

    A remote engine is asked about its own results before anything is charged, because its clock is the one that counts.
    """
    engine = get_engine(settings.ENGINE)
    made_here = Upscale.objects.filter(engine=engine.name)
    ours = made_here.filter(team=team, status=Upscale.Status.DONE, result_id=result_id).first()
    if ours is not None and not ours.is_referable:
        raise _expired(result_id, ours.expires_at, is_kept=True)
    if not isinstance(engine, RemoteEngine):
        if ours is None:
            raise _not_found(result_id)
        return ours
    # One account serves all teams of the desk: what another team made is none of this team's business.
    if ours is None and made_here.filter(result_id=result_id).exists():
        raise _not_found(result_id)
    try:
        with remote.watched(engine):
            known = engine.find_result(result_id)
    except (EngineError, Pause) as error:
        logger.warning("result %s can't be looked up at %s: %s", result_id, engine.name, getattr(error, "code", "down"))
        if ours is not None:
            return ours  # Should it run out meanwhile, the desk's own copy takes its place.
        raise ResultRefused(
            f"Result {result_id} can’t be looked up, because Uwear does not answer at the moment. Nothing was "
            "charged; try again in a while, or upload the picture.",
            code="engine_unavailable",
        ) from None
    if known is None:
        raise _not_found(result_id)
    if ours is None and made_here.filter(engine_id=known.engine_id).exclude(team=team).exists():
        raise _not_found(result_id)
    if not known.is_alive:
        raise _expired(result_id, known.referable_until, is_kept=ours is not None)
    return ours or known


def moment(time: datetime | None) -> str:
    """A time with its date and zone, for people."""
    if time is None:
        return "a time that is over"
    local = timezone.localtime(time)
    return f"{formats.date_format(local, 'j F Y, H:i')} ({local.tzname()})"


def _not_found(result_id: int) -> ResultRefused:
    return ResultRefused(
        f"There is no finished result with the number {result_id} in your team. "
        "Check the number, or upload the picture.",
        code="not_found",
    )


def _expired(result_id: int, until: datetime | None, *, is_kept: bool) -> ResultRefused:
    way_out = (
        "The desk still keeps the picture: open it in the history and enlarge our kept copy, or upload it."
        if is_kept
        else "Upload the picture instead."
    )
    return ResultRefused(
        f"Result {result_id} could be named for {result_hours()} hours, until {moment(until)}. {way_out}",
        code="expired",
    )

"""Finding the result that a ``generation_result_id`` names: one of the team's own, or one that the engine knows."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from upscaler import fetching
from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, KnownResult, RemoteEngine
from upscaler.errors import PublicError
from upscaler.models import MAX_ID, WITHDRAWN, Team, Upscale, result_hours
from upscaler.models.upscale_queries import UpscaleQuerySet
from upscaler.processing import handover
from upscaler.processing.circuit_breaker import Pause
from upscaler.text import format_datetime

logger = logging.getLogger(__name__)

UNAVAILABLE = "engine_unavailable"
MAX_ELSEWHERE = 20
"""Results that were not made on this desk and may be named at once: a remote engine is asked about each."""
ASKING_TIME = 20.0
"""Seconds in which a remote engine has to answer for all of them."""


def find_source_result(result_id: int, *, team: Team) -> Upscale | KnownResult:
    """The upscale of this team whose result it is, or what the remote engine knows of it. Raises PublicError.

    A remote engine is asked about its own results before anything is charged, because its clock is the one that counts.
    """
    engine = get_engine(settings.ENGINE)
    ours = _made_here(team).filter(result_id=result_id).first()
    if ours is not None:
        _refuse_unusable(ours)
    if not isinstance(engine, RemoteEngine):
        if ours is None:
            raise _not_found(result_id)
        return ours
    try:
        known = find_elsewhere(result_id, team=team)
    except PublicError as refusal:
        if ours is not None and refusal.code == UNAVAILABLE:
            return ours  # Should it run out meanwhile, the desk's own copy takes its place.
        raise
    if not known.is_alive:
        raise _expired(result_id, known.referable_until, is_kept=ours is not None)
    if ours is not None:
        return ours
    try:
        # The desk fetches a copy of its own, for its checks and the comparison.
        fetching.check_url(known.url, max_length=fetching.MAX_SIGNED_URL_LENGTH)
    except PublicError as error:
        logger.warning("result %s at %s: %s", result_id, engine.name, error.code)
        raise PublicError(
            f"This desk can’t open the address that {engine.title} gives for result {result_id}. Nothing was charged; "
            "upload the picture instead.",
            code="source_unusable",
        ) from None
    return known


def find_source_results(result_ids: Collection[int], *, team: Team) -> dict[int, Upscale | KnownResult | PublicError]:
    """What `find_source_result` gives or raises, for many at once.

    Of the team's own results the desk's word counts, as it does while a remote engine is away: should one run out
    meanwhile, the desk's own copy takes its place. The engine is asked about `MAX_ELSEWHERE` others and for
    `ASKING_TIME` at most. Raises PublicError with the code `UNAVAILABLE` where it doesn't answer.
    """
    found: dict[int, Upscale | KnownResult | PublicError] = {}
    for ours in _made_here(team).filter(result_id__in=list(result_ids)):
        try:
            _refuse_unusable(ours)
            found[ours.result_id or 0] = ours
        except PublicError as refusal:
            found[ours.result_id or 0] = refusal
    others = sorted(set(result_ids) - set(found))
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine):
        return found | {result_id: _not_found(result_id) for result_id in others}
    until = time.monotonic() + ASKING_TIME
    for result_id in others[:MAX_ELSEWHERE]:
        if time.monotonic() > until:
            raise _unavailable(result_id, engine)
        try:
            found[result_id] = find_source_result(result_id, team=team)
        except PublicError as refusal:
            if refusal.code == UNAVAILABLE:
                raise
            found[result_id] = refusal
    too_many = PublicError(
        f"At most {MAX_ELSEWHERE} results that were not made on this desk can be named at once. Send the rest in "
        "another batch, or upload the pictures.",
        code="too_many_elsewhere",
    )
    return found | dict.fromkeys(others[MAX_ELSEWHERE:], too_many)


def find_elsewhere(result_id: int, *, team: Team) -> KnownResult:
    """What the remote engine knows of a result, dead or alive, that is not another team's. Raises PublicError."""
    engine = get_engine(settings.ENGINE)
    if not isinstance(engine, RemoteEngine) or not 0 < result_id <= MAX_ID:
        raise _not_found(result_id)
    if Upscale.objects.filter(engine=engine.name, result_id=result_id).exclude(team=team).exists():
        raise _not_found(result_id)
    try:
        with handover.watched(engine):
            known = engine.find_result(result_id)
            if known is not None and _is_closed_to(team, known, engine):
                known = None
    except (EngineError, Pause) as error:
        logger.warning("result %s can't be looked up at %s: %s", result_id, engine.name, getattr(error, "code", "down"))
        raise _unavailable(result_id, engine) from None
    if known is None:
        raise _not_found(result_id)
    return known


def closed(why: str) -> PublicError:
    """The refusal of a source that is given to nobody any more; ``why`` is `Upscale.why_closed`."""
    return PublicError(f"{why} Choose another picture.", code="refunded" if why == WITHDRAWN else "deleted")


def _is_closed_to(team: Team, known: KnownResult, engine: RemoteEngine) -> bool:
    """Whether another team of the desk had it made, or this one for an order whose price went back.

    Also where that can't be told. One account serves all teams, so the engine tells each of them about every result.
    Raises EngineError.
    """
    if not known.engine_id:
        return True
    here = Upscale.objects.filter(engine=engine.name)
    if (made_here := here.filter(engine_id=known.engine_id).first()) is not None:
        is_closed = made_here.status == Upscale.Status.ERROR or bool(made_here.why_closed or made_here.why_withheld)
        if made_here.status != Upscale.Status.DONE and team.reviews != Team.Reviews.NOBODY:
            is_closed = True  # Whether it may leave is decided once it is here.
        return made_here.team_id != team.pk or is_closed
    # Sent, and never answered for: of these the desk knows what was sent, and not what it became.
    lost = here.filter(engine_id__isnull=True, handed_over_at__isnull=False)
    lost = lost.filter(~Q(team=team) | Q(status=Upscale.Status.ERROR))
    if not lost.exists():
        return False
    reference = dict(engine.reference_of(known.engine_id))
    return not reference or lost.filter(handover__reference=reference).exists()


def _made_here(team: Team) -> UpscaleQuerySet:
    engines = [settings.ENGINE]
    if not isinstance(get_engine(settings.ENGINE), RemoteEngine):
        # A remote engine has numbers of its own, and knows nothing of what was only fitted.
        engines.append(Upscale.Engine.FIT)
    done: UpscaleQuerySet = Upscale.objects.filter(engine__in=engines, team=team, status=Upscale.Status.DONE)
    return done


def _refuse_unusable(ours: Upscale) -> None:
    if not ours.gives_result:
        raise closed(ours.why_closed)
    if ours.review == Upscale.Review.REJECTED:
        raise PublicError(
            "This result was rejected, so nothing is made of it. Choose its original, or another picture.",
            code="rejected",
        )
    if not ours.is_referable:
        raise _expired(ours.result_id or 0, ours.expires_at, is_kept=True)


def _unavailable(result_id: int, engine: RemoteEngine) -> PublicError:
    return PublicError(
        f"Result {result_id} can’t be looked up, because {engine.title} does not answer at the moment. Nothing "
        "was charged; try again in a while, or upload the picture.",
        code=UNAVAILABLE,
    )


def _not_found(result_id: int) -> PublicError:
    return PublicError(
        f"There is no finished result with the number {result_id} in your team. "
        "Check the number, or upload the picture.",
        code="not_found",
    )


def _expired(result_id: int, until: datetime | None, *, is_kept: bool) -> PublicError:
    way_out = (
        "The desk still keeps the picture: open it in the history and enlarge our kept copy, or upload it."
        if is_kept
        else "Upload the picture instead."
    )
    return PublicError(
        f"Result {result_id} could be named for {result_hours()} hours, until {format_datetime(until)}. {way_out}",
        code="expired",
    )

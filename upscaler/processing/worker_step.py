"""One step of an upscale, in a worker: fetch the source, hand over, follow, keep the result."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from upscaler import fetching, no_room
from upscaler.engines import get_engine, offer
from upscaler.engines.base import Engine, Finished, Order, Pending, PlannedEngine, RemoteEngine, Report, Timing
from upscaler.errors import PublicError
from upscaler.imaging import codec, intake
from upscaler.imaging.previews import Preview
from upscaler.logs.context import about
from upscaler.models import Upscale, search_text
from upscaler.picture_formats import RESULT_FORMATS
from upscaler.processing import content_credentials, factor_choice, handover, hints, lifecycle, network_speeds, ranks
from upscaler.processing.circuit_breaker import Pause
from upscaler.processing.lifecycle import ClaimLost, Heartbeat
from upscaler.storage import room
from upscaler.storage.cleanup import WORK_PREFIX
from upscaler.storage.pictures import NewFiles

logger = logging.getLogger(__name__)

REPORT_INTERVAL = 1.0
"""Seconds between two writes of an upscale's progress, at least."""
FIRST_PAUSE = 5.0
MAX_PAUSE = 300.0
FIRST_PAUSE_FOR_ROOM, MAX_PAUSE_FOR_ROOM = 15.0, 600.0
WAITING_TO_FETCH = "Waiting until your team’s other pictures are fetched"
MAX_RESULT_BYTES = 4 * 10**9
TOO_LARGE = ("too_many_pixels", "too_large")
"""Refusals of a result that would be the same again: the engine need not make it once more."""
OUR_FAULT = "Something went wrong on our side. Try again in a while."


class SourceGone(PublicError):
    """Somebody deleted the stored source."""


@dataclass(frozen=True)
class NextStep:
    """An upscale that wants to be taken up again, ``due_in`` seconds from now."""

    upscale: Upscale
    due_in: float = 0


def step(upscale_id: int) -> NextStep | None:
    """Claim the upscale and bring it as far as it gets; whatever happens is written to its row.

    Returns when it is to be taken up again; None where it has ended, or is not this worker's to take up. Should nobody
    do so, the sweep finds it.
    """
    upscale = lifecycle.claim(upscale_id)
    return None if upscale is None else work(upscale)


def work(upscale: Upscale) -> NextStep | None:
    """Bring a claimed upscale as far as it gets, as `step` does."""
    with about(upscale_id=upscale.pk, batch_id=upscale.batch_id, team_id=upscale.team_id):
        return _attempt(upscale)


def _attempt(upscale: Upscale) -> NextStep | None:
    logger.info("upscale %s: attempt %s begins", upscale.pk, upscale.attempt)
    try:
        with Heartbeat(upscale) as heartbeat:
            try:
                if (refusal := room.find(after_trouble=upscale.error_code in no_room.CODES)) is not None:
                    return _give_up_or_try_again(upscale, refusal, is_no_room=True)
                with tempfile.TemporaryDirectory(prefix=WORK_PREFIX) as folder:
                    return _work(upscale, heartbeat, Path(folder))
            except Pause as pause:
                return _wait(upscale, pause)
            except PublicError as error:
                is_no_room = error.code in no_room.CODES and room.refusal_of(error) is not None
                return _give_up_or_try_again(upscale, error, is_no_room=is_no_room)
            except ClaimLost:
                raise
            except Exception as error:
                if (refusal := room.refusal_of(error)) is not None:
                    return _give_up_or_try_again(upscale, refusal, is_no_room=True)
                # A fault of the desk itself (the database gone, a bug). The log has the details; the person gets a
                # retry, and in the end a refund.
                logger.exception("upscale %s: attempt %s broke", upscale.pk, upscale.attempt)
                if not connection.in_atomic_block:
                    # A line to the database that was cut stays so until it is closed.
                    connection.close_if_unusable_or_obsolete()
                return _give_up_or_try_again(upscale, PublicError(OUR_FAULT, code="internal", permanent=False))
    except ClaimLost:
        logger.warning("upscale %s: attempt %s lost its claim and stops", upscale.pk, upscale.attempt)
        return None


def _work(upscale: Upscale, heartbeat: Heartbeat, folder: Path) -> NextStep | None:
    began = time.monotonic()
    engine = get_engine(upscale.engine)
    source = folder / "source"
    if not upscale.source_file:
        if (pause := lifecycle.wait_to_fetch(upscale)) is not None:
            lifecycle.release(upscale, due_in=pause, progress_text=WAITING_TO_FETCH)
            return NextStep(upscale, pause)
        _fetch(upscale, source)
        # Also where this worker could go on: others may be next at the engine.
        lifecycle.release(upscale, due_in=0, progress_text="")
        return NextStep(upscale)
    if upscale.is_factor_open:
        _copy_source(upscale, source)
        factor_choice.settle(upscale, source)
        if ranks.lane_of(upscale) != upscale.lane:
            # What is only fitted is no work for those who talk to a remote engine.
            lifecycle.release(upscale, due_in=0, progress_text="")
            return NextStep(upscale)
        engine = get_engine(upscale.engine)
    if not isinstance(engine, RemoteEngine):
        # The limit may be another one since it was ordered, and the engine should not work in vain.
        _check_result_size(upscale, upscale.source_width or 0, upscale.source_height or 0)
        if not source.exists():
            _copy_source(upscale, source)

    work_dir = folder / "work"
    work_dir.mkdir()
    order = Order(
        upscale_id=upscale.pk,
        model_name=upscale.model_name,
        settings=upscale.settings,
        source_path=source,
        work_dir=work_dir,
        result_format=upscale.requested_format or None,
        source_facts=upscale.source_facts or {},
        expected_seconds=_expected(upscale, engine),
        engine_id=upscale.engine_id,
        handed_over_at=upscale.handed_over_at,
        hint_url=hints.address_for(upscale) if isinstance(engine, RemoteEngine) else "",
        made=lambda: handover.is_made(upscale),
    )
    report = _reporter(upscale, heartbeat)
    before = time.monotonic()
    if isinstance(engine, RemoteEngine):
        if order.engine_id is None:
            order = handover.hand_over(upscale, engine, order)
        order = replace(order, followed_since=handover.followed_since(upscale))
        with handover.watched(engine, upscale):
            outcome = engine.advance(order, report)
    else:
        if order.engine_id is None and (engine_id := engine.start(order)) is not None:
            # Stored before anything is asked about it: a worker that dies now must not hand the work over twice.
            lifecycle.record(upscale, engine_id=engine_id)
            order = replace(order, engine_id=engine_id)
        outcome = engine.advance(order, report)
    around = before - began - time.monotonic()
    if isinstance(outcome, Pending):
        if outcome.progress is not None:
            lifecycle.progress(upscale, outcome.progress, "")
        # It is under way, so whatever failed before has passed.
        lifecycle.release(upscale, due_in=outcome.retry_after, failures=0, progress_text=outcome.text)
        return NextStep(upscale, outcome.retry_after)
    if not source.exists():
        # Only now: a remote engine has no use for the file, and most of its steps only ask how it stands.
        with suppress(SourceGone):
            _copy_source(upscale, source)
    _keep(upscale, outcome, source if source.exists() else None)
    if isinstance(engine, PlannedEngine):
        try:
            _note_speed(outcome, around + time.monotonic())
        except Exception:
            # The result is stored: nothing here may pass for an attempt that failed.
            logger.exception("upscale %s: how long it took could not be noted", upscale.pk)
    return None


def _check_result_size(upscale: Upscale, width: int, height: int) -> None:
    """Raises PublicError where the result of a source of that size would be too large."""
    most, models = settings.MAX_RESULT_PIXELS, offer.models()
    intake.check_result_size(width, height, upscale.factor, max_pixels=most, models=models)


def _expected(upscale: Upscale, engine: Engine) -> float | None:
    """Seconds that the engine will take, none of its networks compiled yet; None where that can't be told."""
    if not isinstance(engine, PlannedEngine) or upscale.source_size is None:
        return None
    try:
        steps = engine.steps(
            upscale.model_name,
            upscale.settings,
            upscale.source_size,
            upscale.source_name,
            upscale.requested_format,
            source_facts=upscale.source_facts,
        )
        return network_speeds.measured(engine).seconds(steps)
    except Exception:
        # It only lengthens a limit: no picture fails for it.
        logger.exception("upscale %s: how long it may take could not be told", upscale.pk)
        return None


def _note_speed(finished: Finished, around: float) -> None:
    """``around``: seconds that the desk itself took beside the engine."""
    if finished.timings is None:
        return
    keeping = network_speeds.keeping(finished.width * finished.height, finished.format)
    network_speeds.note(finished.timings, Timing(keeping.name, keeping.work, around))


def _copy_source(upscale: Upscale, target: Path) -> None:
    """Raises SourceGone where the picture storage has it no more."""
    try:
        with upscale.source_file.open("rb") as stored, target.open("wb") as copy:
            shutil.copyfileobj(stored, copy)
    except FileNotFoundError:
        raise SourceGone(
            "The picture is not in the desk’s storage any more, so it can’t be enlarged. Upload it again.",
            code="source_gone",
        ) from None


def _reporter(upscale: Upscale, heartbeat: Heartbeat) -> Report:
    written_at = -REPORT_INTERVAL

    def report(fraction: float, text: str) -> None:
        nonlocal written_at
        if heartbeat.lost:
            raise ClaimLost(upscale.pk)
        if time.monotonic() - written_at >= REPORT_INTERVAL:
            written_at = time.monotonic()
            lifecycle.progress(upscale, fraction, text)

    return report


def _fetch(upscale: Upscale, target: Path) -> None:
    """Download the source that a URL names, examine it like an upload, and store it with the row."""
    # Only a remote engine's own address may be that long.
    max_length = fetching.MAX_SIGNED_URL_LENGTH if upscale.source_result_number else fetching.MAX_URL_LENGTH
    name = fetching.fetch(upscale.source_url, target, max_bytes=settings.MAX_UPLOAD_BYTES, max_length=max_length)
    if upscale.source_name != fetching.file_name(upscale.source_url):
        # People have called it otherwise.
        name = upscale.source_name
    with target.open("rb") as file:
        examined = intake.examine_source(file, name=name)
        if not upscale.is_factor_open:
            _check_result_size(upscale, examined.width, examined.height)
        with NewFiles(upscale.team_id) as files:
            stored = files.store_source(file, examined)
            with transaction.atomic():
                digest = upscale.order_digest_with(examined.digest)
                columns = {**stored.source_columns(), "search_text": search_text(upscale.sku, name)}
                lifecycle.record(upscale, order_digest=digest, source_name=name, **columns)
                files.keep()


def _keep(upscale: Upscale, finished: Finished, source: Path | None) -> None:
    """Store the result with its previews, then say Done: never the other way round."""
    found, after = _examined_result(finished.path)
    if not upscale.is_only_fitted:
        _check_larger(upscale, found)
    # A picture that is taken as it is may be of a kind that results have not.
    asked = upscale.requested_format or ("" if found.format in RESULT_FORMATS else "PNG")
    if asked not in ("", found.format) and codec.result_format(asked, found.width, found.height) == asked:
        finished = _saved_as(asked, finished, generative=None if upscale.is_only_fitted else True)
        found, after = _examined_result(finished.path)
    before = intake.preview(source) if source is not None else None
    finished, found = content_credentials.signed(upscale, finished, found)
    with NewFiles(upscale.team_id) as files:
        stored, previews = files.store_result(finished.path, found, before, after)
        with transaction.atomic():
            lifecycle.finish(
                upscale,
                result_format=found.format,
                result_id=finished.result_id if finished.result_id is not None else upscale.pk,
                provenance=dict(finished.provenance),
                source_facts=dict(finished.source_facts) or upscale.source_facts,
                referable_until=finished.referable_until,
                # Ordered before the engine's last version and made by it: it is what that version makes.
                order_digest=upscale.order_digest_with(upscale.source_digest),
                **stored.result_columns(),
                **previews,
            )
            files.keep()


def _saved_as(asked: str, finished: Finished, *, generative: bool | None) -> Finished:
    """The result in the format that was asked for, from an engine that can't choose."""
    path = finished.path.with_name("recoded")
    intake.recode(finished.path, path, asked, generative=generative)
    return replace(finished, path=path)


def _examined_result(path: Path) -> tuple[intake.ExaminedPicture, Preview]:
    try:
        return intake.examine_result(path, max_bytes=MAX_RESULT_BYTES, max_pixels=settings.MAX_RESULT_PIXELS)
    except PublicError as error:
        # No fault of the person's picture, so its words would mislead.
        if error.code in TOO_LARGE:
            raise PublicError(
                "The enlarged picture is larger than this desk keeps: the limit is "
                f"{settings.MAX_RESULT_PIXELS / 1e6:.0f} megapixels. Choose a smaller enlargement.",
                code="result_too_large",
            ) from error
        raise PublicError(
            "The enlarged picture came out damaged. Try again in a while.", code=f"result_{error.code}", permanent=False
        ) from error


def _check_larger(upscale: Upscale, found: intake.ExaminedPicture) -> None:
    # Long sides and short sides: an engine may leave a picture lying that is displayed standing.
    given = sorted((upscale.source_width or 0, upscale.source_height or 0))
    if any(now <= before for now, before in zip(sorted((found.width, found.height)), given, strict=True)):
        raise PublicError(
            f"The picture came back with {found.width} × {found.height} pixels, no larger than it was. Try again, or "
            "try another model.",
            code="result_too_small",
        )


def _wait(upscale: Upscale, pause: Pause) -> NextStep | None:
    """Let the upscale wait without a failure, or end it where the engine has been away for too long."""
    if (outage := handover.outage_of(upscale, pause)) is not None:
        lifecycle.fail(upscale, message=outage.message, code=outage.code)
        return None
    lifecycle.release(upscale, due_in=pause.due_in, progress_text=pause.text)
    return NextStep(upscale, pause.due_in)


def _give_up_or_try_again(upscale: Upscale, error: PublicError, *, is_no_room: bool = False) -> NextStep | None:
    if is_no_room:
        room.note_trouble()
    if not error.permanent and (pause := handover.ask_on(upscale, error)) is not None:
        logger.warning(
            "upscale %s: %s, the engine may have its picture, tried again in %.0f s",
            upscale.pk,
            error.code,
            pause.due_in,
        )
        return _wait(upscale, Pause(pause.due_in, no_room.WAITING[error.code]) if is_no_room else pause)
    if is_no_room:
        return _wait_for_room(upscale, error.code)
    # One count for both kinds: of those that take turns there is an end, too.
    failures = upscale.failures + 1
    if error.permanent or failures >= lifecycle.most_failures(upscale):
        lifecycle.fail(upscale, message=error.message, code=error.code)
        return None
    due_in = max(min(FIRST_PAUSE * 2 ** (failures - 1), MAX_PAUSE), error.retry_after or 0)
    logger.warning("upscale %s: %s, tried again in %.0f s", upscale.pk, error.code, due_in)
    lifecycle.release(upscale, due_in=due_in, failures=failures, error_code=upscale.error_code)
    return NextStep(upscale, due_in)


def _wait_for_room(upscale: Upscale, code: str) -> NextStep | None:
    """A full disk is seldom emptied within a minute, and thousands may wait for it: more tries, with longer pauses."""
    failures = upscale.failures + 1
    if failures >= lifecycle.TRIES_FOR_ROOM:
        lifecycle.fail(upscale, message=no_room.GAVE_UP[code], code=code)
        return None
    due_in = min(FIRST_PAUSE_FOR_ROOM * 2 ** (failures - 1), MAX_PAUSE_FOR_ROOM)
    lifecycle.release(upscale, due_in=due_in, failures=failures, error_code=code, progress_text=no_room.WAITING[code])
    return NextStep(upscale, due_in)

"""One step of an upscale, in a worker: fetch the source, hand over, follow, keep the result."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import uuid
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.utils import timezone

from upscaler import fetching
from upscaler.engines import get_engine
from upscaler.engines.base import EngineError, Finished, Order, Pending, RemoteEngine, Report
from upscaler.errors import PublicError
from upscaler.imaging import codec, intake
from upscaler.models import Upscale, media_storage
from upscaler.ordering import deduplication, submission
from upscaler.processing import handover, lifecycle
from upscaler.processing.circuit_breaker import Pause
from upscaler.processing.lifecycle import ClaimLost, Heartbeat
from upscaler.storage.cleanup import WORK_PREFIX

logger = logging.getLogger(__name__)

REPORT_INTERVAL = 1.0
"""Seconds between two writes of an upscale's progress, at least."""
FIRST_PAUSE = 5.0
MAX_PAUSE = 300.0
MAX_RESULT_BYTES = 4 * 10**9


def step(upscale_id: int) -> None:
    """Claim the upscale and bring it as far as it gets; whatever happens is written to its row."""
    upscale = lifecycle.claim(upscale_id)
    if upscale is None:
        return
    logger.info("upscale %s: attempt %s begins", upscale.pk, upscale.attempt)
    try:
        with Heartbeat(upscale) as heartbeat, tempfile.TemporaryDirectory(prefix=WORK_PREFIX) as folder:
            try:
                _work(upscale, heartbeat, Path(folder))
            except Pause as pause:
                _wait(upscale, pause)
            except PublicError as error:
                _give_up_or_try_again(upscale, error.message, error.code, permanent=error.permanent)
            except ClaimLost:
                raise
            except Exception:
                # A fault of the desk itself (a full disk, the database gone, a bug). The log has the details; the
                # person gets a retry, and in the end a refund.
                logger.exception("upscale %s: attempt %s broke", upscale.pk, upscale.attempt)
                _give_up_or_try_again(
                    upscale,
                    "Something went wrong on our side. Try again in a while.",
                    "internal",
                    permanent=False,
                )
    except ClaimLost:
        logger.warning("upscale %s: attempt %s lost its claim and stops", upscale.pk, upscale.attempt)


def _work(upscale: Upscale, heartbeat: Heartbeat, folder: Path) -> None:
    engine = get_engine(upscale.engine)
    source = folder / "source"
    if not upscale.source_file:
        _fetch(upscale, source)
        if engine.queue != "io":
            lifecycle.release(upscale, due_in=0)
            submission.enqueue(upscale)
            return
    elif not isinstance(engine, RemoteEngine):
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
        engine_id=upscale.engine_id,
        handed_over_at=upscale.handed_over_at,
        made=lambda: handover.is_made(upscale),
    )
    report = _reporter(upscale, heartbeat)
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
    if isinstance(outcome, Pending):
        if outcome.progress is not None:
            lifecycle.progress(upscale, outcome.progress, "")
        # It is under way, so whatever failed before has passed.
        lifecycle.release(upscale, due_in=outcome.retry_after, failures=0, progress_text=outcome.text)
        submission.enqueue(upscale, delay=outcome.retry_after)
        return
    if not source.exists():
        # Only now: a remote engine has no use for the file, and most of its steps only ask how it stands.
        _copy_source(upscale, source)
    _keep(upscale, outcome, source)


def _copy_source(upscale: Upscale, target: Path) -> None:
    with upscale.source_file.open("rb") as stored, target.open("wb") as copy:
        shutil.copyfileobj(stored, copy)


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
    lifecycle.progress(upscale, 0.0, "Fetching the picture")
    # Only a remote engine's own address may be that long.
    max_length = fetching.MAX_SIGNED_URL_LENGTH if upscale.source_result_number else fetching.MAX_URL_LENGTH
    fetching.fetch(upscale.source_url, target, max_bytes=settings.MAX_UPLOAD_BYTES, max_length=max_length)
    with target.open("rb") as file:
        examined = intake.examine_source(file, name=upscale.source_name)
        intake.check_result_size(examined.width, examined.height, upscale.factor, max_pixels=settings.MAX_RESULT_PIXELS)
        path, thumbnail = submission.store_upload(file, examined)
    try:
        lifecycle.record(
            upscale,
            source_file=path,
            source_thumbnail=thumbnail,
            source_width=examined.width,
            source_height=examined.height,
            source_bytes=examined.file_size,
            source_digest=examined.digest,
            order_digest=deduplication.digest_of(upscale, examined.digest, engine=upscale.engine),
        )
    except BaseException:
        submission.remove([path, thumbnail])
        raise


def _keep(upscale: Upscale, finished: Finished, source: Path) -> None:
    """Store the result with its previews, then say Done: never the other way round."""
    storage = media_storage()
    stem = f"{timezone.now():%Y/%m}/{uuid.uuid4().hex}"
    written: list[str] = []

    def store(name: str, content: File) -> str:
        path = storage.save(name, content)
        written.append(path)
        return path

    try:
        found, after = _examined_result(finished.path)
        _check_larger(upscale, found)
        asked = upscale.requested_format
        if asked not in ("", found.format) and codec.result_format(asked, found.width, found.height) == asked:
            finished = _saved_as(asked, finished)
            found, after = _examined_result(finished.path)
        before = intake.preview(source)
        with finished.path.open("rb") as file:
            result = store(f"results/{stem}{found.extension}", File(file))
        lifecycle.finish(
            upscale,
            result_file=result,
            result_format=found.format,
            result_width=found.width,
            result_height=found.height,
            result_bytes=found.file_size,
            result_digest=found.digest,
            result_id=finished.result_id if finished.result_id is not None else upscale.pk,
            provenance=dict(finished.provenance),
            referable_until=finished.referable_until,
            result_thumbnail=store(f"thumbnails/{stem}.webp", ContentFile(found.thumbnail)),
            before_preview=store(f"previews/{stem}-before{before.extension}", ContentFile(before.content)),
            after_preview=store(f"previews/{stem}-after{after.extension}", ContentFile(after.content)),
        )
    except BaseException:
        submission.remove(written)
        raise


def _saved_as(asked: str, finished: Finished) -> Finished:
    """The result in the format that was asked for, from an engine that can't choose."""
    path = finished.path.with_name("recoded")
    codec.recode(codec.load(finished.path), path, asked, generative=True)
    return replace(finished, path=path)


def _examined_result(path: Path) -> tuple[intake.Picture, intake.Preview]:
    try:
        return intake.examine_result(path, max_bytes=MAX_RESULT_BYTES, max_pixels=settings.MAX_RESULT_PIXELS)
    except PublicError as error:
        # No fault of the person's picture, so its words would mislead.
        raise EngineError(
            "The enlarged picture came out damaged. Try again in a while.", code=f"result_{error.code}", permanent=False
        ) from error


def _check_larger(upscale: Upscale, found: intake.Picture) -> None:
    width, height = upscale.source_width or 0, upscale.source_height or 0
    if found.width <= width or found.height <= height:
        raise EngineError(
            f"The picture came back with {found.width} × {found.height} pixels, no larger than it was. Try again, or "
            "try another model.",
            code="result_too_small",
            permanent=True,
        )


def _wait(upscale: Upscale, pause: Pause) -> None:
    """Let the upscale wait without a failure, or end it where the engine has been away for too long."""
    if handover.waited_too_long(upscale, pause):
        message = handover.OUTAGE.format(hours=settings.UWEAR_OUTAGE_LIMIT / 3600)
        lifecycle.fail(upscale, message=message, code="uwear_outage")
        return
    lifecycle.release(upscale, due_in=pause.due_in, progress_text=pause.text)
    submission.enqueue(upscale, delay=pause.due_in)


def _give_up_or_try_again(upscale: Upscale, message: str, code: str, *, permanent: bool) -> None:
    if not permanent and (pause := handover.ask_on(upscale, code)) is not None:
        logger.warning(
            "upscale %s: %s, the engine may have its picture, tried again in %.0f s", upscale.pk, code, pause.due_in
        )
        _wait(upscale, pause)
        return
    failures = upscale.failures + 1
    if permanent or failures >= settings.MAX_FAILURES:
        lifecycle.fail(upscale, message=message, code=code)
        return
    pause = min(FIRST_PAUSE * 2 ** (failures - 1), MAX_PAUSE)
    logger.warning("upscale %s: %s, tried again in %.0f s", upscale.pk, code, pause)
    lifecycle.release(upscale, due_in=pause, failures=failures)
    submission.enqueue(upscale, delay=pause)

"""The vendor's API as an engine: hand over once, find what was handed over, follow, and download at once when Done."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from upscaler import fetching
from upscaler.engines.base import EngineError, Finished, KnownResult, Limits, Order, Pending, Report, SamePicture
from upscaler.engines.uwear import dialects, errors
from upscaler.engines.uwear.client import Generation, Result, UwearClient
from upscaler.engines.uwear.errors import UwearError
from upscaler.errors import PublicError
from upscaler.text import format_clock

logger = logging.getLogger(__name__)

FIRST_POLL = 2.0
MAX_POLL_PAUSE = 30.0
FIRST_DOWNLOAD_PAUSE = 5.0
MAX_DOWNLOAD_PAUSE = 300.0
MAX_PAGES = 25
"""How much of the vendor's list is read to find a lost call: 500 generations at 20 a page."""
CLOCK_SLACK = timedelta(minutes=10)
"""By how much the vendor's clock may be behind ours."""
WEB_TIMEOUTS = (5.0, 10.0)
"""Seconds for connecting and reading, at most, of a call that a person waits for."""
REACH_TIMEOUTS = (3.0, 5.0)
"""The same for finding out whether the vendor is there."""
NO_TIMEOUTS = (float("inf"), float("inf"))


class UwearEngine:
    """Hands pictures to the vendor. Reads its settings at every call, so one instance serves the whole process."""

    name = "uwear"
    title = "Uwear"
    advice: Mapping[str, str] = {}
    preselected: Mapping[str, Any] = {}
    idle: Mapping[str, Mapping[str, Any]] = {}
    same_pictures: Sequence[SamePicture] = ()
    queue = "io"
    setup_hint = "Set UWEAR_API_KEY, or ENGINE=local."
    address_setting = "UWEAR_API_URL"

    def __init__(self) -> None:
        self._clients: dict[tuple[Any, ...], UwearClient] = {}

    @property
    def model_names(self) -> Sequence[str]:
        """``UWEAR_MODELS``, or those that the vendor has in the chosen dialect."""
        return settings.UWEAR_MODELS or dialects.chosen().model_names

    @property
    def address(self) -> str:
        """``UWEAR_API_URL``."""
        return settings.UWEAR_API_URL

    @property
    def limits(self) -> Limits:
        """What the ``UWEAR_...`` settings say."""
        return Limits(
            slots=settings.UWEAR_CONCURRENCY,
            call_time=timedelta(seconds=settings.UWEAR_CONNECT_TIMEOUT + settings.UWEAR_READ_TIMEOUT),
            settle_time=timedelta(seconds=settings.UWEAR_SETTLE_SECONDS),
            job_time=timedelta(seconds=settings.UWEAR_TIME_LIMIT),
            outage_time=timedelta(seconds=settings.UWEAR_OUTAGE_LIMIT),
            breaker_failures=settings.UWEAR_BREAKER_FAILURES,
        )

    def check(self) -> None:
        """Raises EngineError where the key is not set."""
        if not settings.UWEAR_API_KEY:
            raise EngineError(
                "UWEAR_API_KEY is not set: the Uwear engine needs the key of your account.",
                code="engine_setup",
                permanent=True,
            )

    def reach(self) -> None:
        """One free call. Raises EngineError that names the setting which is wrong."""
        try:
            self._client(REACH_TIMEOUTS).generations()
        except UwearError as error:
            raise _setup_error(error) from None

    def start(self, order: Order) -> str:
        """Post the order; the generation's id. Raises EngineError."""
        dialect = dialects.chosen()
        return self._client().submit(dialect.body(order), path=dialect.submit_path)

    def find_job(self, order: Order) -> str | None:
        """Look for this very order among the account's generations. Raises EngineError.

        A generation counts where it is young enough, unknown to the desk, and was submitted with the same body. Two
        orders with the same body are interchangeable, so it does no harm which of them gets which. One that can't be
        read, or that differs from ours in nothing but a source that nobody here named, might be ours under another
        name: then nothing can be told, and nothing is sent again.
        """
        try:
            with _about_a_job():
                return self._find(order)
        except UwearError as error:
            if error.unavailable or error.code not in ("uwear_unreadable", "uwear_lost"):
                raise
            # Without the list, or a row of it, nothing can be told.
            raise _unclear() from None

    def _find(self, order: Order) -> str | None:
        since = (order.handed_over_at or timezone.now()) - CLOCK_SLACK
        rows = self._generations_since(since)
        known = order.taken([row.generation_id for row in rows if row.generation_id])
        ours: list[str] = []
        unclear = False
        for row in rows:
            if row.generation_id in known:
                continue
            payload = row.payload
            if payload is None and row.generation_id and dialects.may_be_upscale(row.feature_name):
                payload = self._client().generation(row.generation_id).payload
            is_ours = None if payload is None else _is_ours(payload, order)
            if is_ours and row.generation_id:
                ours.append(row.generation_id)
            elif is_ours or (is_ours is None and dialects.may_be_upscale(row.feature_name)):
                unclear = True
        if ours:
            return min(ours, key=int)
        if unclear:
            raise _unclear()
        return None

    def _generations_since(self, since: datetime) -> list[Generation]:
        """The account's generations from ``since`` on, and those without a time. Raises EngineError.

        The order of the list is not documented. The newest come first where that can be seen; else all is read.
        """
        found: dict[str, Generation] = {}
        number = 1
        while number <= MAX_PAGES:
            page = self._client().generations(number)
            rows = {row.generation_id or repr(row): row for row in page.generations}
            is_new = any(key not in found for key in rows)
            found |= rows
            times = [row.created_at for row in page.generations if row.created_at is not None]
            newest_first = len(times) == len(page.generations) and times == sorted(times, reverse=True)
            past = newest_first and bool(times) and times[0] > times[-1] and times[-1] < since
            # Where the vendor counts no pages, the list ends with a page that is empty or comes again.
            is_last = not is_new if page.max_page is None else number >= page.max_page
            if past or is_last:
                return [row for row in found.values() if row.created_at is None or row.created_at >= since]
            number += 1
        raise _unclear()

    def advance(self, order: Order, report: Report) -> Pending | Finished:
        """Ask once; where the generation is Done, download its picture. Raises EngineError."""
        with _about_a_job():
            generation = self._client().generation(order.engine_id or "")
        if generation.status == "Error":
            raise EngineError(
                f"Uwear could not enlarge this picture{errors.quote(generation.error)}. Try again, or try another "
                "picture.",
                code="uwear_failed",
                permanent=True,
            )
        if generation.status == "Done":
            order.made()
            return self._download(order, generation, report)
        return _still_working(order, generation)

    def _download(self, order: Order, generation: Generation, report: Report) -> Pending | Finished:
        result = next((result for result in generation.results if result.url), None)
        if result is None:
            raise EngineError(
                "Uwear says that the picture is done, but hands out none. Try again in a while.",
                code="uwear_no_result",
                permanent=False,
            )
        until = _referable_until(result)
        kept = f"; Uwear keeps it until {format_clock(until)}" if until else ""
        report(0.9, f"Fetching the picture{kept}")
        target = order.work_dir / "result"
        try:
            fetching.fetch(
                result.url,
                target,
                max_bytes=settings.UWEAR_MAX_RESULT_BYTES,
                max_length=fetching.MAX_SIGNED_URL_LENGTH,
                refuse_pages=False,
            )
        except PublicError as error:
            logger.warning("Uwear: the result of generation %s: %s", generation.generation_id, error.code)
            trouble = _download_error(error, until)
            now = timezone.now()
            if trouble.permanent or until is None or now >= until:
                raise trouble from None
            # It is made and paid for, and the vendor keeps it: only time ends the trying.
            age = (now - until).total_seconds() + settings.RESULT_LIFETIME
            pause = min(max(FIRST_DOWNLOAD_PAUSE, age / 4), MAX_DOWNLOAD_PAUSE)
            return Pending(pause, text=f"Uwear’s picture can’t be downloaded yet; tried until {format_clock(until)}")
        return Finished(
            path=target,
            # What it is in truth is found when the desk examines it: the vendor chooses the format.
            format="",
            width=0,
            height=0,
            result_id=result.result_id,
            provenance={"generation_id": generation.generation_id},
            referable_until=until,
        )

    def find_result(self, result_id: int) -> KnownResult | None:
        """A result at the vendor, while a person waits; None where it is unknown. Raises EngineError."""
        result = self._client(WEB_TIMEOUTS).result(result_id)
        if result is None:
            return None
        until = _referable_until(result)
        is_alive = result.available is not False and bool(result.url) and (until is None or timezone.now() < until)
        return KnownResult(result_id, result.generation_id, result.url, until, is_alive, result.created_at)

    def reference_of(self, engine_id: str) -> Mapping[str, Any]:
        """What the source of a generation was called, while a person waits. Raises EngineError."""
        payload = self._client(WEB_TIMEOUTS).generation(engine_id).payload
        return dialects.source_in(payload) if payload is not None else {}

    def _client(self, most: tuple[float, float] = NO_TIMEOUTS) -> UwearClient:
        connect = min(settings.UWEAR_CONNECT_TIMEOUT, most[0])
        read = min(settings.UWEAR_READ_TIMEOUT, most[1])
        key = (settings.UWEAR_API_URL, settings.UWEAR_API_KEY, connect, read)
        if key not in self._clients:
            self._clients[key] = UwearClient(key[0], key[1], connect_timeout=connect, read_timeout=read)
        return self._clients[key]


@contextmanager
def _about_a_job() -> Iterator[None]:
    """Around a question about a job that the vendor may have: no refusal of the question ends the job."""
    try:
        yield
    except UwearError as error:
        if not error.permanent:
            raise
        if error.is_unknown:
            message, code = "Uwear does not know this order any more. Try again.", "uwear_lost"
        elif error.code == "uwear_key":
            message, code = error.message, error.code
        else:
            raise errors.unreadable(f"says nothing of this picture ({error.status})", unavailable=False) from None
        raise UwearError(
            message,
            code=code,
            permanent=False,
            status=error.status,
            unavailable=code == "uwear_key",
            doubtful=code == "uwear_lost",
        ) from None


def _is_ours(payload: Mapping[str, Any], order: Order) -> bool | None:
    """Whether a generation was submitted with the order's body; None where it can't be told."""
    source, model_name = dialects.source_in(payload), dialects.model_in(payload)
    if not source or not model_name:
        return None
    if model_name != order.model_name or _settings(payload, order) != _settings(dialects.chosen().body(order), order):
        return False
    if source == dialects.source_in(order.reference):
        return True
    return False if order.is_named(source) else None


def _settings(body: Mapping[str, Any], order: Order) -> dict[str, Any]:
    return dialects.settings_in(body, order.model_name)


def _still_working(order: Order, generation: Generation) -> Pending:
    now = timezone.now()
    elapsed = (now - (order.followed_since or now)).total_seconds()
    if elapsed > settings.UWEAR_TIME_LIMIT:
        raise EngineError(
            f"Uwear has not finished this picture within {settings.UWEAR_TIME_LIMIT / 60:.0f} minutes, so we stopped "
            "waiting for it. Try again.",
            code="uwear_too_slow",
            permanent=True,
        )
    return Pending(retry_after=min(max(FIRST_POLL, elapsed / 4), MAX_POLL_PAUSE), progress=generation.progress)


def _referable_until(result: Result) -> datetime | None:
    if result.expires_at is not None:
        return result.expires_at
    lifetime = timedelta(seconds=settings.RESULT_LIFETIME)
    return result.created_at + lifetime if result.created_at is not None else None


def _download_error(error: PublicError, until: datetime | None) -> EngineError:
    if error.code == "too_large":
        return EngineError(
            f"Uwear’s picture is larger than {settings.UWEAR_MAX_RESULT_BYTES / 1e6:.0f} MB, which this desk does not "
            "take. Choose a smaller factor.",
            code="uwear_result_too_large",
            permanent=True,
        )
    is_over = until is not None and timezone.now() >= until
    if error.code in ("url_private", "url_parsing", "url_too_long", "url_port"):
        what = "lies inside a private network" if error.code == "url_private" else "this desk can’t open"
        return EngineError(
            f"Uwear finished the picture, but gives an address for it that {what}. Tell the admin of your desk; try "
            "again once it is settled.",
            code="uwear_link_unusable",
            permanent=is_over,
        )
    if error.code in ("fetch_refused", "fetch_redirects"):
        return EngineError(
            "Uwear finished the picture, but its link was dead before we had the file. Try again.",
            code="uwear_link_dead",
            permanent=is_over,
        )
    return EngineError(
        "Uwear finished the picture, but it could not be downloaded. Try again in a while.",
        code="uwear_download",
        permanent=False,
    )


def _unclear() -> EngineError:
    return EngineError(
        "The line to Uwear broke while your picture was handed over, and we can’t tell whether it arrived. We did not "
        "send it twice. Try again.",
        code="uwear_unclear",
        permanent=False,
        doubtful=True,
    )


def _setup_error(error: UwearError) -> EngineError:
    """The same error for an operator: which setting to look at."""
    # Also a page of its own that a web server shows: it may be an outage, but an operator should look at the address.
    no_api = error.status == 404
    if error.code == "uwear_key":
        message = f"Uwear refuses the key ({error.status}). Set UWEAR_API_KEY to a key of your account."
    elif no_api:
        message = (
            "There is no such API under UWEAR_API_URL (it answered 404). Check the address and its prefix, and that "
            "UWEAR_DIALECT is what this host speaks."
        )
    elif error.code == "uwear_unreadable":
        message = "What answers under UWEAR_API_URL is not Uwear’s API. Check the address and its prefix."
    elif error.unavailable:
        message = f"Uwear does not answer under UWEAR_API_URL ({error.code}). Check the address, or wait."
    else:
        message = f"Uwear answered {error.status} to a free call. Look at the account and at UWEAR_API_URL."
    return EngineError(
        message,
        code="uwear_not_found" if no_api else error.code,
        permanent=error.permanent or no_api or error.code == "uwear_unreadable",
        unavailable=error.unavailable and not no_api,
        retry_after=error.retry_after,
    )

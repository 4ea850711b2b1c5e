"""The vendor's calls, one method each. Facts: the vendor's page "Create Upscale" and its other public notes.

The key is in the header of these calls and nowhere else: no redirect is followed, no proxy or password file of the
environment is asked, and whatever the vendor says is searched for it before anybody sees it.
"""

from __future__ import annotations

import json
import logging
import math
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests
import urllib3
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from upscaler import fetching
from upscaler.engines.uwear import errors
from upscaler.engines.uwear.errors import UwearError

logger = logging.getLogger(__name__)

USER_AGENT = "Upscaler/0.1 (product picture desk)"
MAX_ANSWER_BYTES = 5_000_000
WESTMOST = timedelta(hours=-12)
"""No zone is further behind UTC."""
MAX_ID = 2**63 - 1
KNOWN_STATUSES = ("Created", "Ongoing", "Done", "Error")


@dataclass(frozen=True)
class Result:
    """One enlarged picture at the vendor."""

    result_id: int
    generation_id: str
    """Empty where it can't be read."""
    url: str
    """Where it can be downloaded; empty where the vendor does not say."""
    created_at: datetime | None
    expires_at: datetime | None
    """Where the vendor says it itself."""
    available: bool | None
    """Where the vendor says it itself."""


@dataclass(frozen=True)
class Generation:
    """One job at the vendor."""

    generation_id: str
    """Empty where it can't be read."""
    feature_name: str
    """What the vendor made; empty where it does not say."""
    status: str
    """``Created``, ``Ongoing``, ``Done`` or ``Error``; any other text was read as ``Ongoing``."""
    created_at: datetime | None
    """The latest that it can be: what the vendor writes may lack its zone."""
    payload: Mapping[str, Any] | None
    """What was submitted; None where it can't be read."""
    progress: float | None
    """From 0 to 1, where the vendor says it."""
    error: str
    results: list[Result] = field(default_factory=list)


@dataclass(frozen=True)
class GenerationPage:
    """A page of the vendor's list; pages start at 1."""

    generations: list[Generation]
    max_page: int | None
    """None where the vendor does not say it."""


class UwearClient:
    """One account at the vendor. Every method raises `UwearError`."""

    def __init__(self, url: str, key: str, *, connect_timeout: float, read_timeout: float) -> None:
        self._url = url.rstrip("/")
        self._key = key.strip()
        self._timeout = (connect_timeout, read_timeout)
        self.max_call_time = connect_timeout + read_timeout
        """Seconds; no call takes longer, however slowly the vendor answers."""
        self._local = threading.local()

    def submit(self, body: Mapping[str, Any], *, path: str = "generation-upscale") -> str:
        """``POST /generation-upscale``, or to what is this dialect's ``path``; the new generation's id."""
        answer = self._call("POST", path, body=body)
        return str(_number(answer, "generation_id"))

    def generation(self, generation_id: str) -> Generation:
        """``GET /generation/{id}``."""
        answer = self._call("GET", f"generation/{generation_id}")
        if str(_number(answer, "generation_id")) != generation_id:
            raise errors.unreadable("is about another order", unavailable=False)
        return _generation(answer)

    def generations(self, page: int = 1) -> GenerationPage:
        """``GET /generations``, one page. A row that can't be read is there too, without its id."""
        answer = self._call("GET", "generations", query={"page": page})
        rows = answer.get("data")
        if not isinstance(rows, list):
            raise errors.unreadable("has no list where one should be", unavailable=False)
        max_page = answer.get("max_page")
        return GenerationPage(
            generations=[_generation(row if isinstance(row, dict) else {}) for row in rows],
            max_page=max_page if isinstance(max_page, int) and not isinstance(max_page, bool) else None,
        )

    def result(self, result_id: int) -> Result | None:
        """``GET /generation-result/{id}``; None for one that the vendor does not know."""
        try:
            result = _result(self._call("GET", f"generation-result/{result_id}"))
        except UwearError as error:
            if error.code == "uwear_not_found":
                return None
            raise
        if result.result_id != result_id:
            raise errors.unreadable("is about another result", unavailable=False)
        return result

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """One bare call, for finding out what the host answers: the status, and the JSON (None where it is none)."""
        response, content = self._send(method, path, body=body)
        return response.status_code, _json(content)

    def _call(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        response, content = self._send(method, path, body=body, query=query)
        answer = _json(content)
        if not 200 <= response.status_code < 300:
            detail = answer.get("detail") if isinstance(answer, dict) else None
            logger.warning("Uwear answered %s to %s %s", response.status_code, method, path)
            raise errors.refusal(response.status_code, response.headers, detail)
        if answer is None:
            raise errors.unreadable("is empty or not JSON", unavailable=True)
        if not isinstance(answer, dict):
            raise errors.unreadable("has an unknown shape", unavailable=False)
        return answer

    def _send(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> tuple[requests.Response, bytes]:
        session = self._session
        deadline = time.monotonic() + self.max_call_time

        def ask() -> tuple[requests.Response, bytes]:
            with session.request(
                method,
                f"{self._url}/{path}",
                json=body,
                params=query,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return response, _read(response, deadline)

        try:
            response, content = fetching.run_with_deadline(deadline, ask)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # It may still be in the hands of a call that was left behind.
            self._local.session = None
            trouble = _trouble(error)
            logger.warning("Uwear: %s %s: %s (%s)", method, path, trouble.code, type(error).__name__)
            # Not chained: a library's message may hold what was sent.
            raise trouble from None
        # In case the vendor repeats it: its words end up in logs and on pages.
        return response, content.replace(self._key.encode(), b"***") if self._key else content

    @property
    def _session(self) -> requests.Session:
        # One for each thread: requests does not promise that threads may share one.
        session = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # Else a .netrc would replace the key, and a proxy of the environment would see every call.
            session.trust_env = False
            for scheme in ("http", "https"):
                session.mount(f"{scheme}://", fetching.WatchedAdapter())
            session.headers.update(
                {"Authorization": f"Bearer {self._key}", "User-Agent": USER_AGENT, "Accept": "application/json"}
            )
            self._local.session = session
        return session


def _read(response: requests.Response, deadline: float) -> bytes:
    content = bytearray()
    for chunk in fetching.chunks(response, deadline):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise requests.exceptions.ReadTimeout
    return bytes(content)


def _trouble(error: Exception) -> UwearError:
    """What a failed call means; ``maybe_taken`` unless it is certain that no request ever left."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        cause = getattr(reason, "args", (None,))[0]
        # Any other TLS fault may come after the request was sent.
        before = isinstance(cause, ssl.SSLCertVerificationError)
        return errors.not_reached("uwear_tls", "can’t be reached safely: its certificate fails", maybe_taken=not before)
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return errors.not_reached("uwear_dns", "can’t be found under its address", maybe_taken=False)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return errors.not_reached("uwear_unreachable", "does not answer", maybe_taken=False)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return errors.not_reached("uwear_unreachable", "can’t be reached", maybe_taken=False)
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return errors.not_reached("uwear_timeout", "did not answer in time", maybe_taken=True)
    return errors.not_reached("uwear_cut", "broke off in the middle of its answer", maybe_taken=True)


def _json(content: bytes | str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _number(answer: Mapping[str, Any], name: str) -> int:
    """An id: a whole number, also as text. Raises UwearError."""
    value = answer.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ID:
        return value
    raise errors.unreadable(f"has no {name}", unavailable=False)


def _number_or_nothing(answer: Mapping[str, Any], name: str) -> str:
    try:
        return str(_number(answer, name))
    except UwearError:
        return ""


def _moment(value: Any, *, zone: timedelta = timedelta(0)) -> datetime | None:
    """A time as the vendor writes it; one without a zone is in the one that is ``zone`` ahead of UTC."""
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None or not 1900 <= moment.year <= 2999:
        # One at the end of all times stands for "never", and can't be told in every zone.
        return None
    return timezone.make_aware(moment, timezone.get_fixed_timezone(zone)) if timezone.is_naive(moment) else moment


def _generation(row: Mapping[str, Any]) -> Generation:
    number = _number_or_nothing(row, "generation_id")
    feature = row.get("feature_name")
    status = row.get("status")
    if status not in KNOWN_STATUSES:
        logger.warning("Uwear: generation %s has the unknown status %.40r, read as still working", number, status)
        status = "Ongoing"
    results = row.get("generation_results")
    error = row.get("error")
    return Generation(
        generation_id=number,
        feature_name=feature if isinstance(feature, str) else "",
        status=str(status),
        created_at=_moment(row.get("created_at"), zone=WESTMOST),
        payload=_payload(row.get("payload")),
        progress=_fraction(row.get("progress")),
        error=error if isinstance(error, str) else "",
        results=[
            _result(item)
            for item in (results if isinstance(results, list) else [])
            if isinstance(item, dict) and _number_or_nothing(item, "generation_result_id")
        ],
    )


def _fraction(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _payload(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        value = _json(value)
    return value if isinstance(value, dict) else None


def _result(row: Mapping[str, Any]) -> Result:
    url = row.get("image_url") or row.get("url")
    available = row.get("available")
    return Result(
        result_id=_number(row, "generation_result_id"),
        generation_id=_number_or_nothing(row, "generation_id"),
        url=url if isinstance(url, str) else "",
        created_at=_moment(row.get("created_at")),
        expires_at=_moment(row.get("expires_at")),
        available=available if isinstance(available, bool) else None,
    )

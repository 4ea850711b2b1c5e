"""What can go wrong, as exceptions that carry the desk's own code and message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from upscaler_client.wire import Answer


class UpscalerError(Exception):
    """Whatever this package raises on purpose."""

    code: str = ""
    """A short name for programs."""

    @property
    def message(self) -> str:
        """What was wrong and what to do, for people."""
        return str(self)


class ConnectionFailed(UpscalerError):
    """The desk could not be reached, or the connection broke before an answer came."""

    code = "connection"


class MaybeTaken(ConnectionFailed):
    """No answer came to an order at an address that keeps no Idempotency-Key, so that it was not sent again.

    Look at the list of generations before you order anew.
    """

    code = "maybe_taken"


class StillRunning(UpscalerError):
    """The time given for waiting is over; the work goes on. Follow it again later."""

    code = "still_running"


class UpscaleFailed(UpscalerError):
    """An upscale ended without a result. Its credits are back."""

    code = "failed"


class Withheld(UpscalerError):
    """A result that waits for a person's approval on the desk, or was rejected there."""

    code = "withheld"


class WebhookInvalid(UpscalerError):
    """A message whose signature does not hold, or that is older than five minutes. Do not act on it."""

    code = "webhook_invalid"


@dataclass(frozen=True)
class Problem:
    """One broken rule: its code, where in the request it was broken, and what to do."""

    code: str
    place: tuple[str | int, ...]
    message: str


class ApiError(UpscalerError):
    """The desk refused a call."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        problems: Sequence[Problem] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or f"http_{status}"
        self.problems = tuple(problems)
        """All broken rules, where it was one or more of these."""
        self.retry_after = retry_after
        """Seconds after which the desk would like to be asked again."""


class NotAuthenticated(ApiError):
    """401: no token, or one that is not good any more."""


class NotEnoughCredits(ApiError):
    """402: not enough credits, or beyond a budget."""


class NotAllowed(ApiError):
    """403: the token may only look."""


class NotFound(ApiError):
    """404: nothing by this number in the token's team."""


class LinkExpired(ApiError):
    """410: a link ran out, or what was behind it is deleted."""


class TooLarge(ApiError):
    """413: more bytes or pixels than the desk takes."""


class NotAPicture(ApiError):
    """415: not a picture that the desk reads."""


class Refused(ApiError):
    """422: a rule is broken; ``problems`` has each of them."""


class TooManyCalls(ApiError):
    """429: more calls, or more uploads that nobody orders, than the desk takes now."""


class Unavailable(ApiError):
    """5xx: the desk, or what it needs, is away."""


KINDS: dict[int, type[ApiError]] = {
    401: NotAuthenticated,
    402: NotEnoughCredits,
    403: NotAllowed,
    404: NotFound,
    410: LinkExpired,
    413: TooLarge,
    415: NotAPicture,
    422: Refused,
    429: TooManyCalls,
}
MAX_TEXT = 500
"""Of an answer that is no JSON, such as a proxy's page."""


def error_of(answer: Answer) -> ApiError:
    """The exception for an answer that is an error."""
    kind = KINDS.get(answer.status, Unavailable if answer.status >= 500 else ApiError)
    body = answer.json()
    detail = body.get("detail") if isinstance(body, dict) else None
    problems = [_problem(one) for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []
    given = body.get("code") if isinstance(body, dict) else None
    return kind(
        _message(answer, detail, problems),
        status=answer.status,
        code=str(given) if given else (problems[0].code if problems else ""),
        problems=problems,
        retry_after=retry_after(answer),
    )


def retry_after(answer: Answer) -> float | None:
    """The seconds of ``Retry-After``, which is a number or a date; None without one that can be read."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _problem(detail: dict[str, Any]) -> Problem:
    place = detail.get("loc")
    return Problem(
        code=str(detail.get("type", "")),
        place=tuple(place) if isinstance(place, list) else (),
        message=str(detail.get("msg", "")),
    )


def _message(answer: Answer, detail: object, problems: list[Problem]) -> str:
    if problems:
        return "\n".join(_shown(problem) for problem in problems)
    if isinstance(detail, str) and detail:
        return detail
    if "html" not in answer.headers.get("content-type", "") and (text := answer.content.decode(errors="replace")):
        return f"HTTP {answer.status}: {text[:MAX_TEXT].strip()}"
    return f"HTTP {answer.status} without a word of explanation. Is this the address of the desk?"


def _shown(problem: Problem) -> str:
    # “body” and “query” say nothing to whoever called a function.
    place = ".".join(str(part) for part in problem.place[1:])
    return f"{place}: {problem.message}" if place else problem.message

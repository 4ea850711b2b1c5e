"""Everything that can go wrong with the vendor, as sentences for people and codes for programs.

The vendor runs FastAPI: its errors are ``{"detail": "text"}`` or ``{"detail": [{"type", "loc", "msg"}]}``, and
anything at all where a proxy answers in its place.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any

from upscaler import upscaling_models
from upscaler.engines.base import EngineError
from upscaler.numbers import any_number

MAX_QUOTE_LENGTH = 200
MAX_RETRY_AFTER = 15 * 60.0
"""Seconds; whatever the vendor asks for, it is asked again after this."""
USUAL_RETRY_AFTER = 30.0
"""Seconds to leave the vendor alone where it does not say how long."""

FIELDS = {
    "image_url": "the picture’s address",
    "generation_result_id": "the earlier result",
    "generation_result_parent_id": "the earlier result",
    "model_name": "the model",
    "model_slug": "the model",
    "generation_settings": "the settings",
    "feature_setting": "the settings",
}
NO_SUCH_CALL = "Not Found"
"""FastAPI's own words for an address that it does not have."""
UNKNOWN = "extra_forbidden"
"""The type of a rule that a field broke which the vendor does not have."""
TELL_ADMIN = "Tell the admin of your desk; try again once it is settled."


class UwearError(EngineError):
    """An `EngineError` that remembers the HTTP status, where there was one.

    ``is_unknown``: the vendor says in its own words that it does not know what was asked about.
    """

    is_unknown = False

    def __init__(self, message: str, *, code: str, permanent: bool, status: int | None = None, **more: Any) -> None:
        super().__init__(message, code=code, permanent=permanent, **more)
        self.status = status


def not_reached(code: str, words: str, *, maybe_taken: bool) -> UwearError:
    """The vendor could not be talked to at all; ``words`` complete "Uwear ..."."""
    message = f"Uwear {words}. Nothing is wrong with your picture: try again later."
    return UwearError(message, code=code, permanent=False, unavailable=True, maybe_taken=maybe_taken)


def unreadable(words: str, *, unavailable: bool) -> UwearError:
    """The vendor said yes, but not in a way that can be understood; ``words`` complete "Uwear’s answer ..."."""
    return UwearError(
        f"Uwear’s answer {words}. Try again later; if it stays so, tell the admin of your desk.",
        code="uwear_unreadable",
        permanent=False,
        unavailable=unavailable,
        maybe_taken=True,
    )


def refusal(status: int, headers: Mapping[str, str], detail: Any) -> UwearError:
    """The error for an answer that is not a success. ``detail`` is the body's own ``detail``; None where it has none.

    Facts of the statuses: the contract's README.
    """
    quoted = quote(detail)
    match status:
        case _ if status >= 400 and isinstance(detail, str) and "download file from url" in detail.lower():
            # Whatever its status. Tried again: it may be our own desk that could not be reached for a moment.
            return UwearError(
                f"Uwear could not fetch the picture{quoted}. Check that its address opens in a private browser "
                "window; for an upload, tell the admin of your desk.",
                code="uwear_cannot_fetch",
                permanent=False,
                status=status,
            )
        case 403 | 404 if detail is None:
            # Not in the vendor's own words: something in front of it refuses.
            error = not_reached(
                "uwear_blocked", f"is kept from us by something on the way ({status})", maybe_taken=True
            )
        case 401 | 403:
            return _final("uwear_key", f"Uwear refuses the key of this desk. {TELL_ADMIN}", status)
        case 402:
            return _final("uwear_credits", f"The desk’s own account at Uwear has no credits left. {TELL_ADMIN}", status)
        case 404:
            message = f"Uwear knows nothing of this call or its picture{quoted}. {TELL_ADMIN}"
            error = _final("uwear_not_found", message, status)
            error.is_unknown = isinstance(detail, str) and detail != NO_SUCH_CALL
        case 408 | 409 | 425:
            return UwearError(
                f"Uwear could not take the picture just now{quoted}. Try again in a while.",
                code="uwear_busy",
                permanent=False,
                status=status,
                maybe_taken=True,
            )
        case 415:
            message = f"Uwear wants orders in another form than this desk sends{quoted}. {TELL_ADMIN}"
            return _final("uwear_refused", message, status)
        case 429:
            return UwearError(
                "Uwear takes no more pictures at the moment. Try again in a while.",
                code="uwear_rate",
                permanent=False,
                status=status,
                retry_after=_seconds(headers.get("Retry-After", "")),
            )
        case _ if 300 <= status < 400:
            error = not_reached(
                "uwear_redirect", "sends us to another address, which we do not follow", maybe_taken=True
            )
        case _ if status >= 500:
            error = not_reached("uwear_outage", f"has trouble of its own (it answered {status})", maybe_taken=True)
            if wished := headers.get("Retry-After"):
                error.retry_after = _seconds(wished)
        case _:
            return _final("uwear_refused", f"Uwear does not take this order{quoted}. {_what_to_do(detail)}", status)
    error.status = status
    return error


def quote(detail: Any) -> str:
    """What the vendor said, as the end of a sentence of ours; empty where it said nothing that helps."""
    if isinstance(detail, str):
        said = _tidy(detail)
    elif isinstance(detail, list):
        said = "; ".join(_problem(item) for item in detail[:3] if isinstance(item, Mapping))
    else:
        said = ""
    return f": “{said}”" if said else ""


def _problem(item: Mapping[str, Any]) -> str:
    """One broken rule, under the name that our page has for the field."""
    loc = item.get("loc")
    parts = [str(part) for part in loc if part != "body"] if isinstance(loc, list) else []
    message = _tidy(str(item.get("msg", ""))) or "not taken"
    if not parts:
        return message
    found = (model.setting(parts[-1]) for model in upscaling_models.MODELS.values())
    setting = next(filter(None, found), None)
    return f"{setting.label if setting else FIELDS.get(parts[0], _tidy(parts[0]))}: {message}"


def _what_to_do(detail: Any) -> str:
    if isinstance(detail, list) and any(isinstance(rule, Mapping) and rule.get("type") == UNKNOWN for rule in detail):
        # Whoever ordered can't do anything about it: the desk and the host speak different interfaces.
        return TELL_ADMIN
    return "Change what it names and send it again." if detail else "Try another picture or model."


def _final(code: str, message: str, status: int) -> UwearError:
    return UwearError(message, code=code, permanent=True, status=status)


def _tidy(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return line if len(line) <= MAX_QUOTE_LENGTH else f"{line[:MAX_QUOTE_LENGTH]}…"


def _seconds(header: str) -> float:
    """``Retry-After`` as seconds: a number or a date, within bounds."""
    try:
        wished = any_number(header)
    except ValueError:
        try:
            wished = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return USUAL_RETRY_AFTER
    # A number that is none (NaN) compares as neither.
    return min(wished, MAX_RETRY_AFTER) if wished > 1 else 1.0

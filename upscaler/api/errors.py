"""What the API answers when something is wrong: always a body, in the contract's shape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, InternalError, OperationalError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from ninja.errors import AuthenticationError, HttpError, Throttled
from ninja.errors import ValidationError as RequestInvalid

from upscaler import no_room, upscaling_models
from upscaler.api.parser import FILE
from upscaler.batches.items import OF_ALL, ItemsRefused
from upscaler.credits import CreditsRefused
from upscaler.database_away import is_away
from upscaler.errors import PublicError
from upscaler.imaging import decoding
from upscaler.ordering import idempotency_keys, results, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.storage import quota, team_room

logger = logging.getLogger(__name__)

CODES = {
    "required": "missing",
    "invalid": "int_parsing",
    "min_value": "greater_than_equal",
    "max_value": "less_than_equal",
    "max_length": "string_too_long",
    "null_characters_not_allowed": "value_error",
}
"""Pydantic's names for what Django's own fields refuse."""
NAMES = {"image": FILE}
"""What programs call a field that has another name on the page."""
MAYBE_TAKEN = (
    "The desk's database did not answer, so this order may have been taken all the same. Send it again with the same "
    "Idempotency-Key: that gives the same generation and charges nothing twice. Without a key, look at your "
    "generations first."
)
"""What programs are told in place of the words for people."""
NOT_NOW = {results.UNAVAILABLE: 60, decoding.BUSY: 30}
"""What is no fault of the call and passes: by its code the seconds after which to send the call again."""

PLAIN = {"not_reviewer": 403, "decided_before": 409, "not_decided": 409, "no_result": 409, "not_rejected": 409}
"""Refused decisions about results, which are no faults of the call's form: their statuses by code."""

MAX_PROBLEMS = 100
"""In one answer: a batch may hold thousands of wrong items."""


def check_engine(form: UpscaleForm) -> None:
    """A refusal that only says "not now" is no rule that the caller broke."""
    for errors in form.errors.as_data().values():
        for error in errors:
            if error.code in NOT_NOW:
                raise PublicError(" ".join(map(str, error.messages)), code=error.code)


def problems_of(
    form: Form, *, place: Sequence[str | int] = ("body",), fields: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """A refused form's errors in the contract's shape: ``type``, ``loc``, ``msg``.

    ``place``: where the form's fields stand. Of ``fields`` alone, where these are given.
    """
    problems = []
    for field, errors in form.errors.as_data().items():
        if fields is not None and field not in fields:
            continue
        for error in errors:
            loc = [*place] if field == "__all__" else [*place, NAMES.get(field, field)]
            params = getattr(error, "params", None) or {}
            if field == "generation_settings" and "setting" in params:
                loc.append(params["setting"])
            code = CODES.get(error.code or "", error.code)
            message = " ".join(map(str, error.messages))
            if error.code in ("source_missing", "source_ambiguous"):
                # People see no field names, programs need them.
                message += " Give either image_url or generation_result_id."
            problems.append({"type": code, "loc": loc, "msg": message})
    return problems


def _answer(request: HttpRequest, status: int, detail: Any) -> HttpResponse:
    return JsonResponse({"detail": detail}, status=status)


def _not_authenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    response = _answer(request, 401, error.message)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _invalid(request: HttpRequest, error: RequestInvalid) -> HttpResponse:
    # The framework names the Python parameter (`payload`, `file`) inside the location; callers never sent it.
    problems = [
        {
            "type": problem["type"],
            "loc": [_part(part) for i, part in enumerate(problem["loc"]) if not (i == 1 and part == "payload")],
            "msg": problem["msg"],
        }
        for problem in error.errors[:MAX_PROBLEMS]
    ]
    return _problems(request, problems, more=len(error.errors) - len(problems))


def _part(part: str | int) -> str | int:
    # The name of a field that nobody knows may be as long as the body.
    return upscaling_models.shortened(part) if isinstance(part, str) else part


def _problems(request: HttpRequest, problems: list[dict[str, Any]], *, more: int) -> HttpResponse:
    """The answer with as many of the problems as one may hold, and how many there are beside them."""
    more += len(problems[MAX_PROBLEMS:])
    problems = problems[:MAX_PROBLEMS]
    if more:
        message = f"This is the beginning: there are {more:,} more. Mend these, and send it again."
        problems.append({"type": "too_many_problems", "loc": ["body"], "msg": message})
    return _answer(request, 422, problems)


def _items_refused(request: HttpRequest, error: ItemsRefused) -> HttpResponse:
    problems = []
    for refused in error.refused:
        own = set(refused.form.errors) - set(OF_ALL)
        if refused.index is None:
            problems += problems_of(refused.form, fields=OF_ALL)
        else:
            problems += problems_of(refused.form, place=("body", "items", refused.index), fields=own)
    return _problems(request, problems, more=error.more)


def _refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    # The framework wraps whatever a parser raises in an error of its own.
    if isinstance(error.__cause__, RequestInvalid):
        return _invalid(request, error.__cause__)
    response = _answer(request, error.status_code, error.message)
    if error.status_code == 429:
        response.headers["Retry-After"] = "60"
    return response


def _body_too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return _answer(request, 413, f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes.")


def _unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
    return _answer(
        request, 400, "The request could not be read. Send one multipart form with the file in the field “file”."
    )


def _too_few_credits(request: HttpRequest, error: CreditsRefused) -> HttpResponse:
    return _answer(request, 402, error.message)


def _key_used_before(request: HttpRequest, error: idempotency_keys.IdempotencyConflict) -> HttpResponse:
    message = "This Idempotency-Key was used before with another body. Use a new key for a new request."
    problem = {"type": "idempotency_conflict", "loc": ["header", "Idempotency-Key"], "msg": message}
    return _answer(request, 422, [problem])


def _unknown(request: HttpRequest, error: Http404) -> HttpResponse:
    return _answer(request, 404, "There is nothing by this number in your team.")


def _too_fast(request: HttpRequest, error: Throttled) -> HttpResponse:
    return _answer(request, 429, f"Too many calls: at most {settings.API_RATE} per token. Wait, then go on.")


def _public_error(request: HttpRequest, error: PublicError) -> HttpResponse:
    if error.code == submission.MAYBE_TAKEN:
        response = _answer(request, 503, MAYBE_TAKEN)
        response.headers["Retry-After"] = "10"
        return response
    if error.code == quota.FULL:
        response = JsonResponse({"detail": error.message, "code": error.code}, status=429)
        opens_at = quota.opens_at(request.auth.team_id)  # type: ignore[attr-defined]
        response.headers["Retry-After"] = str(max(1, int((opens_at - timezone.now()).total_seconds())))
        return response
    if error.code == team_room.FULL:
        # Not 507: whatever a program tries again by itself helps nobody until a person has made room.
        return JsonResponse({"detail": error.message, "code": error.code}, status=403)
    if error.code in no_room.CODES:
        response = JsonResponse({"detail": error.message, "code": error.code}, status=503)
        response.headers["Retry-After"] = str(no_room.RETRY_AFTER)
        return response
    if error.code in PLAIN:
        return _answer(request, PLAIN[error.code], error.message)
    if error.code not in NOT_NOW:
        return _answer(request, 422, [{"type": error.code, "loc": ["body"], "msg": error.message}])
    response = _answer(request, 503, error.message)
    response.headers["Retry-After"] = str(NOT_NOW[error.code])
    return response


def _cannot_now(request: HttpRequest, error: Exception) -> HttpResponse:
    if (refusal := no_room.refusal_of(error)) is not None:
        return _public_error(request, refusal)
    logger.exception("the API could not take a call", exc_info=error)
    response = _answer(request, 503, "The desk can't take work at the moment. Nothing was charged; try again.")
    response.headers["Retry-After"] = "10"
    return response


def _ended_session(request: HttpRequest, error: InternalError) -> HttpResponse:
    if not is_away(error):
        raise error
    return _cannot_now(request, error)


HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    AuthenticationError: _not_authenticated,
    RequestInvalid: _invalid,
    ItemsRefused: _items_refused,
    HttpError: _refused,
    RequestDataTooBig: _body_too_large,
    MultiPartParserError: _unreadable,
    SuspiciousOperation: _unreadable,
    CreditsRefused: _too_few_credits,
    idempotency_keys.IdempotencyConflict: _key_used_before,
    Http404: _unknown,
    Throttled: _too_fast,
    PublicError: _public_error,
    OperationalError: _cannot_now,
    InterfaceError: _cannot_now,
    InternalError: _ended_session,
    OSError: _cannot_now,
}
"""By kind of error what answers it; of several that fit, the most special."""

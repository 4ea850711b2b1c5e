"""What the calls have in common: errors that they may answer, pages of lists, unknown parameters, and headers."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest, HttpResponseNotModified
from django.http.response import HttpResponseBase
from ninja.errors import ValidationError as RequestInvalid
from ninja.operation import Operation

from upscaler import upscaling_models
from upscaler.api import filters, polled, schemas

ERRORS = {
    401: schemas.PlainError,
    402: schemas.PlainError,
    403: schemas.PlainError,
    404: schemas.PlainError,
    409: schemas.PlainError,
    413: schemas.PlainError,
    414: schemas.PlainError,
    415: schemas.PlainError,
    422: schemas.RuleError,
    429: schemas.PlainError,
    503: schemas.PlainError,
}


FAR = 1_000
"""Rows before a page from which on they are worth a query of their own."""


def errors_of(*statuses: int) -> dict[int, Any]:
    """The errors of a call for its description: ``statuses``, and those of all calls."""
    return {status: ERRORS[status] for status in (401, 414, 422, 429, 503, *statuses)}


def page(
    rows: Any, query: filters.PageQuery, shapes: Callable[[list[Any]], Iterable[dict[str, Any]]]
) -> dict[str, Any]:
    """The page of ``rows`` that the query asks for, in their ``shapes``."""
    number, items = query.page or 1, query.items_per_page or filters.ITEMS_PER_PAGE
    total = rows.count()
    start = (number - 1) * items
    return {
        "current_page": number,
        "max_page": max(1, -(-total // items)),
        "total_count": total,
        "data": list(shapes(_between(rows, start, min(start + items, total), total))),
    }


def _between(rows: Any, start: int, end: int, total: int) -> list[Any]:
    """``rows[start:end]``: the database steps over those before it, so they are counted from the nearer end."""
    if start >= end:
        return []
    if start <= total // 2:
        return _at(rows, start, end)
    return _at(rows.reverse(), total - end, total - start)[::-1]


def _at(rows: Any, start: int, end: int) -> list[Any]:
    if start < FAR:
        return list(rows[start:end])
    # What is stepped over is read too, so by its number alone.
    return list(rows.filter(pk__in=list(rows.values_list("pk", flat=True)[start:end])))


def refuse_unknown(call: Callable[..., Any]) -> Callable[..., Any]:
    """Have the call refuse parameters that it has not: a filter with a slip of the pen would give everything.

    Those that take none and change something are left as they are. The call raises ninja's ValidationError.
    """
    operation: Operation = call._ninja_operation  # type: ignore[attr-defined]
    sources = [model for model in operation.models if model.__ninja_param_source__ == "query"]
    known = [name for model in sources for name in model.__ninja_flatten_map__]
    if not known and "GET" not in operation.methods:
        return call
    takes = f"This call takes: {', '.join(known)}." if known else "This call takes none."

    @functools.wraps(call)
    def checked(request: HttpRequest, *args: Any, **values: Any) -> Any:
        unknown = [name for name in request.GET if name not in known]
        if unknown:
            raise RequestInvalid([_unknown(name, takes) for name in unknown])
        return call(request, *args, **values)

    return checked


def _unknown(name: str, takes: str) -> dict[str, Any]:
    message = f"There is no parameter called “{upscaling_models.shortened(name)}”. {takes}"
    return {"type": "extra_forbidden", "loc": ["query", name], "msg": message}


def say_unchanged(call: Callable[..., Any]) -> Callable[..., Any]:
    """Have a call that looks answer 304 where the caller has what it would answer (`ETag`, `If-None-Match`)."""
    operation: Operation = call._ninja_operation  # type: ignore[attr-defined]
    if "GET" not in operation.methods:
        return call

    @functools.wraps(call)
    def checked(request: HttpRequest, *args: Any, **values: Any) -> Any:
        answer = call(request, *args, **values)
        if not isinstance(answer, dict):
            return answer
        # Weak: links are signed anew each time, and those that the caller has work for as long.
        tag = f'W/"{hashlib.sha256(json.dumps(_lasting(answer), default=str).encode()).hexdigest()[:32]}"'
        request.api_tag = tag  # type: ignore[attr-defined]
        # A poll's answer is made to be kept, whether or not this caller has it.
        return HttpResponseNotModified() if polled.has(request, tag) and not hasattr(request, "poll") else answer

    return checked


LINKS = ("image_url", "url")
"""Of a result, in the older interface and in the newer one."""


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(part) for key, part in value.items() if key not in LINKS}
    return [_lasting(part) for part in value] if isinstance(value, list) else value


def add_headers(run: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Have a call say in its headers which version it answered, and how many calls its token has left."""

    @functools.wraps(run)
    def with_headers(request: HttpRequest, *args: Any, **values: Any) -> HttpResponseBase:
        response = run(request, *args, **values)
        if response.status_code in (200, 304) and (tag := getattr(request, "api_tag", None)):
            response.headers["ETag"] = tag
        if (rate := getattr(request, "api_rate", None)) is not None:
            for name, value in rate.headers().items():
                response.headers[name] = value
        return response

    return with_headers

"""What the calls have in common: the errors that they may answer, pages of lists, and their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest
from ninja import Schema
from ninja.errors import ValidationError as RequestInvalid

from upscaler import upscaling_models
from upscaler.api import schemas

ERRORS = {
    401: schemas.PlainError,
    402: schemas.PlainError,
    403: schemas.PlainError,
    404: schemas.PlainError,
    413: schemas.PlainError,
    414: schemas.PlainError,
    415: schemas.PlainError,
    422: schemas.RuleError,
    429: schemas.PlainError,
    503: schemas.PlainError,
}


def errors_of(*statuses: int) -> dict[int, Any]:
    """The errors of a call for its description: ``statuses``, and those of all calls."""
    return {status: ERRORS[status] for status in (401, 414, 429, 503, *statuses)}


def page(
    rows: Any, query: schemas.PageQuery, shapes: Callable[[list[Any]], Iterable[dict[str, Any]]]
) -> dict[str, Any]:
    """The page of ``rows`` that the query asks for, in their ``shapes``."""
    number, items = query.page or 1, query.items_per_page or schemas.ITEMS_PER_PAGE
    total = rows.count()
    start = (number - 1) * items
    return {
        "current_page": number,
        "max_page": max(1, -(-total // items)),
        "total_count": total,
        "data": list(shapes(list(rows[start : start + items]))),
    }


def refuse_unknown(request: HttpRequest, query: type[Schema]) -> None:
    """Refuse parameters that the list has not: a filter with a slip of the pen would give everything.

    Raises ninja's ValidationError.
    """
    known = list(query.model_fields)
    if problems := [
        {
            "type": "extra_forbidden",
            "loc": ["query", name],
            "msg": f"There is no parameter called “{upscaling_models.shortened(name)}”. This list takes: "
            f"{', '.join(known)}.",
        }
        for name in request.GET
        if name not in known
    ]:
        raise RequestInvalid(problems)

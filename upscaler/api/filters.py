"""What lists are asked for: pages, and filters of upscales, results and batches."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from functools import reduce
from operator import or_
from typing import Annotated, Any

from django.db.models import Q
from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

from upscaler import file_names, search, upscaling_models
from upscaler.api.schemas import REFERENCE_EXAMPLE, SKU_EXAMPLE
from upscaler.models import MAX_ID, Upscale
from upscaler.ordering.forms import MAX_REFERENCE_LENGTH, MAX_SKU_LENGTH

ModelChoice = Enum("ModelChoice", {name: name for name in upscaling_models.MODELS})  # type: ignore[misc]
ITEMS_PER_PAGE = 20
EMPTY_IS_NOT_GIVEN = BeforeValidator(lambda value: None if value == "" else value)


def _refuse_underscores(value: Any) -> Any:
    if isinstance(value, str) and "_" in value:
        # Pydantic would read 1_0 as 10. All else that is no number it refuses itself.
        raise PydanticKnownError("int_parsing")
    return value


def _refuse_nulls(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("value_error", "Null characters are not allowed.")
    return value


PLAIN_DIGITS = BeforeValidator(_refuse_underscores)
NO_NULLS = BeforeValidator(_refuse_nulls)


class PageQuery(Schema):
    """Which page of a list. Pages start at 1; an empty value counts as not given."""

    page: Annotated[int | None, EMPTY_IS_NOT_GIVEN, PLAIN_DIGITS] = Field(1, ge=1, le=1_000_000)
    items_per_page: Annotated[int | None, EMPTY_IS_NOT_GIVEN, PLAIN_DIGITS] = Field(ITEMS_PER_PAGE, ge=1, le=100)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("datetime_parsing", "This moment is beyond all calendars.") from None


Moment = Annotated[datetime | None, EMPTY_IS_NOT_GIVEN, AfterValidator(_utc)]
WrittenReference = Annotated[str | None, EMPTY_IS_NOT_GIVEN, NO_NULLS]


class LabelQuery(PageQuery):
    """What upscales and batches are both found by. An empty value counts as not given."""

    reference: WrittenReference = Field(
        None, max_length=MAX_REFERENCE_LENGTH, description=f"The whole reference, like `{REFERENCE_EXAMPLE}`."
    )
    created_after: Moment = Field(
        None, description="Ordered at this moment or later, like `2026-11-27T08:00:00Z`; without a zone it is UTC."
    )
    created_before: Moment = Field(None, description="Ordered before this moment.")


class ResultQuery(LabelQuery):
    """Which results. An empty value counts as not given."""

    model_name: Annotated[ModelChoice | None, EMPTY_IS_NOT_GIVEN] = Field(None, description="Made by this model.")

    batch_id: Annotated[int | None, EMPTY_IS_NOT_GIVEN, PLAIN_DIGITS] = Field(None, ge=0, le=MAX_ID)
    sku: Annotated[str | None, EMPTY_IS_NOT_GIVEN, NO_NULLS] = Field(
        None, max_length=MAX_SKU_LENGTH, description=f"The whole SKU, like `{SKU_EXAMPLE}`."
    )
    name: Annotated[str | None, EMPTY_IS_NOT_GIVEN, NO_NULLS] = Field(
        None,
        max_length=file_names.MAX_LENGTH,
        description="A part of the name, like `red front`, in capital or small letters.",
    )
    review: Annotated[Upscale.Review | None, EMPTY_IS_NOT_GIVEN] = Field(
        None, description="`pending` are those that wait for approval."
    )


class GenerationQuery(ResultQuery):
    """Which upscales. An empty value counts as not given."""

    status: Annotated[Upscale.Status | None, EMPTY_IS_NOT_GIVEN] = None


def labelled(rows: Any, query: LabelQuery, *, moment: str) -> Any:
    """Those of the rows that the query's reference and moments leave; ``moment``: the column that they are about."""
    if query.reference is not None:
        # The condition of its index, which SQLite has to see.
        rows = rows.filter(reference=query.reference).exclude(reference="")
    if query.created_after is not None:
        rows = rows.filter(**{f"{moment}__gte": query.created_after})
    if query.created_before is not None:
        rows = rows.filter(**{f"{moment}__lt": query.created_before})
    return rows


def wanted(upscales: Any, query: ResultQuery) -> Any:
    """Those of the upscales that the query leaves, but for its status."""
    upscales = labelled(upscales, query, moment="created_at")
    if query.model_name is not None:
        upscales = upscales.filter(model_name=query.model_name.value)
    if query.batch_id is not None:
        upscales = upscales.filter(batch=query.batch_id)
    if query.sku is not None:
        upscales = upscales.filter(sku=query.sku)
    if query.review == Upscale.Review.PENDING:
        upscales = upscales.to_review()
    elif query.review is not None:
        upscales = upscales.filter(review=query.review)
    if query.name is not None:
        if any(len(word) >= search.SHORT for word in query.name.split()):
            # By its index first: it finds more than these, and never fewer.
            upscales = search.matching(upscales, query.name)
        # SQLite knows capitals of ASCII alone.
        spellings = {query.name, query.name.lower(), query.name.upper(), query.name.title()}
        upscales = upscales.filter(reduce(or_, (Q(source_name__icontains=spelling) for spelling in spellings)))
    return upscales

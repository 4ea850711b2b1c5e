"""The API's calls about evidence: what was done to which picture."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from upscaler.api.auth import token_of
from upscaler.api.filters import EMPTY_IS_NOT_GIVEN, NO_NULLS
from upscaler.api.responses import errors_of
from upscaler.api.schemas import SKU_EXAMPLE
from upscaler.models import Batch, Upscale, batch_queries
from upscaler.ordering.forms import MAX_SKU_LENGTH
from upscaler.views import evidence

router = Router()
FORMATS = {
    "responses": {
        200: {
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/csv": {"schema": {"type": "string"}},
            }
        }
    }
}


class EvidenceQuery(Schema):
    """As what, and of which product. An empty value counts as not given."""

    format: Annotated[Literal["json", "csv"] | None, EMPTY_IS_NOT_GIVEN] = "json"
    sku: Annotated[str | None, EMPTY_IS_NOT_GIVEN, NO_NULLS] = Field(
        None, max_length=MAX_SKU_LENGTH, description=f"The whole SKU, like `{SKU_EXAMPLE}`."
    )


class SkuEvidenceQuery(EvidenceQuery):
    """The same of one product."""

    sku: Annotated[str, NO_NULLS] = Field(
        min_length=1, max_length=MAX_SKU_LENGTH, description=f"The whole SKU, like `{SKU_EXAMPLE}`."
    )


@router.get(
    "/batches/{int:batch_id}/evidence",
    response={200: None, **errors_of(404, 422)},
    url_name="batch_evidence",
    summary="Get the evidence of a batch",
    openapi_extra=FORMATS,
)
def batch_evidence(request: HttpRequest, batch_id: int, query: Annotated[EvidenceQuery, Query()]) -> Any:
    """For each picture: digests, who ordered it, engine, networks, settings, verdict, approval, marks of its files."""
    batch = get_object_or_404(Batch, team=token_of(request).team_id, ordered_at__isnull=False, pk=batch_id)
    rows = evidence.narrowed(batch_queries.pictures(batch), query.sku or "")
    return evidence.answer(rows, query.format or "json", name=str(batch))


@router.get(
    "/evidence",
    response={200: None, **errors_of(404, 422)},
    url_name="sku_evidence",
    summary="Get the evidence of a product",
    openapi_extra=FORMATS,
)
def sku_evidence(request: HttpRequest, query: Annotated[SkuEvidenceQuery, Query()]) -> Any:
    """The same of every picture that the team had made for one SKU."""
    rows = Upscale.objects.filter(team=token_of(request).team_id)
    return evidence.answer(evidence.narrowed(rows, query.sku), query.format or "json", name=query.sku)

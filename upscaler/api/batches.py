"""The API's calls about many pictures: quotes, batches, and how these stand."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Header, Query, Router

from upscaler.api import batch_schemas
from upscaler.api.auth import TokenAuth
from upscaler.api.responses import errors_of, page, refuse_unknown
from upscaler.batches import items, progress, quotes
from upscaler.models import ApiToken, Batch
from upscaler.ordering import idempotency_keys, submission
from upscaler.views import results_zip

router = Router()


@router.post(
    "/quotes",
    response={200: batch_schemas.QuoteOut, **errors_of(413, 422)},
    auth=TokenAuth(only_looks=True),
    url_name="quotes",
    summary="What a batch would cost",
)
def create_quote(request: HttpRequest, payload: batch_schemas.BatchIn) -> Any:
    """Price, time and what is left after it, for the body of a batch. Charges and keeps nothing.

    The same rules as for `batches`; a token that may only look may ask too.
    """
    token = _token(request)
    orders = items.orders(payload.dict(exclude_defaults=True), team=token.team, host=request.get_host())
    return batch_schemas.quoted(quotes.quote(orders, team=token.team, user=token.user))


@router.post(
    "/batches",
    response={200: batch_schemas.BatchCreatedOut, **errors_of(402, 403, 413, 422)},
    url_name="batches",
    summary="Order many upscales together",
)
def create_batch(
    request: HttpRequest,
    payload: batch_schemas.BatchIn,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)] = None,
) -> Any:
    """Order up to thousands of pictures: all of them, or none where one breaks a rule or the credits don't suffice.

    With an `Idempotency-Key`, sending the same body again gives the same batch and charges nothing.
    """
    token = _token(request)
    # Without what is not given, so that fields to come leave a request the request that it was.
    body = payload.dict(exclude_defaults=True)
    idempotency = idempotency_keys.Idempotency.of(idempotency_key, body) if idempotency_key else None
    if idempotency and (earlier := idempotency_keys.find_repeated_batch(team=token.team, idempotency=idempotency)):
        return batch_schemas.created(earlier)
    orders = items.orders(body, team=token.team, host=request.get_host())
    upscales = submission.submit(
        orders,
        team=token.team,
        user=token.user,
        token=token,
        idempotency=idempotency,
        batch=items.batch(body, orders),
    )
    return batch_schemas.created(get_object_or_404(_batches(request), pk=upscales[0].batch_id))


@router.get("/batches", response={200: batch_schemas.BatchPage, **errors_of(422)}, summary="List batches")
def list_batches(request: HttpRequest, query: Annotated[batch_schemas.BatchQuery, Query()]) -> Any:
    """The team's batches, the newest first. What a person ordered on the page is one too."""
    refuse_unknown(request, batch_schemas.BatchQuery)
    found = _batches(request)
    if query.name is not None:
        found = found.filter(name__icontains=query.name)
    return page(found, query, batch_schemas.standings)


@router.get(
    "/batches/{int:batch_id}", response={200: batch_schemas.BatchOut, **errors_of(404)}, summary="Get one batch"
)
def get_batch(request: HttpRequest, batch_id: int) -> Any:
    """How a batch stands, and what it has cost. Its upscales are under `generations?batch_id=`."""
    return batch_schemas.standing(get_object_or_404(_batches(request), pk=batch_id))


@router.get(
    "/batches/{int:batch_id}/results.zip",
    response={200: None, 206: None, 416: None, **errors_of(404)},
    url_name="batch_results_zip",
    summary="Get a batch's results as a ZIP",
    openapi_extra={
        "responses": {200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}}
    },
)
def get_batch_results(request: HttpRequest, batch_id: int) -> Any:
    """Every result that is ready, under the team's names and in the folders of the sources, with `manifest.csv`.

    The manifest has a line for each picture of the batch, also for those without a result. A download that broke off
    goes on with `Range` and `If-Range` where the answer has an `ETag`.
    """
    batch = get_object_or_404(_batches(request).select_related("team"), pk=batch_id)
    token = _token(request)
    return results_zip.zip_of_batch(request, batch, user=token.user, token=token)


@router.post(
    "/batches/{int:batch_id}/cancel",
    response={200: batch_schemas.CancelledOut, **errors_of(403, 404)},
    summary="Cancel the rest of a batch",
)
def cancel_batch(request: HttpRequest, batch_id: int) -> Any:
    """End those upscales on which no work has begun; their credits come back. What is at work goes on.

    They end in `Error`. Cancelling once more is no error.
    """
    batch = get_object_or_404(_batches(request).select_related("team"), pk=batch_id)
    cancelled = progress.cancel(batch, user=_token(request).user, request=request)
    batch.refresh_from_db()
    return {**batch_schemas.standing(batch), "cancelled": cancelled}


def _token(request: HttpRequest) -> ApiToken:
    token: ApiToken = request.auth  # type: ignore[attr-defined]
    return token


def _batches(request: HttpRequest) -> QuerySet[Batch]:
    return Batch.objects.filter(team=_token(request).team_id, ordered_at__isnull=False)

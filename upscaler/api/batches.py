"""The API's calls about many pictures: quotes, batches, and how these stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router
from ninja.errors import ValidationError as RequestInvalid

from upscaler import representations
from upscaler.api import batch_schemas, errors, filters, schemas, waiting
from upscaler.api.auth import TokenAuth, token_of
from upscaler.api.responses import errors_of, page
from upscaler.batches import items, progress, quotes
from upscaler.channels import teams as channel_teams
from upscaler.models import Batch
from upscaler.ordering import idempotency_keys, submission
from upscaler.ordering.webhooks import WebhookForm
from upscaler.views import results_zip

router = Router()


@router.post(
    "/quotes",
    response={200: batch_schemas.QuoteOut, **errors_of(413, 422)},
    auth=TokenAuth(only_looks=True),
    url_name="quotes",
    summary="What a batch would cost",
    exclude_unset=True,
)
def create_quote(request: HttpRequest, payload: batch_schemas.BatchIn) -> Any:
    """Price, time and what is left after it, for the body of a batch. Charges and keeps nothing.

    The same rules as for `batches`; a token that may only look may ask too.
    """
    token = token_of(request)
    body = payload.dict(exclude_defaults=True)
    _webhook(body)
    orders = items.orders(body, team=token.team, host=request.get_host())
    channels = [channel_teams.find(token.team, id_) for id_ in orders[0].channels]
    return batch_schemas.quoted(quotes.quote(orders, team=token.team, user=token.user, channels=channels))


@router.post(
    "/batches",
    response={200: batch_schemas.BatchCreatedOut, **errors_of(402, 403, 413, 422)},
    url_name="batches",
    summary="Order many upscales together",
)
def create_batch(
    request: HttpRequest,
    payload: batch_schemas.BatchIn,
    idempotency_key: schemas.IdempotencyKey = None,
) -> Any:
    """Order up to thousands of pictures: all of them, or none where one breaks a rule or the credits don't suffice.

    With an `Idempotency-Key`, sending the same body again gives the same batch and charges nothing.
    """
    token = token_of(request)
    # Without what is not given, so that fields to come leave a request the request that it was.
    body = payload.dict(exclude_defaults=True)
    idempotency = idempotency_keys.Idempotency.of(idempotency_key, body) if idempotency_key else None
    if idempotency and (earlier := idempotency_keys.find_repeated_batch(team=token.team, idempotency=idempotency)):
        return batch_schemas.created(earlier)
    orders = items.orders(body, team=token.team, host=request.get_host())
    webhook = _webhook(body)
    upscales = submission.submit(
        orders,
        team=token.team,
        user=token.user,
        token=token,
        idempotency=idempotency,
        batch=replace(
            items.batch(body, orders),
            webhook=webhook.endpoint(team=token.team, user=token.user, request=request),
        ),
    )
    return batch_schemas.created(get_object_or_404(_batches(request), pk=upscales[0].batch_id))


@router.get(
    "/batches", response={200: batch_schemas.BatchPage, **errors_of(422)}, summary="List batches", exclude_unset=True
)
def list_batches(request: HttpRequest, query: Annotated[batch_schemas.BatchQuery, Query()]) -> Any:
    """The team's batches, the newest first. What a person ordered on the page is one too."""
    found = filters.labelled(_batches(request), query, moment="ordered_at")
    if query.status is not None:
        found = found.filter(ended_at__isnull=query.status == "Open")
    if query.name is not None:
        found = found.filter(name__icontains=query.name)
    return page(found, query, representations.batches)


@router.get(
    "/batches/{int:batch_id}",
    response={200: batch_schemas.BatchOut, **errors_of(404, 422)},
    summary="Get one batch",
    exclude_unset=True,
)
def get_batch(
    request: HttpRequest,
    response: HttpResponse,
    batch_id: int,
    query: Annotated[waiting.WaitQuery, Query()],
    prefer: waiting.PreferHeader = None,
) -> Any:
    """How a batch stands, and what it has cost. Its upscales are under `generations?batch_id=`."""
    batch = get_object_or_404(_batches(request), pk=batch_id)
    if (seconds := waiting.asked(query, prefer)) is not None:
        waiting.for_end(partial(waiting.batch_has_ended, batch_id), seconds, response)
        batch = get_object_or_404(_batches(request), pk=batch_id)
    return representations.batch(batch)


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
    token = token_of(request)
    return results_zip.zip_of_batch(request, batch, user=token.user, token=token)


@router.post(
    "/batches/{int:batch_id}/cancel",
    response={200: batch_schemas.CancelledOut, **errors_of(403, 404)},
    summary="Cancel the rest of a batch",
    exclude_unset=True,
)
def cancel_batch(request: HttpRequest, batch_id: int) -> Any:
    """End those upscales on which no work has begun; their credits come back. What is at work goes on.

    They end in `Error`. Cancelling once more is no error.
    """
    batch = get_object_or_404(_batches(request).select_related("team"), pk=batch_id)
    cancelled = progress.cancel(batch, user=token_of(request).user, request=request)
    batch.refresh_from_db()
    return {**representations.batch(batch), "cancelled": cancelled}


def _webhook(body: Mapping[str, Any]) -> WebhookForm:
    """The webhook that a body names. Raises ninja's ValidationError."""
    form = WebhookForm(dict(body))
    if not form.is_valid():
        raise RequestInvalid(errors.problems_of(form))
    return form


def _batches(request: HttpRequest) -> QuerySet[Batch]:
    return Batch.objects.filter(team=token_of(request).team_id, ordered_at__isnull=False)

"""The JSON API under `/api/v1`: the vendor's contract, served by this desk."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import File, Form, Header, NinjaAPI, Query, Status
from ninja.errors import HttpError
from ninja.errors import ValidationError as RequestInvalid
from ninja.files import UploadedFile
from ninja.operation import Operation

from upscaler.api import batches, errors, schemas
from upscaler.api.auth import TokenAuth, TokenThrottle
from upscaler.api.parser import StrictParser
from upscaler.api.responses import errors_of, page, refuse_unknown
from upscaler.channels import check as channel_check
from upscaler.channels import teams as channel_teams
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.models import WITHDRAWN, ApiToken, Upscale
from upscaler.ordering import idempotency_keys, results, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import source_reference
from upscaler.storage import quota, signed_links
from upscaler.storage.pictures import NewFiles

logger = logging.getLogger(__name__)

TOO_LARGE_CODES = ("too_large", "too_many_pixels", "out_of_memory")


class DeskAPI(NinjaAPI):
    """The framework's, with ids of operations that don't change when our modules move."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        # Clients that were generated from the description name their functions by it.
        return f"upscaler_api_{operation.view_func.__name__}"


api = DeskAPI(
    title="Upscaler",
    version="1",
    description="Enlarge product pictures. The same calls as the vendor's own API: change the host and the token.",
    auth=TokenAuth(),
    throttle=[TokenThrottle(settings.API_RATE)],
    parser=StrictParser(),
    docs_url="/docs",
    openapi_url="/openapi.json",
)
for error, answer in errors.HANDLERS.items():
    api.add_exception_handler(error, answer)
api.add_router("", batches.router)


@api.post(
    "/generation-upscale",
    response={200: schemas.GenerationUpscaleOut, **errors_of(402, 403, 422)},
    summary="Create Upscale",
    operation_id="create_upscale",
)
def create_upscale(
    request: HttpRequest,
    payload: schemas.GenerationUpscaleIn,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)] = None,
) -> Any:
    """Upscale a generated picture or any picture on the web.

    The price is charged now and returned if the upscale ends in `Error`. With an `Idempotency-Key`, sending the
    same body again gives the same generation and charges nothing.
    """
    token: ApiToken = request.auth  # type: ignore[attr-defined]
    body = payload.dict()
    for addition in schemas.ADDITIONS:
        # The vendor's contract knows no such field, so a request without it stays the request that it was.
        if not body[addition]:
            del body[addition]
    idempotency = idempotency_keys.Idempotency.of(idempotency_key, body) if idempotency_key else None
    if idempotency and (earlier := idempotency_keys.find_repeat(team=token.team, idempotency=idempotency)):
        return _created(earlier)
    form = UpscaleForm(body, team=token.team, host=request.get_host())
    if not form.is_valid() or form.order is None:
        errors.check_engine(form)
        raise RequestInvalid(errors.problems_of(form))
    [upscale] = submission.submit([form.order], team=token.team, user=token.user, token=token, idempotency=idempotency)
    return _created(upscale)


@api.get(
    "/generation/{int:generation_id}",
    response={200: schemas.GenerationDetailOut, **errors_of(404)},
    summary="Get one upscale",
    exclude_unset=True,
)
def get_generation(request: HttpRequest, generation_id: int) -> Any:
    """How one upscale stands, with its result once it is `Done`."""
    upscale = get_object_or_404(_upscales(request), pk=generation_id)
    found = [schemas.generation_result(request, upscale)] if upscale.gives_result else []
    return {**schemas.generation(upscale), "generation_results": found}


@api.get(
    "/generations",
    response={200: schemas.GenerationPage, **errors_of(422)},
    summary="List upscales",
    exclude_unset=True,
)
def list_generations(request: HttpRequest, query: Annotated[schemas.GenerationQuery, Query()]) -> Any:
    """The team's upscales, the newest first."""
    refuse_unknown(request, schemas.GenerationQuery)
    upscales = schemas.wanted(_upscales(request), query)
    if query.status is not None:
        upscales = upscales.filter(status=query.status)
    return page(upscales, query, partial(map, schemas.generation))


@api.get(
    "/generation-result/{int:generation_result_id}",
    response={200: schemas.GenerationResultOut, **errors_of(404)},
    summary="Get one result",
    exclude_unset=True,
)
def get_generation_result(request: HttpRequest, generation_result_id: int) -> Any:
    """One enlarged picture by its `generation_result_id`.

    Where this desk works through Uwear, one that another program made with the same account is found too; its
    `generation_id` is then Uwear's own.
    """
    done = _upscales(request).filter(status=Upscale.Status.DONE, result_id=generation_result_id)
    # Two engines may have used one number; the engine at work now is the one that is meant.
    found = done.filter(engine=settings.ENGINE).first() or done.first()
    if found is not None and not found.gives_result:
        raise HttpError(404, WITHDRAWN)
    if found is not None:
        return schemas.generation_result(request, found)
    try:
        team = request.auth.team  # type: ignore[attr-defined]
        known = results.find_elsewhere(generation_result_id, team=team)
    except PublicError as refusal:
        if refusal.code == results.UNAVAILABLE:
            raise refusal from None
        raise Http404 from None
    # The team's own that is still on its way here, or that ended without it.
    own = _upscales(request).filter(engine=settings.ENGINE, engine_id=known.engine_id).first()
    return schemas.result_elsewhere(known, own.pk if own is not None else int(known.engine_id))


@api.get(
    "/generation-results",
    response={200: schemas.GenerationResultPage, **errors_of(422)},
    summary="List results",
    exclude_unset=True,
)
def list_generation_results(request: HttpRequest, query: Annotated[schemas.ResultQuery, Query()]) -> Any:
    """The team's enlarged pictures, the newest first."""
    refuse_unknown(request, schemas.ResultQuery)
    results = schemas.wanted(_upscales(request).with_result(), query)
    return page(results, query, partial(map, partial(schemas.generation_result, request)))


@api.post("/uploads", response={201: schemas.UploadOut, **errors_of(403, 413, 415, 422)}, summary="Upload a picture")
def upload(request: HttpRequest, file: Annotated[UploadedFile, File()]) -> Any:
    """Store a picture, and get the link to submit as `image_url`. Costs nothing."""
    if refusal := source_reference.why_no_uploads():
        raise RequestInvalid([{"type": "public_url_missing", "loc": ["body", "file"], "msg": refusal}])
    team_id = request.auth.team_id  # type: ignore[attr-defined]
    # Before the work; what counts for good is asked under the lock below.
    quota.ensure_room(team_id, file.size or 0)
    try:
        picture = intake.examine_source(file, name=file.name or "")
    except PublicError as error:
        if error.code in errors.NOT_NOW:
            raise
        raise HttpError(413 if error.code in TOO_LARGE_CODES else 415, error.message) from None
    with NewFiles() as files:
        stored = files.store_source(file, picture)
        with transaction.atomic():
            quota.note(team_id, stored)
            files.keep()
    return Status(201, {"image_url": signed_links.make(request, stored, name=file.name or "picture", team_id=team_id)})


@api.post(
    "/channel-checks",
    response={200: schemas.ChannelCheckOut, **errors_of(403, 413, 415, 422)},
    summary="Check a file for a channel",
)
def check_for_channel(
    request: HttpRequest, channel: Annotated[str, Form()], file: Annotated[UploadedFile, File()]
) -> Any:
    """Judge a picture file by the rules noted for a shop, each with the measured number. Nothing is kept or charged."""
    try:
        known = channel_teams.find(request.auth.team, channel)  # type: ignore[attr-defined]
    except PublicError as error:
        raise RequestInvalid([{"type": error.code, "loc": ["body", "channel"], "msg": error.message}]) from None
    name = file.name or ""
    try:
        measured = intake.measure(file, name=name)
    except PublicError as error:
        if error.code in errors.NOT_NOW:
            raise
        raise HttpError(413 if error.code in TOO_LARGE_CODES else 415, error.message) from None
    findings = channel_check.judge(measured, known, ending=f".{name.rpartition('.')[2]}" if "." in name else "")
    return {
        "channel": known.id,
        "passed": all(finding.passed for finding in findings),
        "advice": channel_check.advice(measured, known),
        "rules": [asdict(finding) for finding in findings],
    }


@api.get("/credits", response={200: schemas.CreditsOut, **errors_of()}, summary="Get the balance")
def get_credits(request: HttpRequest) -> Any:
    """How many credits the team has left."""
    team = request.auth.team  # type: ignore[attr-defined]
    return {"team": team.slug, "balance": team.balance}


def _upscales(request: HttpRequest) -> Any:
    team_id = request.auth.team_id  # type: ignore[attr-defined]
    return Upscale.objects.present().filter(team_id=team_id).select_related("source_result")


def _created(upscale: Upscale) -> dict[str, Any]:
    return {
        "generation_id": upscale.pk,
        "created_at": upscale.created_at,
        "updated_at": upscale.updated_at,
    }

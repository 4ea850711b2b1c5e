"""The JSON API under `/api/v1`: the vendor's contract, served by this desk."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import File, Form, NinjaAPI, Query, Status
from ninja.errors import HttpError
from ninja.errors import ValidationError as RequestInvalid
from ninja.files import UploadedFile
from ninja.operation import Operation

from upscaler import representations
from upscaler.api import batches, errors, evidence, filters, placing, polled, reviews, schemas, share_links, waiting
from upscaler.api.auth import TokenAuth, TokenThrottle, token_of
from upscaler.api.parser import FILE, OrderBody, StrictParser
from upscaler.api.responses import add_headers, errors_of, page, refuse_unknown, say_unchanged
from upscaler.channels import check as channel_check
from upscaler.channels import teams as channel_teams
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.models import WITHDRAWN, Membership, Upscale
from upscaler.ordering import removal, results
from upscaler.processing import source_reference
from upscaler.storage import quota, signed_links, team_room
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
    docs_url=None,
    openapi_url="/openapi.json",
)
for error, answer in errors.HANDLERS.items():
    api.add_exception_handler(error, answer)
api.add_router("", batches.router)
api.add_router("", reviews.router)
api.add_router("", share_links.router)
api.add_router("", evidence.router)
api.add_decorator(say_unchanged)
api.add_decorator(refuse_unknown)
api.add_decorator(add_headers, mode="view")


@api.post(
    "/generation-upscale",
    response={200: schemas.GenerationDetailOut | schemas.GenerationUpscaleOut, **errors_of(402, 403, 422)},
    summary="Create Upscale",
    operation_id="create_upscale",
    exclude_unset=True,
    openapi_extra=schemas.ORDER_AS_FORM,
)
def create_upscale(
    request: HttpRequest,
    response: HttpResponse,
    payload: Annotated[schemas.GenerationUpscaleIn, OrderBody(...)],
    query: Annotated[waiting.WaitQuery, Query()],
    idempotency_key: schemas.IdempotencyKey = None,
    prefer: waiting.PreferHeader = None,
) -> Any:
    """Upscale a generated picture or any picture on the web; or, sent as a form, the picture in its field `file`.

    The price is charged now and returned if the upscale ends in `Error`. With an `Idempotency-Key`, sending the
    same body again gives the same generation and charges nothing. With `wait` the answer is the whole generation, as
    it stands at the end or once the seconds are over.
    """
    body = payload.dict()
    for addition in schemas.ADDITIONS:
        # The vendor's contract knows no such field, so a request without it stays the request that it was.
        if not body[addition]:
            del body[addition]
    file = request.FILES.get(FILE)
    sent = body if file is None else {**body, FILE: [file.name, intake.digest_of(file)]}
    upscale = placing.place(request, body, file=file, key=idempotency_key, sent=sent)
    return _ordered(request, response, upscale, waiting.asked(query, prefer))


@api.get(
    "/generation/{int:generation_id}",
    response={200: schemas.GenerationDetailOut, **errors_of(404, 422)},
    summary="Get one upscale",
    exclude_unset=True,
)
def get_generation(
    request: HttpRequest,
    response: HttpResponse,
    generation_id: int,
    query: Annotated[waiting.WaitQuery, Query()],
    prefer: waiting.PreferHeader = None,
) -> Any:
    """How one upscale stands, with its result once it is `Done`."""
    seconds = waiting.asked(query, prefer)
    if seconds is None:
        polled.begin(request, token_of(request).digest, generation_id)
    upscale = get_object_or_404(upscales_of(request), pk=generation_id)
    if seconds is not None:
        waiting.for_end(partial(waiting.upscale_has_ended, generation_id), seconds, response)
        upscale = get_object_or_404(upscales_of(request), pk=generation_id)
    polled.will_change(request, upscale)
    return representations.generation_detail(signed_links.site(request), upscale)


@api.delete(
    "/generation/{int:generation_id}",
    response={200: schemas.GenerationDeletedOut, **errors_of(403, 404, 409)},
    summary="Delete one upscale",
)
def delete_generation(request: HttpRequest, generation_id: int) -> Any:
    """Delete it for good, with its files, names and addresses, as whoever ordered it or an admin may.

    The files go within a minute, but those that another order still uses. The credits stay spent. Deleted once, it is
    not found any more. `409`: it is still under way.
    """
    token = token_of(request)
    upscale = get_object_or_404(upscales_of(request), pk=generation_id)
    membership = get_object_or_404(Membership.objects.select_related("team", "user"), team=token.team, user=token.user)
    outcome = removal.delete([upscale.pk], membership=membership, request=request)
    for why in outcome.refused:
        raise HttpError(409 if why == removal.UNDER_WAY else 403, f"This upscale stays: {why}")
    if not outcome.done:
        raise Http404  # Somebody else was quicker.
    return {"generation_id": upscale.pk, "deleted": True}


@api.get(
    "/generations",
    response={200: schemas.GenerationPage, **errors_of(422)},
    summary="List upscales",
    exclude_unset=True,
)
def list_generations(request: HttpRequest, query: Annotated[filters.GenerationQuery, Query()]) -> Any:
    """The team's upscales, the newest first."""
    upscales = filters.wanted(upscales_of(request), query)
    if query.status is not None:
        upscales = upscales.filter(status=query.status)
    return page(upscales, query, partial(map, representations.generation))


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
    done = upscales_of(request).filter(status=Upscale.Status.DONE, result_id=generation_result_id)
    # Two engines may have used one number; the engine at work now is the one that is meant.
    found = done.filter(engine=settings.ENGINE).first() or done.first()
    if found is not None and not found.gives_result:
        raise HttpError(404, found.why_closed or WITHDRAWN)
    if found is not None:
        return representations.generation_result(signed_links.site(request), found)
    try:
        known = results.find_elsewhere(generation_result_id, team=token_of(request).team)
    except PublicError as refusal:
        if refusal.code == results.UNAVAILABLE:
            raise refusal from None
        raise Http404 from None
    # The team's own that is still on its way here, or that ended without it.
    own = upscales_of(request).filter(engine=settings.ENGINE, engine_id=known.engine_id).first()
    return schemas.result_elsewhere(known, own.pk if own is not None else int(known.engine_id))


@api.get(
    "/generation-results",
    response={200: schemas.GenerationResultPage, **errors_of(422)},
    summary="List results",
    exclude_unset=True,
)
def list_generation_results(request: HttpRequest, query: Annotated[filters.ResultQuery, Query()]) -> Any:
    """The team's enlarged pictures, the newest first."""
    results = filters.wanted(upscales_of(request).with_result(), query)
    return page(results, query, partial(map, partial(representations.generation_result, signed_links.site(request))))


@api.post("/uploads", response={201: schemas.UploadOut, **errors_of(403, 413, 415, 422)}, summary="Upload a picture")
def upload(request: HttpRequest, file: Annotated[UploadedFile, File()]) -> Any:
    """Store a picture, and get the link to submit as `image_url`. Costs nothing."""
    if refusal := source_reference.why_no_uploads():
        raise RequestInvalid([{"type": "public_url_missing", "loc": ["body", "file"], "msg": refusal}])
    team_id = token_of(request).team_id
    # Before the work; what counts for good is asked under the lock below.
    quota.ensure_room(team_id, file.size or 0)
    try:
        picture = intake.examine_source(file, name=file.name or "")
    except PublicError as error:
        if error.code in errors.NOT_NOW:
            raise
        raise HttpError(413 if error.code in TOO_LARGE_CODES else 415, error.message) from None
    with NewFiles(team_id) as files:
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
        known = channel_teams.find(token_of(request).team, channel)
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
    """How many credits the team has left, and how much it keeps of what it may keep."""
    team = token_of(request).team
    room = team_room.of_team(team)
    storage = {"used_bytes": room.used, "quota_bytes": room.quota}
    return {"team": team.slug, "balance": team.balance, "storage": storage}


def upscales_of(request: HttpRequest) -> Any:
    """The upscales of the token's team, with what their shapes read."""
    return representations.upscales().filter(team_id=token_of(request).team_id)


def _ordered(request: HttpRequest, response: HttpResponse, upscale: Upscale, seconds: int | None) -> dict[str, Any]:
    """What the vendor answers an order; the whole generation where the call waits for it."""
    if seconds is not None:
        waiting.for_end(partial(waiting.upscale_has_ended, upscale.pk), seconds, response)
        # A repeat's may have been deleted since.
        if (found := upscales_of(request).filter(pk=upscale.pk).first()) is not None:
            return representations.generation_detail(signed_links.site(request), found)
    return placing.created(upscale)

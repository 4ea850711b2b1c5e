"""The JSON API under `/api/v1`: the vendor's contract, served by this desk."""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import get_object_or_404
from ninja import File, Header, NinjaAPI, Query, Status
from ninja.errors import AuthenticationError, HttpError, Throttled
from ninja.errors import ValidationError as RequestInvalid
from ninja.files import UploadedFile
from ninja.parser import Parser
from ninja.security import HttpBearer
from ninja.throttling import AuthRateThrottle

from upscaler.accounts import rate_limit, tokens
from upscaler.api import schemas
from upscaler.credits import CreditsRefused
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.models import ApiToken, Upscale
from upscaler.ordering import results, submission
from upscaler.ordering.forms import UpscaleForm
from upscaler.processing import handover
from upscaler.storage import signed_links
from upscaler.storage.pictures import NewFiles

logger = logging.getLogger(__name__)

TOKEN_MISSING = (
    "A token is missing. Send it in the header “Authorization: Bearer <token>”; the desk's page Tokens makes one."
)
READ_ONLY = "This token may only look. To upload or submit, make one on the page Tokens that may do everything."
LOOKING = ("GET", "HEAD", "OPTIONS")
CODES = {
    "required": "missing",
    "invalid": "int_parsing",
    "min_value": "greater_than_equal",
    "max_value": "less_than_equal",
    "null_characters_not_allowed": "value_error",
}
"""Pydantic's names for what Django's own fields refuse."""
TOO_LARGE_CODES = ("too_large", "too_many_pixels")


class TokenAuth(HttpBearer):
    """`Authorization: Bearer <token>`; ``request.auth`` becomes the ApiToken."""

    def __call__(self, request: HttpRequest) -> ApiToken:
        scheme, _, clear = request.headers.get(self.header, "").partition(" ")
        if scheme.lower() != self.openapi_scheme or not clear.strip():
            raise AuthenticationError(message=TOKEN_MISSING)
        return self.authenticate(request, clear.strip())

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        try:
            found = tokens.find_token(token)
        except PublicError as refusal:
            raise AuthenticationError(message=refusal.message) from None
        # Here and not call by call, so that a call that is added later is closed to it too.
        if found.read_only and request.method not in LOOKING:
            raise HttpError(403, READ_ONLY)
        return found


class TokenThrottle(AuthRateThrottle):
    """At most ``API_RATE`` calls per token in each window of that length, counted in the cache.

    Nothing is kept on the object: all threads share it.
    """

    def allow_request(self, request: HttpRequest) -> bool:
        most, seconds = self._limit()
        # Not by its number: two desks may share one cache.
        token = request.auth.digest[:32]  # type: ignore[attr-defined]
        key = f"api-rate-{token}-{int(time.time() // seconds)}"
        return rate_limit.count(key, seconds=2 * seconds) <= most

    def wait(self) -> float:
        _, seconds = self._limit()
        return seconds - time.time() % seconds

    def _limit(self) -> tuple[int, int]:
        most, seconds = self.parse_rate(settings.API_RATE)
        return most or 1, seconds or 1


class StrictParser(Parser):
    """JSON that can be stored and echoed: no lone surrogates, no bottomless nesting."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(request.body)
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            problem = {"type": "json_invalid", "loc": ["body"], "msg": "The body is not valid JSON."}
            raise RequestInvalid([problem]) from None
        return body


api = NinjaAPI(
    title="Upscaler",
    version="1",
    description="Enlarge product pictures. The same calls as the vendor's own API: change the host and the token.",
    auth=TokenAuth(),
    throttle=[TokenThrottle(settings.API_RATE)],
    parser=StrictParser(),
    docs_url="/docs",
    openapi_url="/openapi.json",
)

ERRORS = {
    401: schemas.PlainError,
    402: schemas.PlainError,
    403: schemas.PlainError,
    404: schemas.PlainError,
    413: schemas.PlainError,
    415: schemas.PlainError,
    422: schemas.RuleError,
    429: schemas.PlainError,
    503: schemas.PlainError,
}


def _errors(*statuses: int) -> dict[int, Any]:
    return {status: ERRORS[status] for status in (401, 429, 503, *statuses)}


@api.post(
    "/generation-upscale",
    response={200: schemas.GenerationUpscaleOut, **_errors(402, 403, 422)},
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
    if not body["result_format"]:
        # The vendor's contract knows no such field, so a request without it stays the request that it was.
        del body["result_format"]
    idempotency = submission.Idempotency.of(idempotency_key, body) if idempotency_key else None
    if idempotency and (earlier := submission.find_repeat(team=token.team, idempotency=idempotency)):
        return _created(earlier)
    form = UpscaleForm(body, team=token.team)
    if not form.is_valid() or form.order is None:
        _check_engine(form)
        raise RequestInvalid(problems_of(form))
    [upscale] = submission.submit([form.order], team=token.team, user=token.user, token=token, idempotency=idempotency)
    return _created(upscale)


@api.get(
    "/generation/{int:generation_id}",
    response={200: schemas.GenerationDetailOut, **_errors(404)},
    summary="Get one upscale",
)
def get_generation(request: HttpRequest, generation_id: int) -> Any:
    """How one upscale stands, with its result once it is `Done`."""
    upscale = get_object_or_404(_upscales(request), pk=generation_id)
    done = upscale.status == Upscale.Status.DONE
    found = [schemas.generation_result(request, upscale)] if done else []
    return {**schemas.generation(upscale), "generation_results": found}


@api.get("/generations", response={200: schemas.GenerationPage, **_errors(422)}, summary="List upscales")
def list_generations(request: HttpRequest, query: Annotated[schemas.GenerationQuery, Query()]) -> Any:
    """The team's upscales, the newest first."""
    upscales = _upscales(request)
    if query.status is not None:
        upscales = upscales.filter(status=query.status)
    return _page(upscales, query, schemas.generation)


@api.get(
    "/generation-result/{int:generation_result_id}",
    response={200: schemas.GenerationResultOut, **_errors(404)},
    summary="Get one result",
)
def get_generation_result(request: HttpRequest, generation_result_id: int) -> Any:
    """One enlarged picture by its `generation_result_id`.

    Where this desk works through Uwear, one that another program made with the same account is found too; its
    `generation_id` is then Uwear's own.
    """
    done = _upscales(request).filter(status=Upscale.Status.DONE, result_id=generation_result_id)
    # Two engines may have used one number; the engine at work now is the one that is meant.
    found = done.filter(engine=settings.ENGINE).first() or done.first()
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
    response={200: schemas.GenerationResultPage, **_errors(422)},
    summary="List results",
)
def list_generation_results(request: HttpRequest, query: Annotated[schemas.PageQuery, Query()]) -> Any:
    """The team's enlarged pictures, the newest first."""
    done = _upscales(request).filter(status=Upscale.Status.DONE)
    return _page(done, query, partial(schemas.generation_result, request))


@api.post("/uploads", response={201: schemas.UploadOut, **_errors(403, 413, 415, 422)}, summary="Upload a picture")
def upload(request: HttpRequest, file: Annotated[UploadedFile, File()]) -> Any:
    """Store a picture, and get the link to submit as `image_url`. Costs nothing."""
    if refusal := handover.why_no_uploads():
        raise RequestInvalid([{"type": "public_url_missing", "loc": ["body", "file"], "msg": refusal}])
    try:
        picture = intake.examine_source(file, name=file.name or "")
    except PublicError as error:
        raise HttpError(413 if error.code in TOO_LARGE_CODES else 415, error.message) from None
    with NewFiles() as files:
        stored = files.store_source(file, picture)
    team_id = request.auth.team_id  # type: ignore[attr-defined]
    return Status(201, {"image_url": signed_links.make(request, stored, name=file.name or "picture", team_id=team_id)})


@api.get("/credits", response={200: schemas.CreditsOut, **_errors()}, summary="Get the balance")
def get_credits(request: HttpRequest) -> Any:
    """How many credits the team has left."""
    team = request.auth.team  # type: ignore[attr-defined]
    return {"team": team.slug, "balance": team.balance}


def _upscales(request: HttpRequest) -> Any:
    team_id = request.auth.team_id  # type: ignore[attr-defined]
    return Upscale.objects.filter(team_id=team_id).select_related("source_result")


def _created(upscale: Upscale) -> dict[str, Any]:
    return {
        "generation_id": upscale.pk,
        "created_at": upscale.created_at,
        "updated_at": upscale.updated_at,
    }


def _page(upscales: Any, query: schemas.PageQuery, shape: Any) -> dict[str, Any]:
    page, items = query.page or 1, query.items_per_page or schemas.ITEMS_PER_PAGE
    total = upscales.count()
    start = (page - 1) * items
    return {
        "current_page": page,
        "max_page": max(1, -(-total // items)),
        "total_count": total,
        "data": [shape(upscale) for upscale in upscales[start : start + items]],
    }


def _check_engine(form: UpscaleForm) -> None:
    """A refusal that only says "not now" is no rule that the caller broke."""
    for errors in form.errors.as_data().values():
        for error in errors:
            if error.code == results.UNAVAILABLE:
                raise PublicError(" ".join(map(str, error.messages)), code=results.UNAVAILABLE)


def problems_of(form: UpscaleForm) -> list[dict[str, Any]]:
    """A refused form's errors in the contract's shape: ``type``, ``loc``, ``msg``."""
    problems = []
    for field, errors in form.errors.as_data().items():
        for error in errors:
            loc = ["body"] if field == "__all__" else ["body", field]
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
    return api.create_response(request, {"detail": detail}, status=status)


@api.exception_handler(AuthenticationError)
def _not_authenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    response = _answer(request, 401, error.message)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(RequestInvalid)
def _invalid(request: HttpRequest, error: RequestInvalid) -> HttpResponse:
    # The framework names the Python parameter (`payload`, `file`) inside the location; callers never sent it.
    problems = [
        {
            "type": problem["type"],
            "loc": [part for i, part in enumerate(problem["loc"]) if not (i == 1 and part == "payload")],
            "msg": problem["msg"],
        }
        for problem in error.errors
    ]
    return _answer(request, 422, problems)


@api.exception_handler(HttpError)
def _refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    # The framework wraps whatever a parser raises in an error of its own.
    if isinstance(error.__cause__, RequestInvalid):
        return _invalid(request, error.__cause__)
    return _answer(request, error.status_code, error.message)


@api.exception_handler(RequestDataTooBig)
def _body_too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return _answer(request, 413, f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes.")


@api.exception_handler(MultiPartParserError)
@api.exception_handler(SuspiciousOperation)
def _unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
    return _answer(request, 400, "The request could not be read. Send one multipart form with the field “file”.")


@api.exception_handler(CreditsRefused)
def _too_few_credits(request: HttpRequest, error: CreditsRefused) -> HttpResponse:
    return _answer(request, 402, error.message)


@api.exception_handler(submission.IdempotencyConflict)
def _key_used_before(request: HttpRequest, error: submission.IdempotencyConflict) -> HttpResponse:
    message = "This Idempotency-Key was used before with another body. Use a new key for a new request."
    problem = {"type": "idempotency_conflict", "loc": ["header", "Idempotency-Key"], "msg": message}
    return _answer(request, 422, [problem])


@api.exception_handler(Http404)
def _unknown(request: HttpRequest, error: Http404) -> HttpResponse:
    return _answer(request, 404, "There is nothing by this number in your team.")


@api.exception_handler(Throttled)
def _too_fast(request: HttpRequest, error: Throttled) -> HttpResponse:
    return _answer(request, 429, f"Too many calls: at most {settings.API_RATE} per token. Wait, then go on.")


@api.exception_handler(PublicError)
def _public_error(request: HttpRequest, error: PublicError) -> HttpResponse:
    if error.code != results.UNAVAILABLE:
        return _answer(request, 422, [{"type": error.code, "loc": ["body"], "msg": error.message}])
    response = _answer(request, 503, error.message)
    response.headers["Retry-After"] = "60"
    return response


@api.exception_handler(OperationalError)
@api.exception_handler(OSError)
def _cannot_now(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("the API could not take a call", exc_info=error)
    response = _answer(request, 503, "The desk can't take work at the moment. Nothing was charged; try again.")
    response.headers["Retry-After"] = "10"
    return response

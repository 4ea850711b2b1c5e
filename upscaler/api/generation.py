"""The vendor's newer interface, without a prefix: `POST /generation` and what follows an order.

The same tokens, rules, prices and rows as under `/api/v1`, in the other interface's words. Its models are those that
this desk's engine offers: one that it lacks is refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Header, Query
from ninja.errors import ValidationError as RequestInvalid

from upscaler import representations
from upscaler.api import endpoints, errors, filters, newer_schemas, placing, polled, schemas
from upscaler.api.auth import TokenAuth, TokenThrottle, token_of
from upscaler.api.endpoints import DeskAPI
from upscaler.api.parser import StrictParser
from upscaler.api.responses import add_headers, errors_of, page, refuse_unknown, say_unchanged
from upscaler.engines import offer
from upscaler.engines.uwear.dialects import EVENTS, newer_settings
from upscaler.errors import PublicError
from upscaler.models import Upscale
from upscaler.storage import signed_links
from upscaler.upscaling_models import FACTOR_KEY, MODELS, RESOLUTION_KEY, UpscalingModel

USUAL_RESOLUTION = "2160p"
"""What counts where it is not given, so that giving it asks for nothing."""
NAMES = {"model_name": "model_slug", "generation_result_id": "generation_result_parent_id"}
"""By field of the forms, what this interface calls it."""
SETTINGS = "generation_settings"

api = DeskAPI(
    title="Upscaler, the newer interface",
    version="current",
    description="Enlarge product pictures: the calls of the vendor's newer interface. Change the host and the token.",
    auth=TokenAuth(),
    throttle=[TokenThrottle(settings.API_RATE)],
    parser=StrictParser(),
    docs_url="/generation/docs",
    openapi_url="/generation/openapi.json",
)
api.add_decorator(say_unchanged)
api.add_decorator(refuse_unknown)
api.add_decorator(add_headers, mode="view")
for error, answer in errors.HANDLERS.items():
    api.add_exception_handler(error, answer)


@api.post(
    "/generation",
    response={200: schemas.GenerationUpscaleOut, **errors_of(402, 403, 422)},
    summary="Create an upscale",
    operation_id="create_generation",
)
def create_generation(
    request: HttpRequest,
    payload: newer_schemas.GenerationIn,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)] = None,
) -> Any:
    """Upscale a generated picture or any picture on the web. Charged and kept from repeats as under `/api/v1`."""
    sent = payload.dict(exclude_unset=True)
    try:
        return placing.created(placing.place(request, _order_in(payload), key=idempotency_key, sent=sent))
    except RequestInvalid as refusal:
        raise RequestInvalid([_renamed(problem) for problem in refusal.errors]) from None


@api.get(
    "/generation/{int:generation_id}",
    response={200: newer_schemas.NewerGenerationDetail, **errors_of(404)},
    summary="Get one upscale",
    exclude_unset=True,
)
def get_generation(request: HttpRequest, generation_id: int) -> Any:
    """How one upscale stands, with its result once it is `Done`."""
    polled.begin(request, token_of(request).digest, generation_id)
    upscale = get_object_or_404(endpoints.upscales_of(request), pk=generation_id)
    polled.will_change(request, upscale)
    found = [_result(representations.generation_result(_site(request), upscale))] if upscale.gives_result else []
    return {**_row(upscale), "generation_results": found}


@api.get(
    "/generations",
    response={200: newer_schemas.NewerGenerationPage, **errors_of(422)},
    summary="List upscales",
    exclude_unset=True,
)
def list_generations(request: HttpRequest, query: Annotated[filters.GenerationQuery, Query()]) -> Any:
    """The team's upscales, the newest first."""
    upscales = filters.wanted(endpoints.upscales_of(request), query)
    if query.status is not None:
        upscales = upscales.filter(status=query.status)
    return page(upscales, query, lambda rows: map(_row, rows))


@api.get(
    "/generation-result/{int:generation_result_id}",
    response={200: newer_schemas.ResultOut, **errors_of(404)},
    summary="Get one result",
)
def get_generation_result(request: HttpRequest, generation_result_id: int) -> Any:
    """One enlarged picture by its `generation_result_id`."""
    return _result(endpoints.get_generation_result(request, generation_result_id))


@api.get(
    "/generation-results",
    response={200: newer_schemas.ResultPage, **errors_of(422)},
    summary="List results",
)
def list_generation_results(request: HttpRequest, query: Annotated[newer_schemas.NewerResultQuery, Query()]) -> Any:
    """The team's enlarged pictures, the newest first."""
    upscales = filters.wanted(endpoints.upscales_of(request).with_result(), query)
    if query.generation_ids:
        upscales = upscales.filter(pk__in=query.generation_ids)
    site = _site(request)

    def shapes(rows: Iterable[Upscale]) -> Iterable[dict[str, Any]]:
        return (_result(representations.generation_result(site, row)) for row in rows)

    return page(upscales, query, shapes)


def _site(request: HttpRequest) -> str:
    return signed_links.site(request)


def _order_in(payload: newer_schemas.GenerationIn) -> dict[str, Any]:
    """The order in the fields of the forms. Raises ninja's ValidationError."""
    try:
        model = offer.find(payload.model_slug)
    except PublicError as refusal:
        raise _refused(refusal.code, "model_slug", refusal.message) from None
    if payload.feature_setting is not None and not isinstance(payload.feature_setting, dict):
        raise _refused("dict_type", "feature_setting", "feature_setting must be a map of names to values.")
    chosen = dict(payload.feature_setting or {})
    if payload.upscale_factor not in (None, "", 0):
        chosen.pop(FACTOR_KEY, None)
        factor = _factor(model, payload.upscale_factor)
        chosen |= {} if model.fixed_factor else {FACTOR_KEY: f"{factor}x"}
    resolution = payload.target_resolution
    if resolution and (model.setting(RESOLUTION_KEY) or resolution != USUAL_RESOLUTION):
        chosen[RESOLUTION_KEY] = resolution
    body: dict[str, Any] = {
        "model_name": model.name,
        "generation_result_id": payload.generation_result_parent_id,
        "image_url": payload.image_url,
        SETTINGS: chosen,
        "webhook_url": payload.webhook_url,
        "webhook_secret": payload.webhook_secret,
        "webhook_events": payload.webhook_events,
    }
    if payload.webhook_url and not payload.webhook_events:
        body["webhook_events"] = list(EVENTS)
    return body


def _factor(model: UpscalingModel, given: Any) -> int:
    """The factor, from a number or from text. Raises ninja's ValidationError."""
    said = str(given).removesuffix("x") if isinstance(given, (int, str)) and not isinstance(given, bool) else ""
    if isinstance(given, float) and given.is_integer():
        said = str(int(given))
    if said in map(str, model.factors):
        return int(said)
    allowed = " or ".join(map(str, model.factors))
    raise _refused("enum", FACTOR_KEY, f"upscale_factor of {model.name} must be {allowed}.")


def _refused(code: str, field: str, message: str) -> RequestInvalid:
    return RequestInvalid([{"type": code, "loc": ["body", field], "msg": message}])


def _renamed(problem: Mapping[str, Any]) -> dict[str, Any]:
    """A problem that the forms found, in this interface's names."""
    loc = [NAMES.get(part, part) for part in problem["loc"]]
    if loc[1:2] == [SETTINGS]:
        own = loc[2:3] in ([FACTOR_KEY], [RESOLUTION_KEY])
        loc = [*loc[:1], *(loc[2:] if own else ["feature_setting", *loc[2:]])]
    message = problem["msg"]
    for theirs, ours in {**NAMES, SETTINGS: "feature_setting"}.items():
        message = re.sub(rf"\b{theirs}\b", ours, message)
    return {"type": problem["type"], "loc": loc, "msg": message}


def _row(upscale: Upscale) -> dict[str, Any]:
    row = representations.generation(upscale)
    said = json.loads(row["payload"])
    payload: dict[str, Any] = {"use_case": "upscale", "model_slug": upscale.model_name, "num_images": 1}
    if number := said["generation_result_id"]:
        payload["generation_result_parent_id"] = number
    if said["image_url"]:
        payload["image_url"] = said["image_url"]
    # What is only fitted, or waits for its shops to say how much, has settings all the same: those that it began with.
    payload |= newer_settings(upscale.model_name, {**MODELS[upscale.model_name].defaults, **upscale.settings})
    return {**row, "feature_name": f"model:{upscale.model_name}", "payload": json.dumps(payload)}


def _result(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result of the older interface, as the newer one shows it."""
    same = ("generation_result_id", "generation_id", "status", "available", "expires_at", "created_at", "updated_at")
    return {
        **{name: result[name] for name in same},
        "url": result["image_url"],
        "kind": "Image",
        "origin": "Generated",
        # What another program had made waits for nobody here.
        "review": result.get("review", Upscale.Review.NONE),
    }

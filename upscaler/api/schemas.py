"""The JSON shapes of the API, as the vendor's contract has them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Schema
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticKnownError

from upscaler import picture_formats, upscaling_models
from upscaler.engines.base import KnownResult
from upscaler.models import WITHDRAWN, Upscale, result_hours
from upscaler.storage import pictures, signed_links

SETTINGS_EXAMPLE = {"enhance_model": "Standard V2", "upscale_factor": "2x", "face_enhancement": "true"}


# What counts as given, as a number or as a map is the form's to say, so that page and API can't differ. The schema
# tells programs what to send.
ResultId = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "integer"}, {"const": ""}, {"type": "null"}]})]
SettingsMap = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}]})
]


class GenerationUpscaleIn(Schema):
    """Exactly one source, a model, and for topaz its settings. `0`, `""` and `null` count as not given."""

    model_config = ConfigDict(extra="forbid")

    generation_result_id: ResultId = Field(
        0, description=f"A finished result of your team, at most {result_hours()} hours old."
    )
    image_url: str | None = Field(
        "", description="The http or https address of a picture, or the link that `uploads` gave you."
    )
    model_name: str | None = Field(
        None, description=f"One of: {', '.join(upscaling_models.MODELS)}.", examples=["topaz"]
    )
    generation_settings: SettingsMap = Field(
        None, description="Topaz only. Text or JSON values.", examples=[SETTINGS_EXAMPLE]
    )
    result_format: str | None = Field(
        "",
        description=f"This desk's addition: {', '.join(picture_formats.RESULT_FORMATS)}; empty keeps the picture's "
        "own format.",
    )


ITEMS_PER_PAGE = 20
EMPTY_IS_NOT_GIVEN = BeforeValidator(lambda value: None if value == "" else value)


def _refuse_underscores(value: Any) -> Any:
    if isinstance(value, str) and "_" in value:
        # Pydantic would read 1_0 as 10. All else that is no number it refuses itself.
        raise PydanticKnownError("int_parsing")
    return value


PLAIN_DIGITS = BeforeValidator(_refuse_underscores)


class PageQuery(Schema):
    """Which page of a list. Pages start at 1; an empty value counts as not given."""

    page: Annotated[int | None, EMPTY_IS_NOT_GIVEN, PLAIN_DIGITS] = Field(1, ge=1, le=1_000_000)
    items_per_page: Annotated[int | None, EMPTY_IS_NOT_GIVEN, PLAIN_DIGITS] = Field(ITEMS_PER_PAGE, ge=1, le=100)


class GenerationQuery(PageQuery):
    """Which upscales."""

    status: Annotated[Upscale.Status | None, EMPTY_IS_NOT_GIVEN] = None


class GenerationUpscaleOut(Schema):
    """What a submit answers."""

    generation_id: int
    created_at: datetime
    updated_at: datetime


class GenerationResultOut(Schema):
    """One enlarged picture."""

    generation_result_id: int
    generation_id: int
    image_url: str = Field(description="Works without a token until `expires_at`, and with your token for good.")
    status: str
    available: bool = Field(description="Whether `image_url` works without a token and the id may be submitted.")
    expires_at: datetime | None
    width: int | None = Field(description="`null`, like `height`, where another program had it made at Uwear.")
    height: int | None
    created_at: datetime | None
    updated_at: datetime | None


class GenerationOut(Schema):
    """One upscale, without its result."""

    generation_id: int
    status: str = Field(description="`Created`, `Ongoing`, `Done` or `Error`.")
    progress: float = Field(description="From 0 to 1.")
    error: str | None = Field(description="Why there is no result, in plain words; its credits were returned.")
    credits: int
    feature_name: str
    num_images: int
    payload: str = Field(description="What was submitted, as JSON text.")
    created_at: datetime
    updated_at: datetime
    avatar_id: int | None
    clothing_item_ids: list[int]
    outfit_id: int | None


class GenerationDetailOut(GenerationOut):
    """One upscale with its result."""

    generation_results: list[GenerationResultOut]


class GenerationPage(Schema):
    """A page of upscales, the newest first."""

    current_page: int
    max_page: int
    total_count: int
    data: list[GenerationOut]


class GenerationResultPage(Schema):
    """A page of results, the newest first."""

    current_page: int
    max_page: int
    total_count: int
    data: list[GenerationResultOut]


class UploadOut(Schema):
    """A stored upload."""

    image_url: str = Field(description="Submit this as `image_url`. Good for a day.")


class CreditsOut(Schema):
    """What is left."""

    team: str
    balance: int


class Problem(Schema):
    """One broken rule."""

    type: str
    loc: list[str | int]
    msg: str


class RuleError(Schema):
    """The answer to a body that breaks a rule."""

    detail: list[Problem]


class PlainError(Schema):
    """The answer to anything else that went wrong."""

    detail: str


def generation(upscale: Upscale) -> dict[str, Any]:
    """The fields of `GenerationOut`."""
    payload = {
        "generation_result_id": _source_number(upscale),
        # An outside result's address is where the desk fetches its copy, not what was submitted.
        "image_url": "" if upscale.source_result_number else upscale.source_url,
        "model_name": upscale.model_name,
        "generation_settings": upscale.settings,
    }
    if upscale.requested_format:
        payload["result_format"] = upscale.requested_format
    return {
        "generation_id": upscale.pk,
        "status": upscale.status,
        "progress": upscale.progress,
        "error": upscale.error_message or (WITHDRAWN if upscale.withdrawn_at else None),
        "credits": upscale.credits,
        "feature_name": "upscale",
        "num_images": 1,
        "payload": json.dumps(payload),
        "created_at": upscale.created_at,
        "updated_at": upscale.updated_at,
        "avatar_id": None,
        "clothing_item_ids": [],
        "outfit_id": None,
    }


def _source_number(upscale: Upscale) -> int:
    if upscale.source_result is not None:
        return upscale.source_result.result_id or 0
    return upscale.source_result_number or 0


def generation_result(request: HttpRequest, upscale: Upscale) -> dict[str, Any]:
    """The fields of `GenerationResultOut`; the upscale must be Done."""
    picture = pictures.result_of(upscale)
    return {
        "generation_result_id": upscale.result_id,
        "generation_id": upscale.pk,
        "image_url": signed_links.make(
            request,
            picture,
            name=upscale.result_name,
            team_id=upscale.team_id,
            expires_at=upscale.expires_at,
            result_of=upscale.pk,
        ),
        "status": upscale.status,
        "available": upscale.is_referable,
        "expires_at": upscale.expires_at,
        "width": upscale.result_width,
        "height": upscale.result_height,
        "created_at": upscale.completed_at,
        "updated_at": upscale.updated_at,
    }


def result_elsewhere(known: KnownResult, generation_id: int) -> dict[str, Any]:
    """The fields of `GenerationResultOut` for a result that the remote engine has and this desk has not."""
    return {
        "generation_result_id": known.result_id,
        "generation_id": generation_id,
        "image_url": known.url,
        "status": Upscale.Status.DONE,
        "available": known.is_alive,
        "expires_at": known.referable_until,
        "width": None,
        "height": None,
        "created_at": known.created_at,
        "updated_at": known.created_at,
    }

"""The JSON shapes of the API, as the vendor's contract has them."""

from __future__ import annotations

import json
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any

from django.db.models import Q
from django.http import HttpRequest
from ninja import Schema
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from upscaler import fetching, file_names, picture_formats, search, upscaling_models
from upscaler.engines.base import KnownResult
from upscaler.models import MAX_ID, WITHDRAWN, Upscale, result_hours
from upscaler.ordering.forms import MAX_SKU_LENGTH
from upscaler.storage import pictures, signed_links

SETTINGS_EXAMPLE = {"enhance_model": "Standard V2", "upscale_factor": "2x", "face_enhancement": "true"}


# What counts as given, as a number or as a map is the form's to say, so that page and API can't differ. The schema
# tells programs what to send.
ResultId = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "integer"}, {"const": ""}, {"type": "null"}]})]
SettingsMap = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}]})
]


def _text(limit: int) -> Any:
    return WithJsonSchema({"anyOf": [{"type": "string", "maxLength": limit}, {"type": "null"}]})


ImageUrl = Annotated[str | None, _text(fetching.MAX_URL_LENGTH)]
Name = Annotated[str | None, _text(file_names.MAX_LENGTH)]
Sku = Annotated[str | None, _text(MAX_SKU_LENGTH)]
ADDITIONS = ("result_format", "name", "sku")
"""Fields of a submit that the vendor's contract has not."""
NAME_HELP = "This desk's addition: what the picture is called; empty takes the name that its source says."
SKU_HELP = "This desk's addition: the shop's name of the product."
NAME_EXAMPLE, SKU_EXAMPLE = "SKU-12.5 red front.jpg", "SKU-12.5"


class GenerationUpscaleIn(Schema):
    """Exactly one source, a model, and for topaz its settings. `0`, `""` and `null` count as not given."""

    model_config = ConfigDict(extra="forbid")

    generation_result_id: ResultId = Field(
        0, description=f"A finished result of your team, at most {result_hours()} hours old."
    )
    image_url: ImageUrl = Field(
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
    name: Name = Field("", description=NAME_HELP, examples=[NAME_EXAMPLE])
    sku: Sku = Field("", description=SKU_HELP, examples=[SKU_EXAMPLE])


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


class ResultQuery(PageQuery):
    """Which results. An empty value counts as not given."""

    batch_id: Annotated[int | None, EMPTY_IS_NOT_GIVEN, PLAIN_DIGITS] = Field(None, ge=0, le=MAX_ID)
    sku: Annotated[str | None, EMPTY_IS_NOT_GIVEN, NO_NULLS] = Field(
        None, max_length=MAX_SKU_LENGTH, description=f"The whole SKU, like `{SKU_EXAMPLE}`."
    )
    name: Annotated[str | None, EMPTY_IS_NOT_GIVEN, NO_NULLS] = Field(
        None,
        max_length=file_names.MAX_LENGTH,
        description="A part of the name, like `red front`, in capital or small letters.",
    )


class GenerationQuery(ResultQuery):
    """Which upscales. An empty value counts as not given."""

    status: Annotated[Upscale.Status | None, EMPTY_IS_NOT_GIVEN] = None


class GenerationUpscaleOut(Schema):
    """What a submit answers."""

    generation_id: int
    created_at: datetime
    updated_at: datetime


LABELS_HELP = (
    "What the picture is called. Left out, with `sku` and `batch_id`, where the order gave none of them: then the "
    "answer has the vendor's fields alone."
)


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
    name: str = Field("", description=LABELS_HELP)
    sku: str = Field("", description="The shop's name of the product; given with `name`.")
    batch_id: int | None = Field(None, description="The batch that it was ordered with; given with `name`.")


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
    name: str = Field("", description=LABELS_HELP)
    sku: str = Field("", description="The shop's name of the product; given with `name`.")
    batch_id: int | None = Field(None, description="The batch that it was ordered with; given with `name`.")


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
        **_labels(upscale),
    }


def _labels(upscale: Upscale) -> dict[str, Any]:
    """What this desk's own fields of an order said; nothing where it gave none of them."""
    if upscale.batch_id is None and not upscale.sku and upscale.source_name == _name_of_source(upscale):
        return {}
    return {"name": upscale.source_name, "sku": upscale.sku, "batch_id": upscale.batch_id}


def _name_of_source(upscale: Upscale) -> str:
    """What an upscale is called whose order gave no name."""
    if upscale.source_result is not None:
        return upscale.source_result.source_name
    if not upscale.source_url:
        return upscale.source_name
    link = signed_links.find_link(upscale.source_url)
    return file_names.shortened(link.name if link is not None else fetching.file_name(upscale.source_url))


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
        **_labels(upscale),
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


def wanted(upscales: Any, query: ResultQuery) -> Any:
    """Those of the upscales that the query's batch, SKU and name leave."""
    if query.batch_id is not None:
        upscales = upscales.filter(batch=query.batch_id)
    if query.sku is not None:
        upscales = upscales.filter(sku=query.sku)
    if query.name is not None:
        if any(len(word) >= search.SHORT for word in query.name.split()):
            # By its index first: it finds more than these, and never fewer.
            upscales = search.matching(upscales, query.name)
        # SQLite knows capitals of ASCII alone.
        spellings = {query.name, query.name.lower(), query.name.upper(), query.name.title()}
        upscales = upscales.filter(reduce(or_, (Q(source_name__icontains=spelling) for spelling in spellings)))
    return upscales


class ChannelRule(Schema):
    """One rule of a channel, judged for one file."""

    rule: str
    title: str
    passed: bool
    measured: str
    allowed: str
    message: str = Field(description="What is wrong and what to do; empty where the rule is met.")


class ChannelCheckOut(Schema):
    """A file judged by all rules of a channel."""

    channel: str
    passed: bool
    advice: str = Field(description="What would be better and is not demanded; often empty.")
    rules: list[ChannelRule]

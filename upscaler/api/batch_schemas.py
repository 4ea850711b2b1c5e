"""The JSON shapes of batches and quotes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.conf import settings
from ninja import Schema
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from upscaler import file_names, picture_formats
from upscaler.api import filters, schemas
from upscaler.batches.quotes import Quote
from upscaler.models import Batch
from upscaler.ordering.forms import MAX_REFERENCE_LENGTH

STATUS = Literal["Open", "Done"]
MAX_UNNAMED = 100


class BatchItemIn(Schema):
    """One picture: exactly one source. `0`, `""` and `null` count as not given."""

    model_config = ConfigDict(extra="forbid")

    generation_result_id: schemas.ResultId = Field(0, description="As in `generation-upscale`.")
    image_url: schemas.ImageUrl = Field(
        "", description="As in `generation-upscale`.", examples=["https://shop.example/12-5.jpg"]
    )
    name: schemas.Name = Field(
        "", description="What it is called; empty takes the name that its source says.", examples=[schemas.NAME_EXAMPLE]
    )
    sku: schemas.Sku = Field("", description="The shop's name of the product.", examples=[schemas.SKU_EXAMPLE])
    reference: schemas.Reference = Field(
        "", description="The program's own number or name of the picture.", examples=[schemas.REFERENCE_EXAMPLE]
    )


def _check_count(items: Any) -> Any:
    # Before any of them is looked at.
    if isinstance(items, list) and not items:
        raise PydanticCustomError("too_short", "There are no items. Give at least one picture.")
    if isinstance(items, list) and len(items) > settings.MAX_BATCH:
        raise PydanticCustomError(
            "too_long",
            "There are {given} items; the limit is {limit} in one batch. Send the rest in another one.",
            {"given": f"{len(items):,}", "limit": f"{settings.MAX_BATCH:,}"},
        )
    return items


class BatchIn(Schema):
    """Pictures that are ordered together, with one model and its settings."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str | None, filters.NO_NULLS] = Field(
        "", max_length=file_names.MAX_LENGTH, description="What people find the batch by.", examples=["Autumn, week 47"]
    )
    reference: Annotated[str | None, filters.NO_NULLS] = Field(
        "",
        max_length=MAX_REFERENCE_LENGTH,
        description="The program's own number or name of the batch, given back as it is.",
        examples=["PIM-autumn-47"],
    )
    model_name: schemas.ModelName = Field(None, description="Which model enlarges them.", examples=["recraft"])
    generation_settings: schemas.SettingsMap = Field(None, description="As in `generation-upscale`.")
    result_format: schemas.ResultFormat = Field(
        "", description=f"{', '.join(picture_formats.RESULT_FORMATS)}; empty keeps each picture's own format."
    )
    channels: schemas.Channels = Field(
        None, description="As in `generation-upscale`, for each picture.", examples=[schemas.CHANNELS_EXAMPLE]
    )
    webhook_url: schemas.ImageUrl = Field("", description=schemas.WEBHOOK_URL_HELP)
    webhook_secret: schemas.WebhookSecret = Field("", description=schemas.WEBHOOK_SECRET_HELP)
    webhook_events: schemas.WebhookEvents = Field(None, description=schemas.WEBHOOK_EVENTS_HELP)
    items: Annotated[list[BatchItemIn], BeforeValidator(_check_count)] = Field(
        description=f"1 to {settings.MAX_BATCH:,} pictures.",
        json_schema_extra={"minItems": 1, "maxItems": settings.MAX_BATCH},
    )


class BatchCreatedOut(Schema):
    """What ordering a batch answers."""

    batch_id: int
    total: int = Field(description="Upscales that were ordered.")
    credits: int = Field(description="What they cost together.")
    created_at: datetime
    generation_ids: list[int] = Field(description="In the order of the items.")


class UnnamedOut(Schema):
    """An item that a channel's rule gives no name, as where a code is missing."""

    item: int = Field(description="Which of the items, counted from 0.")
    channel: str
    message: str = Field(description="What is missing and what to do.")


class QuoteOut(Schema):
    """What a batch would cost now. Nothing was charged or kept."""

    total: int
    credits: int = Field(description="For all of them, those `already_made` too.")
    balance_after: int = Field(description="Below zero where credits are missing.")
    seconds: float | None = Field(
        description="Until the last one is done, by this desk's measured speed and what waits before it; `null` where "
        "nothing is known of the model yet."
    )
    already_made: int = Field(description="How many of them the team has had done already, or has under way.")
    already_large_enough: int = Field(
        description="How many its channels would take as they are: these are only fitted, for nothing."
    )
    unnamed: list[UnnamedOut] = Field(
        [],
        description="Items whose files keep their own names, since a channel's rule has none for them; the first "
        f"{MAX_UNNAMED}. Left out where no channels are given.",
    )
    unnamed_count: int = Field(0, description="How many of these there are; given with `unnamed`.")


class CountsOut(Schema):
    """How many of a batch's upscales stand how. One that was tried again counts as its newest try."""

    Created: int
    Ongoing: int
    Done: int
    Error: int


class BatchOut(Schema):
    """How a batch stands."""

    batch_id: int
    name: str
    reference: str = Field("", description="The program's own. Left out without one.")
    status: STATUS = Field(description="`Done` once none of its upscales is under way, however they ended.")
    counts: CountsOut
    total: int = Field(description="Upscales that were ordered.")
    credits_charged: int
    credits_refunded: int = Field(description="For what failed or was cancelled.")
    model_name: str
    generation_settings: dict[str, Any] = Field(
        description="Without `upscale_factor` where that was told for each picture by its channels."
    )
    result_format: str = Field(description="Empty where each picture keeps its own.")
    channels: list[str] = Field([], description="The shops that it goes to. Left out without any.")
    created_at: datetime
    ended_at: datetime | None
    cancelled_at: datetime | None


class CancelledOut(BatchOut):
    """The batch after it was cancelled."""

    cancelled: int = Field(description="Upscales that had not begun and never will; their credits are back.")


class BatchPage(Schema):
    """A page of batches, the newest first."""

    current_page: int
    max_page: int
    total_count: int
    data: list[BatchOut]


class BatchQuery(filters.LabelQuery):
    """Which batches. An empty value counts as not given."""

    status: Annotated[STATUS | None, filters.EMPTY_IS_NOT_GIVEN] = None

    name: Annotated[str | None, filters.EMPTY_IS_NOT_GIVEN, filters.NO_NULLS] = Field(
        None,
        max_length=file_names.MAX_LENGTH,
        description="A part of the name, like `week 47`, in capital or small letters.",
    )


def created(batch: Batch) -> dict[str, Any]:
    """The fields of `BatchCreatedOut`: of a repeat too, whatever was tried again since."""
    ordered = batch.upscales.filter(retry_of__isnull=True).order_by("pk")
    return {
        "batch_id": batch.pk,
        "total": batch.total,
        "credits": batch.credits,
        "created_at": batch.ordered_at,
        "generation_ids": list(ordered.values_list("pk", flat=True)),
    }


def quoted(quote: Quote) -> dict[str, Any]:
    """The fields of `QuoteOut`."""
    told = {name: getattr(quote, name) for name in QuoteOut.model_fields if hasattr(quote, name)}
    if quote.unnamed is None:
        return {name: value for name, value in told.items() if name != "unnamed"}
    named = [
        {"item": one.index, "channel": one.channel.id, "message": one.message} for one in quote.unnamed[:MAX_UNNAMED]
    ]
    return {**told, "unnamed": named, "unnamed_count": len(quote.unnamed)}

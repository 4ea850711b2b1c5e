"""The JSON shapes of the vendor's newer interface. Facts: the public notes on it; what they leave open stays open."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, WithJsonSchema

from upscaler.api import filters, schemas
from upscaler.models import MAX_ID, Upscale, result_hours

MAX_IDS = 100
Factor = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "null"}]})]


class GenerationIn(Schema):
    """An upscale: exactly one source, a model, and its settings. `0`, `""` and `null` count as not given."""

    model_config = ConfigDict(extra="forbid")

    use_case: Literal["upscale"] = Field(description="This desk only upscales.")
    model_slug: str = Field(description="One of the models that this desk’s engine offers.", examples=["recraft"])
    num_images: Annotated[int, Field(ge=1, le=1)] = Field(description="1: an upscale has one result.")
    generation_result_parent_id: schemas.ResultId = Field(
        None, description=f"A finished result of your team, at most {result_hours()} hours old."
    )
    image_url: schemas.ImageUrl = Field(
        None, description="The http or https address of a picture, or the link that `/api/v1/uploads` gave you."
    )
    upscale_factor: Factor = Field(None, description="How many times width and height grow, of those the model has.")
    target_resolution: str | None = Field(None, description="Of `seedvr2`: `720p`, `1080p`, `1440p` or `2160p`.")
    feature_setting: schemas.SettingsMap = Field(
        None, description="Further settings of the model. This desk’s addition: those of `topaz`."
    )
    webhook_url: schemas.ImageUrl = Field(None, description=schemas.WEBHOOK_URL_HELP.capitalize())
    webhook_secret: schemas.WebhookSecret = Field(None, description=schemas.WEBHOOK_SECRET_HELP.capitalize())
    webhook_events: schemas.WebhookEvents = Field(None, description=schemas.WEBHOOK_EVENTS_HELP.capitalize())


class NewerResultQuery(filters.ResultQuery):
    """Which results."""

    generation_ids: list[Annotated[int, filters.PLAIN_DIGITS, Field(ge=0, le=MAX_ID)]] = Field(
        [], max_length=MAX_IDS, description="Those of these generations alone; repeat it for several."
    )


class ResultOut(Schema):
    """One enlarged picture."""

    generation_result_id: int
    generation_id: int
    url: str = Field(
        description="Works without a token until `expires_at`, and with your token for good. Empty while `review` is "
        "`pending` or `rejected`."
    )
    kind: str = Field(description="`Image`.")
    available: bool = Field(description="Whether `url` works without a token and the id may be submitted.")
    origin: str = Field(description="`Generated`.")
    status: str
    expires_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None
    review: Upscale.Review = Field(Upscale.Review.NONE, description=schemas.REVIEW_HELP)


class NewerGeneration(schemas.GenerationOut):
    """One upscale, without its result. `feature_name` is `model:` and the model."""


class NewerGenerationDetail(NewerGeneration):
    """One upscale with its result."""

    generation_results: list[ResultOut]


class NewerGenerationPage(Schema):
    """A page of upscales, the newest first."""

    current_page: int
    max_page: int
    total_count: int
    data: list[NewerGeneration]


class ResultPage(Schema):
    """A page of results, the newest first."""

    current_page: int
    max_page: int
    total_count: int
    data: list[ResultOut]

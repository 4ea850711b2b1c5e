"""The JSON shapes of the API, as the vendor's contract has them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from ninja import Header, Schema
from pydantic import ConfigDict, Field, WithJsonSchema

from upscaler import fetching, file_names
from upscaler.api import choices
from upscaler.engines.base import KnownResult
from upscaler.models import Upscale, result_hours
from upscaler.ordering import webhooks
from upscaler.ordering.forms import MAX_REFERENCE_LENGTH, MAX_SKU_LENGTH
from upscaler.webhooks import endpoints

SETTINGS_EXAMPLE = {"enhance_model": "Standard V2", "upscale_factor": "2x", "face_enhancement": "true"}


# What counts as given, as a number or as a map is the form's to say, so that page and API can't differ. The schema
# tells programs what to send.
ResultId = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "integer"}, {"const": ""}, {"type": "null"}]})]
SettingsMap = Annotated[Any, choices.settings_map()]
ModelName = Annotated[str | None, choices.model_names()]
ResultFormat = Annotated[str | None, choices.result_formats()]


def _text(limit: int) -> Any:
    return WithJsonSchema({"anyOf": [{"type": "string", "maxLength": limit}, {"type": "null"}]})


ImageUrl = Annotated[str | None, _text(fetching.MAX_URL_LENGTH)]
Name = Annotated[str | None, _text(file_names.MAX_LENGTH)]
Sku = Annotated[str | None, _text(MAX_SKU_LENGTH)]
Reference = Annotated[str | None, _text(MAX_REFERENCE_LENGTH)]
Channels = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]})]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="Your own name for this request: sent again with it, the same body is the same order, paid once.",
    ),
]
WebhookSecret = Annotated[str | None, _text(webhooks.MAX_SECRET)]
WebhookEvents = Annotated[
    Any,
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"enum": list(endpoints.EVENTS)}}, {"type": "null"}]}),
]
WEBHOOK_URL_HELP = "a public address that is told of the end, as Standard Webhooks has it."
WEBHOOK_SECRET_HELP = (
    "signs what is told: `whsec_` and Base64, or any text, whose bytes are the key then. Without it there is no "
    "signature."
)
WEBHOOK_EVENTS_HELP = "what is told; empty for everything."
ADDITIONS = ("result_format", "reference", "name", "sku", "channels", *webhooks.FIELDS)
"""Fields of a submit that the vendor's contract has not."""
NAME_HELP = "This desk's addition: what the picture is called; empty takes the name that its source says."
SKU_HELP = "This desk's addition: the shop's name of the product."
REFERENCE_HELP = "This desk's addition: the program's own number or name of it, given back as it is."
REFERENCE_EXAMPLE = "PIM-4711/front"
CHANNELS_HELP = (
    "This desk's addition: ids of the shops that it goes to, as on the page Channels. The picture is enlarged as much "
    "as these need unless `upscale_factor` is given; one that is large enough is only fitted, for nothing. Files for "
    "them are made with the result."
)
CHANNELS_EXAMPLE = ["zalando", "amazon"]
NAME_EXAMPLE, SKU_EXAMPLE = "SKU-12.5 red front.jpg", "SKU-12.5"


class GenerationUpscaleIn(Schema):
    """Exactly one source, a model, and its settings where it has any. `0`, `""` and `null` count as not given."""

    model_config = ConfigDict(extra="forbid")

    generation_result_id: ResultId = Field(
        0, description=f"A finished result of your team, at most {result_hours()} hours old."
    )
    image_url: ImageUrl = Field(
        "", description="The http or https address of a picture, or the link that `uploads` gave you."
    )
    model_name: ModelName = Field(None, description="Which model enlarges it.", examples=["topaz"])
    generation_settings: SettingsMap = Field(
        None,
        description="Of models that have any; the others take none. Text or JSON values.",
        examples=[SETTINGS_EXAMPLE],
    )
    result_format: ResultFormat = Field(
        "", description="This desk's addition: what the result is saved as; empty keeps the picture's own format."
    )
    reference: Reference = Field("", description=REFERENCE_HELP, examples=[REFERENCE_EXAMPLE])
    name: Name = Field("", description=NAME_HELP, examples=[NAME_EXAMPLE])
    sku: Sku = Field("", description=SKU_HELP, examples=[SKU_EXAMPLE])
    channels: Channels = Field(None, description=CHANNELS_HELP, examples=[CHANNELS_EXAMPLE])
    webhook_url: ImageUrl = Field("", description=f"This desk's addition: {WEBHOOK_URL_HELP}")
    webhook_secret: WebhookSecret = Field("", description=f"This desk's addition: {WEBHOOK_SECRET_HELP}")
    webhook_events: WebhookEvents = Field(None, description=f"This desk's addition: {WEBHOOK_EVENTS_HELP}")


ORDER_AS_FORM: dict[str, Any] = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "title": "OrderAsForm",
                    "type": "object",
                    "description": "The same fields beside a picture's file. `generation_settings` is JSON text; lists "
                    "are JSON text, or the field several times.",
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The picture."},
                        **GenerationUpscaleIn.model_json_schema()["properties"],
                    },
                }
            }
        }
    }
}
"""How an order is described that brings its picture along."""


REVIEW_HELP = (
    "`none`, `pending`, `approved` or `rejected`: whether somebody of the team has to approve the result. While it is "
    "`pending` or `rejected` its files are not given out."
)


class GenerationDeletedOut(Schema):
    """That an upscale is deleted."""

    generation_id: int
    deleted: bool = Field(..., description="Always true.")


class GenerationUpscaleOut(Schema):
    """What a submit answers."""

    generation_id: int
    created_at: datetime
    updated_at: datetime


LABELS_HELP = (
    "What the picture is called. Left out, with `sku`, `reference` and `batch_id`, where the order gave none: then the "
    "answer has the vendor's fields alone."
)


class FidelityOut(Schema):
    """What the check of faithfulness says of a result."""

    verdict: str = Field(description="`faithful`, or `look` where a person should look.")
    reasons: list[str] = Field(description="Of `colour`, `detail`, `text`, `face`, `shape`; none where it is faithful.")
    checked_at: datetime


FIDELITY_HELP = "What the check of source against result says; `null` while it has said nothing, and without a result."


class GenerationResultOut(Schema):
    """One enlarged picture."""

    generation_result_id: int
    generation_id: int
    image_url: str = Field(
        description="Works without a token until `expires_at`, and with your token for good. Empty while `review` is "
        "`pending` or `rejected`."
    )
    status: str
    available: bool = Field(description="Whether `image_url` works without a token and the id may be submitted.")
    expires_at: datetime | None
    width: int | None = Field(description="`null`, like `height`, where another program had it made at Uwear.")
    height: int | None
    created_at: datetime | None
    updated_at: datetime | None
    review: Upscale.Review = Field(Upscale.Review.NONE, description=REVIEW_HELP)
    fidelity: FidelityOut | None = Field(None, description=FIDELITY_HELP)
    name: str = Field("", description=LABELS_HELP)
    sku: str = Field("", description="The shop's name of the product; given with `name`.")
    reference: str = Field("", description="The program's own; given with `name`.")
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
    review: Upscale.Review = Field(Upscale.Review.NONE, description=REVIEW_HELP)
    fidelity: FidelityOut | None = Field(None, description=FIDELITY_HELP)
    name: str = Field("", description=LABELS_HELP)
    sku: str = Field("", description="The shop's name of the product; given with `name`.")
    reference: str = Field("", description="The program's own; given with `name`.")
    batch_id: int | None = Field(None, description="The batch that it was ordered with; given with `name`.")

    channels: list[str] = Field([], description="The shops that it goes to. Left out, with `only_fitted`, without any.")
    only_fitted: bool = Field(
        False, description="It was large enough for its shops: nothing enlarged it, and it cost nothing."
    )


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


class StorageOut(Schema):
    """The files that are kept for a team."""

    used_bytes: int
    quota_bytes: int | None = Field(description="Once as much is kept, nothing new is taken. `null`: no limit.")


class CreditsOut(Schema):
    """What is left."""

    team: str
    balance: int
    storage: StorageOut


ERROR_TYPE_HELP = "Where the docs say what this status means: an address on this desk."


class Problem(Schema):
    """One broken rule."""

    type: str
    loc: list[str | int]
    msg: str


class RuleError(Schema):
    """The answer to a body that breaks a rule."""

    type: str = Field("", description=ERROR_TYPE_HELP)
    detail: list[Problem]


class PlainError(Schema):
    """The answer to anything else that went wrong."""

    type: str = Field("", description=ERROR_TYPE_HELP)
    detail: str
    code: str = Field("", description="A short name of it for programs, such as `storage_full`; not of every answer.")


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

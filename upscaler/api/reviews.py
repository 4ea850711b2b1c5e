"""The API's call that decides about a result."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from upscaler import representations
from upscaler.api import schemas
from upscaler.api.auth import token_of
from upscaler.api.responses import errors_of
from upscaler.models import Reason, Upscale
from upscaler.queue import dispatch
from upscaler.review import decisions
from upscaler.storage import signed_links

router = Router()


class ReviewIn(Schema):
    """What is decided about a result."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approved", "rejected", "taken_back"] = Field(
        description="`taken_back` undoes the last decision, whoever made it."
    )
    reason: Reason | Literal[""] = Field("", description="What is wrong with it; of a rejection alone.")
    note: str = Field(
        "", max_length=decisions.MAX_NOTE_LENGTH, description="For people; not of a decision that is taken back."
    )


@router.post(
    "/generation/{int:generation_id}/review",
    response={200: schemas.GenerationDetailOut, **errors_of(403, 404, 409, 422)},
    url_name="review",
    summary="Approve or reject a result",
    exclude_unset=True,
)
def review_generation(request: HttpRequest, generation_id: int, payload: ReviewIn) -> Any:
    """Decide as the person whose token it is.

    The same decision once more changes nothing. `409`: somebody else has decided meanwhile, or there is no result.
    """
    token = token_of(request)
    mine = Upscale.objects.present().filter(team_id=token.team_id)
    upscale = get_object_or_404(mine.select_related("team", "source_result", "batch"), pk=generation_id)
    if payload.decision == "taken_back":
        decisions.take_back(upscale=upscale, user=token.user, request=request)
    else:
        decisions.decide(
            upscale=upscale,
            approve=payload.decision == "approved",
            note=payload.note,
            reason=payload.reason,
            user=token.user,
            request=request,
        )
    dispatch.reviews()
    return representations.generation_detail(signed_links.site(request), upscale)

"""The API's calls about share links."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from ninja.errors import ValidationError as RequestInvalid
from pydantic import ConfigDict, Field

from upscaler.api import errors, filters
from upscaler.api.auth import token_of
from upscaler.api.responses import errors_of, page
from upscaler.models import MAX_ID, ApiToken, Batch, Membership, ShareLink, Upscale
from upscaler.sharing import links
from upscaler.sharing.forms import ShareForm

router = Router()
SOURCE = "Give either generation_id or batch_id: one link shows one comparison, or a batch’s."


class ShareLinkIn(Schema):
    """What to show to people without an account: one comparison, or a batch's."""

    model_config = ConfigDict(extra="forbid")

    generation_id: int | None = Field(None, ge=0, le=MAX_ID, description="A finished upscale of your team.")
    batch_id: int | None = Field(None, ge=0, le=MAX_ID, description="A batch of your team.")
    label: Annotated[str | None, filters.NO_NULLS] = Field(
        None, description=f"What whoever opens it reads; {links.MAX_LABEL_LENGTH} characters at most."
    )
    days: int | None = Field(links.USUAL_DAYS, description=f"One of {', '.join(map(str, links.DAYS))}.")
    may_decide: bool = Field(False, description="Whoever has it may approve and reject.")
    may_download: bool = Field(False, description="Whoever has it may take the result files.")


class ShareLinkOut(Schema):
    """A link, without its address."""

    share_link_id: int
    generation_id: int | None
    batch_id: int | None
    label: str
    state: str = Field(description="`Live`, `Expired` or `Revoked`.")
    may_decide: bool
    may_download: bool
    opens: int = Field(description="How often its page was opened; once a minute at most.")
    last_opened_at: datetime | None
    created_at: datetime
    expires_at: datetime


class ShareLinkMadeOut(ShareLinkOut):
    """A new link, with its address."""

    url: str = Field(description="Told this once: the desk keeps no copy.")


class ShareLinkPage(Schema):
    """A page of links, the newest first."""

    current_page: int
    max_page: int
    total_count: int
    data: list[ShareLinkOut]


@router.post(
    "/share-links", response={201: ShareLinkMadeOut, **errors_of(403, 404, 422)}, summary="Share without an account"
)
def create_share_link(request: HttpRequest, payload: ShareLinkIn) -> Any:
    """Make a link that shows before and after to whoever has it, until it ends."""
    token = token_of(request)
    form = ShareForm(
        {
            "label": payload.label,
            "days": payload.days,
            "may_decide": payload.may_decide,
            "may_download": payload.may_download,
        },
        shows=_shows(token, payload),
    )
    if not form.is_valid():
        raise RequestInvalid(errors.problems_of(form))
    link, url = links.make(team=token.team, user=token.user, shows=form.shows, request=request, **form.options)
    return Status(201, {**_told(link), "url": url})


@router.get("/share-links", response={200: ShareLinkPage, **errors_of(422)}, summary="List share links")
def list_share_links(request: HttpRequest, query: Annotated[filters.PageQuery, Query()]) -> Any:
    """The links that the token's owner may see: their own, or all of the team's for an admin."""
    return page(_mine(request), query, lambda rows: map(_told, rows))


@router.delete(
    "/share-links/{int:share_link_id}",
    response={200: ShareLinkOut, **errors_of(403, 404)},
    summary="Revoke a share link",
)
def revoke_share_link(request: HttpRequest, share_link_id: int) -> Any:
    """Make a link useless from now on. Revoking once more is no error."""
    link = get_object_or_404(_mine(request), pk=share_link_id)
    links.revoke(link, by=token_of(request).user, request=request)
    link.refresh_from_db(fields=["revoked_at"])
    return _told(link)


def _shows(token: ApiToken, payload: ShareLinkIn) -> Upscale | Batch:
    """What the body names. Raises Http404, and ninja's ValidationError where it names both or neither."""
    if (payload.generation_id is None) == (payload.batch_id is None):
        raise RequestInvalid([{"type": "source_ambiguous", "loc": ["body"], "msg": SOURCE}])
    if payload.batch_id is not None:
        return get_object_or_404(Batch, team=token.team_id, pk=payload.batch_id, ordered_at__isnull=False)
    rows = Upscale.objects.present().select_related("source_result", "team")
    return get_object_or_404(rows, team=token.team_id, pk=payload.generation_id)


def _mine(request: HttpRequest) -> Any:
    token = token_of(request)
    return links.visible_to(get_object_or_404(Membership, team=token.team_id, user=token.user_id))


def _told(link: ShareLink) -> dict[str, Any]:
    return {
        "share_link_id": link.pk,
        "generation_id": link.upscale_id,
        "batch_id": link.batch_id,
        "label": link.label,
        "state": links.state_of(link, timezone.now()),
        "may_decide": link.may_decide,
        "may_download": link.may_download,
        "opens": link.opens,
        "last_opened_at": link.last_opened_at,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
    }

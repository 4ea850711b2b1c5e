"""What the submit page's scripts ask of a draft: put in, look, take out, order. Everything in JSON.

A draft is its person's alone, and says itself which team it is for, whatever team another tab has switched to.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from upscaler import file_names, no_room
from upscaler.batches import (
    draft_answers,
    draft_intake,
    draft_items,
    draft_looks,
    draft_order,
    draft_review,
    draft_skus,
    drafts,
)
from upscaler.batches.draft_intake import Added
from upscaler.errors import PublicError
from upscaler.models import Batch, DraftItem, Upscale
from upscaler.ordering.new_batches import DraftOrderedBefore
from upscaler.views import files
from upscaler.views.access import OF_TEAM
from upscaler.views.query import as_number

logger = logging.getLogger(__name__)

KEY = re.compile(rf"[0-9A-Za-z_.-]{{1,{draft_items.MAX_KEY_LENGTH}}}")
GONE = "This draft is not there any more. Reload the page to begin a new one."
STORAGE_TROUBLE = "The desk could not store this just now. Try again in a while; if it stays so, tell an admin."
BUSY_SECONDS = 5
View = Callable[..., HttpResponseBase]


def _refusal(error: PublicError) -> JsonResponse:
    answer = JsonResponse({"message": error.message}, status=422 if error.permanent else 503)
    if not error.permanent:
        answer.headers["Retry-After"] = str(round(error.retry_after or BUSY_SECONDS))
    return answer


def _draft_call(view: View) -> View:
    """Find the draft for a view, and answer in JSON whatever goes wrong."""

    @wraps(view)
    def answered(request: HttpRequest, pk: int, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            draft = drafts.find_own(pk, request.user)
            if not draft.is_draft and view.__name__ != "order":
                raise DraftOrderedBefore(draft)
            return view(request, draft, *args, **kwargs)
        except (Batch.DoesNotExist, OverflowError):
            return JsonResponse({"message": GONE}, status=404)
        except Http404:
            return JsonResponse({"message": "This picture is not in the draft any more."}, status=404)
        except DraftOrderedBefore as before:
            fresh = drafts.begin(before.batch.team, request.user)
            message = (
                "This was sent meanwhile, here or in another tab: you find it in the history. What you choose now "
                "waits in a new draft."
            )
            return JsonResponse({"message": message, "draft": fresh.pk}, status=409)
        except PublicError as error:
            return _refusal(error)
        except OSError as error:
            said = no_room.sentence(
                error, STORAGE_TROUBLE, logger=logger, doing=f"draft {pk}: something could not be stored"
            )
            answer = JsonResponse({"message": said}, status=503)
            answer.headers["Retry-After"] = "30"
            return answer

    return answered


@require_POST
def begin(request: HttpRequest) -> HttpResponseBase:
    """The person's draft of the team that the page is of, made where there is none."""
    memberships = request.memberships  # type: ignore[attr-defined]
    team = request.team  # type: ignore[attr-defined]
    if not team:
        return JsonResponse({"message": "You are in no team yet. Ask an admin to add you to one."}, status=403)
    wanted = request.POST.get(OF_TEAM, str(team.pk))
    team = next((membership.team for membership in memberships if str(membership.team_id) == wanted), None)
    if team is None:
        return JsonResponse({"message": "You are not in this team any more. Reload the page."}, status=404)
    try:
        draft = drafts.begin(team, request.user)
    except IntegrityError:  # Of two tabs at once the other was quicker.
        draft = drafts.begin(team, request.user)
    return JsonResponse({"draft": draft.pk})


@require_safe
@_draft_call
def draft(request: HttpRequest, draft: Batch) -> HttpResponseBase:
    """The whole draft, judged for the model and settings that are asked about."""
    review = draft_review.review(draft, draft_review.choice_in(request.GET, draft.team))
    return JsonResponse(_whole(request, draft, review))


@require_POST
@_draft_call
def add_file(request: HttpRequest, draft: Batch) -> HttpResponseBase:
    """Put a chosen file in, whatever it holds."""
    file = request.FILES.get("file")
    if file is None:
        raise PublicError("There was no file in the request. Choose it again.", code="missing")
    folder = _folder(request.POST.get("folder", ""))
    name, host = file.name or "picture", request.get_host()
    added = draft_intake.add_file(draft, file, key=_key(request), name=name, folder=folder, host=host)
    draft_looks.look_into(draft, added.items, draft_review.choice_in(request.POST, draft.team))
    return _added(request, draft, added)


@require_POST
@_draft_call
def add_addresses(request: HttpRequest, draft: Batch) -> HttpResponseBase:
    """Put the addresses of a pasted list in."""
    text = request.POST.get("text", "")
    added = draft_intake.add_addresses(draft, text, key=_key(request), host=request.get_host())
    return _added(request, draft, added)


@require_POST
@_draft_call
def add_result(request: HttpRequest, draft: Batch) -> HttpResponseBase:
    """Put an earlier result in, or the kept source of an earlier upscale."""
    what = request.POST.get("what", "result")
    upscale = Upscale.objects.filter(team=draft.team, pk=as_number(request.POST.get("upscale", "")) or 0).first()
    if upscale is None or what not in ("result", "source"):
        raise PublicError("There is no such picture in your team. Choose another.", code="not_found")
    return _added(request, draft, Added.of([draft_items.add_result(draft, upscale, what=what)]))


@require_POST
@_draft_call
def remove(request: HttpRequest, draft: Batch) -> HttpResponseBase:
    """Take items out: those that are named, or all of one state."""
    ids = [pk for text in request.POST.getlist("id") if (pk := as_number(text)) is not None]
    if states := set(request.POST.getlist("state")):
        review = draft_review.review(draft, draft_review.choice_in(request.POST, draft.team))
        ids += [judged.item.pk for judged in review.items if judged.state in states]
        if "left_out" in states:
            ids += [row.pk for row in review.left_out if row.problem != drafts.READING]
    return JsonResponse({"removed": drafts.remove(draft, ids)})


@require_POST
@_draft_call
def pattern(request: HttpRequest, draft: Batch) -> HttpResponseBase:
    """Say how SKUs are taken from the names."""
    draft_skus.choose(draft, request.POST.get("pattern", ""))
    review = draft_review.review(draft, draft_review.choice_in(request.POST, draft.team))
    answer = _whole(request, draft, review)
    del answer["quote"]
    return JsonResponse(answer)


@require_POST
@_draft_call
def item(request: HttpRequest, draft: Batch, item_pk: int) -> HttpResponseBase:
    """Change an item's SKU, or whether it is to be made anew, or enlarged although it is large enough."""
    values: dict[str, Any] = {}
    if "sku" in request.POST:
        values |= {"sku": draft_items.checked_sku(request.POST["sku"]), "is_sku_typed": True}
    if "anew" in request.POST:
        values["is_anew"] = request.POST["anew"] == "true"
    if "enlarged" in request.POST:
        values["is_enlarged"] = request.POST["enlarged"] == "true"
    if values:
        with drafts.changing(draft) as locked:
            locked.items.filter(pk=item_pk).update(**values)
    found = get_object_or_404(drafts.items_of(draft), pk=item_pk)
    return JsonResponse({"items": _items(request, draft, [found])})


@require_POST
@_draft_call
def order(request: HttpRequest, draft: Batch) -> HttpResponseBase:
    """Send what is ready, if it is what the page says. Of a second click comes the same batch."""
    try:
        if not draft.is_draft:
            raise DraftOrderedBefore(draft)
        rows, _ = draft_order.order(
            draft,
            draft_review.choice_in(request.POST, draft.team),
            user=request.user,
            expected=as_number(request.POST.get("expected", "")),
            credits=as_number(request.POST.get("credits", "")),
            name=request.POST.get("name", ""),
            wants_email=request.POST.get("wants_email") in ("on", "true", "1"),
            request=request,
        )
    except DraftOrderedBefore as before:
        return JsonResponse({"url": before.batch.get_absolute_url()})
    except draft_order.Changed as changed:
        answer = {"message": changed.message, **_whole(request, draft, changed.review)}
        return JsonResponse(answer, status=409)
    return JsonResponse({"url": reverse("batch", args=[rows[0].batch_id])})


@require_safe
@_draft_call
def thumbnail(request: HttpRequest, draft: Batch, item_pk: int) -> HttpResponseBase:
    """An item's small picture."""
    found = get_object_or_404(draft.items, pk=item_pk)
    return files.serve(found.thumbnail, max_age=files.A_WEEK)


def _key(request: HttpRequest) -> str:
    key = request.POST.get("key", "")
    return key if KEY.fullmatch(key) else draft_items.new_key()


def _folder(text: str) -> str:
    parts = (file_names.without_spoofing(part) for part in text.replace("\\", "/").split("/"))
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def _added(request: HttpRequest, draft: Batch, added: Added) -> HttpResponseBase:
    return JsonResponse(
        {
            "items": _items(request, draft, added.items),
            "left_out": draft_answers.left_out(added.left_out),
            "reading": draft_answers.reading(draft, added.left_out),
        }
    )


def _items(request: HttpRequest, draft: Batch, items: Sequence[DraftItem]) -> list[dict[str, Any]]:
    choice = draft_review.choice_in(request.POST, draft.team)
    return [draft_answers.item(judged) for judged in draft_review.review(draft, choice, only=items).items]


def _whole(request: HttpRequest, draft: Batch, review: draft_review.Review) -> dict[str, Any]:
    return {
        "draft": draft.pk,
        "items": [draft_answers.item(judged) for judged in review.items],
        "left_out": draft_answers.left_out(review.left_out),
        "reading": draft_answers.reading(draft, review.left_out),
        "pattern": draft_answers.pattern(review),
        "quote": draft_answers.quote(draft, review, request.user),
    }

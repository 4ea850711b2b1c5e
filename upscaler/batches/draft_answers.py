"""A draft in the shape in which the submit page gets it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from upscaler import credits
from upscaler.accounts import audit_log
from upscaler.batches import draft_archives, drafts, estimate, quotes
from upscaler.batches.draft_review import FITTED, Judged, Review
from upscaler.credits import CreditsRefused
from upscaler.models import Batch, DraftItem, Upscale

MAX_UNNAMED = 20
"""Pictures without a name for a shop that are named one by one."""


def item(judged: Judged) -> dict[str, Any]:
    """One item."""
    row, order = judged.item, judged.order
    # Without one while nobody knows how much it is enlarged.
    factor = order.factor if order is not None and not order.is_factor_open else 0
    is_sized = bool(row.width and row.height and factor)
    return {
        "id": row.pk,
        "key": row.key,
        "name": row.name,
        "folder": row.folder,
        "origin": row.origin,
        "sku": row.sku,
        "source": row.source,
        "address": row.url if row.source == DraftItem.Source.URL else "",
        "width": row.width,
        "height": row.height,
        "bytes": row.file_size,
        "thumbnail": f"/drafts/{row.batch_id}/items/{row.pk}/thumbnail/" if row.thumbnail else None,
        "state": judged.state,
        "message": judged.message,
        "result_width": row.width * factor if is_sized and row.width else None,
        "result_height": row.height * factor if is_sized and row.height else None,
        "anew": row.is_anew,
        "reach": judged.plan.in_words if judged.plan is not None else "",
        "enlarged": row.is_enlarged and judged.state != FITTED and judged.plan is not None,
        "made": _made(judged.known) if judged.known is not None else None,
    }


def left_out(rows: Iterable[DraftItem]) -> list[dict[str, Any]]:
    """Files that are no items, and why; also archives that nobody reads on."""
    return [
        {"id": row.pk, "name": row.name, "message": _left_out_in_words(row)}
        for row in rows
        if row.problem != drafts.READING or draft_archives.is_stalled(row)
    ]


def reading(draft: Batch, rows: Iterable[DraftItem]) -> list[dict[str, Any]]:
    """Archives that are being read: more items will come of them."""
    return [
        {"id": row.pk, "key": row.key, "name": row.name, "done": _done(draft, row), "total": int(row.problem_message)}
        for row in rows
        if row.problem == drafts.READING and not draft_archives.is_stalled(row)
    ]


def pattern(review: Review) -> dict[str, str]:
    """How SKUs are taken from names."""
    skus = review.skus
    return {"text": skus.text, "words": skus.words, "example": skus.example}


def quote(draft: Batch, review: Review, user: Any) -> dict[str, Any]:
    """What it would cost, and what is left then."""
    price = review.credits
    status = credits.spending_status(team_id=draft.team_id, user=user)
    refusal = ""
    try:
        credits.ensure_affordable(team_id=draft.team_id, user=user, price=price)
    except CreditsRefused as error:
        refusal = error.message
    budget = status.tightest
    return {
        "total": len(review.orders),
        "credits": price,
        "balance": status.balance,
        "balance_after": status.balance - price,
        "budget": (
            {"name": budget.name, "left": budget.left, "after": budget.left - price} if budget is not None else None
        ),
        "seconds": estimate.seconds(review.orders, team=draft.team),
        "counts": review.counts,
        "refusal": refusal,
        "fitted": sum(order.is_only_fitted for order in review.orders),
        "unnamed": _unnamed(draft, review),
    }


def _unnamed(draft: Batch, review: Review) -> dict[str, Any] | None:
    """Pictures that have no name for a shop: how many files, and the first of them in words; None for none."""
    found = quotes.unnamed_of(review.orders, draft.team, review.choice.channels)
    if not found:
        return None
    words = list(dict.fromkeys(one.message for one in found))
    return {"count": len(found), "messages": words[:MAX_UNNAMED], "more": max(0, len(words) - MAX_UNNAMED)}


def _made(known: Upscale) -> dict[str, Any]:
    return {
        "url": reverse("upscale", args=[known.pk]),
        "by": audit_log.name_of(known.created_by),
        "when": known.created_at.isoformat(),
        "status": known.status,
        "upscale": known.pk,
    }


def _done(draft: Batch, row: DraftItem) -> int:
    return draft.items.filter(key__startswith=f"{row.key}/").count()


def _left_out_in_words(row: DraftItem) -> str:
    if row.problem != drafts.READING:
        return row.problem_message
    return (
        f"The desk was interrupted before all of its {int(row.problem_message):,} pictures were read. Choose the ZIP "
        "again: what is in the list already is marked as a duplicate and costs nothing."
    )

"""Looks into the first pictures of a draft as they come, so that the page can tell how long all will take."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from upscaler.batches import draft_review
from upscaler.batches.draft_review import Choice
from upscaler.models import Batch, DraftItem
from upscaler.ordering import looks


def look_into(draft: Batch, added: Sequence[DraftItem], choice: Choice) -> None:
    """Keep with the items what a look at them finds, until `looks.MOST` of the draft's were looked at.

    It takes ``LOOK_SECONDS`` at most.
    """
    if not added or not settings.LOOK_SECONDS:
        return
    room = looks.MOST - draft.items.filter(source_facts__has_key=looks.LOOKED_AT).count()
    if room <= 0:
        return
    judged = draft_review.review(draft, choice, only=added[:room]).items
    known = [(one.item, one.order) for one in judged if one.order is not None]
    found = looks.looked_at([order for _, order in known])
    for (item, _), order in zip(known, found, strict=True):
        if order.found and order.found != item.source_facts:
            draft.items.filter(pk=item.pk).update(source_facts=dict(order.found))

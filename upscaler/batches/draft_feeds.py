"""Pictures that a catalogue check found too small, put into a draft: one quote for all of them, and one order."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet

from upscaler import fetching
from upscaler.batches import draft_items, drafts
from upscaler.channels.table import Channel
from upscaler.models import Batch, DraftItem, FeedCheck, FeedPicture


@dataclass(frozen=True)
class Put:
    """What came of it."""

    added: int
    """Pictures that are in the draft now, those that were there before among them."""
    left: int
    """Pictures for which a batch has no room."""


def add_pictures(draft: Batch, check: FeedCheck, pictures: QuerySet[FeedPicture], channel: Channel) -> Put:
    """Add each picture once, with its SKU, however many products show it; the draft goes to the channel then.

    Raises as `drafts.changing` does.
    """
    there = set(draft.items.filter(key__startswith=f"{_prefix(check)}").values_list("key", flat=True))
    room = settings.MAX_BATCH - drafts.items_of(draft).count() + len(there)
    items: list[DraftItem] = []
    seen: set[int] = set()
    left = 0
    for picture in pictures.iterator(chunk_size=2_000):
        if picture.url_key in seen:
            continue
        seen.add(picture.url_key)
        if len(items) >= room:
            left += 1
        else:
            items.append(_item(picture, check))
    if items:
        drafts.send_to(draft, channel.id)
    return Put(len(draft_items.add_many(draft, items)), left)


def _prefix(check: FeedCheck) -> str:
    return f"feed-{check.pk}/"


def _item(picture: FeedPicture, check: FeedCheck) -> DraftItem:
    item = DraftItem(key=f"{_prefix(check)}{picture.pk}", source=DraftItem.Source.URL, url=picture.url)
    item.sku, item.is_sku_typed = picture.sku, bool(picture.sku)
    item.name = fetching.file_name(picture.url)
    item.origin = f"{check.feed.name}, row {picture.row}"[-draft_items.MAX_ORIGIN :]
    item.width, item.height, item.file_size = picture.width, picture.height, picture.file_size
    return item

"""Putting pictures into a draft: examined and stored at once, and those that can't be enlarged kept with the reason."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from upscaler import file_names
from upscaler.batches import drafts
from upscaler.batches.rows import cleaned_sku
from upscaler.errors import PublicError
from upscaler.imaging import intake
from upscaler.imaging.decoding import Patience
from upscaler.models import WITHDRAWN, Batch, DraftItem, Upscale
from upscaler.ordering import results
from upscaler.ordering.forms import MAX_SKU_LENGTH
from upscaler.processing import source_reference
from upscaler.storage import pictures, quota, team_room
from upscaler.storage.pictures import NewFiles, StoredPicture

MAX_KEY_LENGTH = 60
"""Letters of what the page calls a file; the rest is for the numbers of what is in it."""
MAX_REFUSED = 1000
"""Files for which there was no room that a draft remembers by name."""
MAX_FOLDER, MAX_ORIGIN = 1000, 300


class AddedBefore(Exception):
    """The file is in the draft already: ``item``."""

    def __init__(self, item: DraftItem) -> None:
        super().__init__(item.pk)
        self.item = item


def new_key() -> str:
    """A name for what comes without one."""
    return uuid.uuid4().hex


def added_before(draft: Batch, key: str) -> list[DraftItem]:
    """What came of the file that the page calls ``key``, where it was sent before."""
    rows = draft.items.filter(Q(key=key) | Q(key__startswith=f"{key}/"))
    # SQLite knows no capitals at the beginning of a text.
    return [row for row in rows if row.key == key or row.key.startswith(f"{key}/")]


def has_room(draft: Batch) -> bool:
    """Whether the batch may have one picture more."""
    return bool(drafts.items_of(draft).count() < settings.MAX_BATCH)


def add_picture(
    draft: Batch,
    file: IO[bytes],
    *,
    key: str,
    name: str,
    folder: str = "",
    origin: str = "",
    patience: Patience | None = None,
) -> DraftItem:
    """Examine and store a picture, once for each ``key``. One that can't be enlarged becomes an item with its problem.

    ``patience``: what all pictures of a request share.

    Raises PublicError with the code ``busy`` where it could not be looked at now; OSError where the storage can't take
    it; and as `drafts.changing` does.
    """
    item = DraftItem(batch=draft, key=key, source=DraftItem.Source.UPLOAD, name=file_names.shortened(name))
    item.folder, item.origin = folder[:MAX_FOLDER], origin[:MAX_ORIGIN]
    if (before := draft.items.filter(key=key).first()) is not None:
        return before
    try:
        # Before the work: what counts for good is asked under the lock below.
        _ensure_room(draft)
        _ensure_reach()
        quota.ensure_room(draft.team_id, _size(file))
        examined = intake.examine_source(file, name=name, patience=patience)
        with NewFiles(draft.team_id) as files:
            stored = files.store_source(file, examined)
            fill(item, stored)
            with _inserting(draft, key):
                quota.note(draft.team_id, stored)
                item.save()
                files.keep()
    except AddedBefore as twin:
        return twin.item
    except team_room.NoRoom as full:
        return add_problem(draft, item, PublicError(f"{full.brief} Then choose this one again.", code=full.code))
    except PublicError as error:
        if not error.permanent:
            raise
        return add_problem(draft, item, error)
    return item


def add_problem(draft: Batch, item: DraftItem, error: PublicError) -> DraftItem:
    """Keep the item with the reason why it can't be enlarged. Raises as `drafts.changing` does."""
    fill(item, StoredPicture(path="", thumbnail="", width=0, height=0, file_size=0))
    item.width = item.height = item.file_size = None
    item.problem, item.problem_message = error.code, error.message
    try:
        with _inserting(draft, item.key, is_item=item.problem not in drafts.NO_ITEMS):
            item.save()
    except AddedBefore as twin:
        return twin.item
    except PublicError as full:
        # One picture more than the batch may have: of these no more than their names is kept.
        if full.code != drafts.OVER_LIMIT or draft.items.filter(problem=full.code).count() >= MAX_REFUSED:
            raise
        return add_problem(draft, item, full)
    return item


def add_result(draft: Batch, upscale: Upscale, *, what: str, key: str = "") -> DraftItem:
    """Add an earlier upscale's result (``what`` is "result") or its kept source ("source"), once for each ``key``.

    Raises PublicError where it isn't there to be had, and as `drafts.changing` does.
    """
    item = _item_of(upscale, what=what, key=key)
    try:
        _ensure_room(draft)
        item.batch = draft
        with _inserting(draft, item.key):
            item.save()
    except AddedBefore as twin:
        return twin.item
    return item


def add_sources(draft: Batch, upscales: Iterable[Upscale]) -> int:
    """Add the sources of many upscales, once each; of those that are there to be had it is said how many they are.

    Raises as `drafts.changing` does.
    """
    items = []
    for upscale in upscales:
        with suppress(PublicError):
            items.append(_item_of(upscale, what="source", key=""))
    return len(add_many(draft, items))


def _item_of(upscale: Upscale, *, what: str, key: str) -> DraftItem:
    is_open = upscale.gives_result if what == "result" else upscale.gives_source
    if what == "result" and upscale.status != Upscale.Status.DONE:
        raise PublicError("This picture has no result: it failed, or is under way. Choose another.", code="not_done")
    if not is_open:
        raise results.closed(upscale.why_closed or WITHDRAWN)
    item = DraftItem(key=key or f"{what}-{upscale.pk}", name=upscale.source_name, sku=upscale.sku)
    item.folder, item.is_sku_typed, item.result = upscale.source_folder, bool(upscale.sku), upscale
    if what == "result":
        item.source = DraftItem.Source.RESULT
        fill(item, pictures.result_of(upscale))
    elif upscale.source_file:
        item.source = DraftItem.Source.UPLOAD
        fill(item, pictures.source_of(upscale))
    elif upscale.source_url:
        item.source, item.url, item.result = DraftItem.Source.URL, upscale.source_url, None
    else:
        raise PublicError("The original of this picture is not there any more. Choose another.", code="not_found")
    return item


def add_many(draft: Batch, items: Iterable[DraftItem]) -> list[DraftItem]:
    """Add items of which nothing is stored, in groups; of a key that is there already comes what is there.

    Those that find no room are kept by name only, at most `MAX_REFUSED`. Raises PublicError ``over_limit`` where there
    are more of them; and as `drafts.changing` does.
    """
    waiting, added = list(items), []
    for start in range(0, len(waiting), drafts.GROUP):
        group = waiting[start : start + drafts.GROUP]
        with drafts.changing(draft) as locked:
            there = {item.key: item for item in locked.items.filter(key__in=[item.key for item in group])}
            room = settings.MAX_BATCH - drafts.items_of(locked).count()
            room_for_refused = max(0, MAX_REFUSED - locked.items.filter(problem=drafts.OVER_LIMIT).count())
            new = []
            for item in group:
                if item.key in there:
                    continue
                if item.problem not in drafts.NO_ITEMS:
                    if room <= 0:
                        item.problem, item.problem_message = drafts.OVER_LIMIT, over_limit().message
                        room_for_refused -= 1
                        if room_for_refused < 0:
                            continue
                    room -= 1
                item.batch, item.created_at = locked, timezone.now()
                new.append(item)
            DraftItem.objects.bulk_create(new)
        # After the COMMIT: those that found room stay.
        if room_for_refused < 0:
            raise over_limit()
        added += [there.get(item.key, item) for item in group]
    return added


def checked_sku(text: str) -> str:
    """A typed SKU as it is kept. Raises PublicError."""
    sku = cleaned_sku(text)
    if len(sku) > MAX_SKU_LENGTH:
        raise PublicError(
            f"The SKU has {len(sku):,} characters; the limit is {MAX_SKU_LENGTH}. Shorten it.", code="sku_too_long"
        )
    return sku


def over_limit() -> PublicError:
    """The refusal of one picture more than a batch may have."""
    return PublicError(
        f"There is no room for it: a batch takes at most {settings.MAX_BATCH:,} pictures. Send these first, then "
        "choose it again.",
        code=drafts.OVER_LIMIT,
    )


@contextmanager
def _inserting(draft: Batch, key: str, *, is_item: bool = True) -> Iterator[None]:
    """The short transaction in which a row is added. Raises AddedBefore, PublicError ``over_limit``."""
    with drafts.changing(draft) as locked:
        if (before := locked.items.filter(key=key).first()) is not None:
            raise AddedBefore(before)
        if is_item:
            _ensure_room(locked)
        yield


def _ensure_room(draft: Batch) -> None:
    if not has_room(draft):
        raise over_limit()


def _ensure_reach() -> None:
    if refusal := source_reference.why_no_uploads():
        raise PublicError(refusal, code="public_url_missing")


def fill(item: DraftItem, stored: StoredPicture) -> None:
    """Note what is known of a stored picture."""
    item.file, item.thumbnail, item.digest = stored.path, stored.thumbnail, stored.digest
    item.width, item.height, item.file_size = stored.width, stored.height, stored.file_size
    item.product_share = stored.product_share
    item.source_facts = dict(stored.facts) or None


def _size(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size

"""Files that are next are read, examined and put into the folder's draft, by the rules of the page's own drafts."""

from __future__ import annotations

import time

from django.conf import settings

from upscaler import file_names
from upscaler.batches import draft_items, draft_skus, drafts
from upscaler.errors import PublicError
from upscaler.models import Batch, DraftItem, WatchedFile, WatchedFolder
from upscaler.storage import quota
from upscaler.watching.holding import Hold
from upscaler.watching.places import FileChanged, Found, Place

State = WatchedFile.State


def take(hold: Hold, place: Place, end: float) -> bool:
    """Take what is next until the moment ``end`` (`time.monotonic`), or until the draft is full.

    Whether something is left that would still have room. A file that can't be read now waits for the next look, and
    the others go on; it is said at the end. Raises PublicError, Lost, OSError.
    """
    trouble: PublicError | None = None
    draft = draft_of(hold.folder)
    number = hold.folder.files.filter(state=State.HELD, batch=draft).count()
    for file in hold.folder.files.filter(state=State.READY).order_by("pk"):
        if not draft_items.has_room(draft):
            break
        if time.monotonic() > end:
            return True
        hold.renew()
        try:
            if _take(draft, place, file, number + 1):
                number += 1
        except PublicError as error:
            if error.code in quota.CODES:
                raise
            trouble = PublicError(f"“{file.path}”: {error.message}", code=error.code, permanent=False)
            file.state = State.SEEN
            file.save(update_fields=["state"])
    if trouble is not None:
        raise trouble
    return False


def draft_of(folder: WatchedFolder) -> Batch:
    """The folder's draft, which is nobody's own, made where there is none."""
    pattern = folder.sku_pattern or draft_skus.NONE
    draft = Batch.objects.filter(watched_folder=folder, ordered_at=None).order_by("pk").first()
    if draft is None:
        return Batch.objects.create(team=folder.team, watched_folder=folder, sku_pattern=pattern)
    if draft.sku_pattern != pattern:
        # Also one that was parted from a batch.
        draft.sku_pattern = pattern
        draft.save(update_fields=["sku_pattern"])
    return draft


def key_of(file: WatchedFile) -> str:
    """What the draft calls the file's item."""
    return f"watched-{file.pk}"


def _take(draft: Batch, place: Place, file: WatchedFile, number: int) -> bool:
    if file.size > settings.MAX_UPLOAD_BYTES:
        # Before it is brought here: it may be a film.
        limit = settings.MAX_UPLOAD_BYTES // 1_000_000
        file.state, file.problem = (
            State.REFUSED,
            (f"The file has {file.size / 1e6:,.0f} MB; the limit is {limit:,} MB. Save it smaller."),
        )
        file.save(update_fields=["state", "problem"])
        return False
    # Here, so that a full quota has the folder wait and refuses no picture.
    quota.ensure_room(draft.team_id, file.size)
    try:
        with place.open(Found(file.path, file.size, file.version)) as content:
            item = _add(draft, file, content)
    except FileChanged:
        # What it is now is found at the next look.
        left = DraftItem.objects.filter(batch=draft, key=key_of(file)).values_list("pk", flat=True)
        drafts.remove(draft, list(left))
        file.delete()
        return False
    except PublicError as error:
        if not error.permanent:
            raise
        file.state, file.problem = State.REFUSED, error.message
        file.save(update_fields=["state", "problem"])
        return False
    file.state, file.batch, file.number, file.digest = State.HELD, draft, number, item.digest
    file.save(update_fields=["state", "batch", "number", "digest"])
    return True


def _add(draft: Batch, file: WatchedFile, content: object) -> DraftItem:
    folder, _, name = file.path.rpartition("/")
    item = draft_items.add_picture(
        draft,
        content,  # type: ignore[arg-type]
        key=key_of(file),
        name=file_names.cleaned(name),
        folder=file_names.without_spoofing(folder),
    )
    if item.problem in quota.CODES:
        # Others took the last room while it was looked at: it waits, as one does that finds none.
        drafts.remove(draft, [item.pk])
        raise PublicError(item.problem_message, code=item.problem, permanent=False)
    return item

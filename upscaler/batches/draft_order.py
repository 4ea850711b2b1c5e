"""A draft becomes a batch: what is sent and what it costs are just what the person has seen, or nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest

from upscaler import file_names
from upscaler.batches import draft_archives, draft_review, drafts
from upscaler.batches.draft_review import Choice, Judged, Review
from upscaler.errors import PublicError
from upscaler.models import Batch, DraftItem, Upscale
from upscaler.ordering import for_channels, submission
from upscaler.ordering.new_batches import DraftChanged, DraftOrderedBefore, NewBatch
from upscaler.ordering.submission import OrderedBefore
from upscaler.storage import draft_files
from upscaler.text import format_credits

MAX_NAME = 255


class Changed(Exception):
    """It is not any more as the person has seen it: ``review`` is how it is now. Nothing was ordered."""

    def __init__(self, message: str, review: Review) -> None:
        super().__init__(message)
        self.message = message
        self.review = review


def order(
    draft: Batch,
    choice: Choice,
    *,
    user: Any,
    expected: int | None = None,
    credits: int | None = None,
    name: str = "",
    wants_email: bool = False,
    only: Sequence[DraftItem] | None = None,
    request: HttpRequest | None = None,
) -> tuple[list[Upscale], Review]:
    """Order what is ready of the draft, or of ``only`` some of its items, and let go of the rest of them.

    ``expected`` pictures for ``credits``: where it would be others, nothing is ordered.
    Raises Changed, DraftOrderedBefore, PublicError where there is nothing to be sent, and as `submission.submit` does.
    """
    with _told_of_twin(draft):
        return _order(draft, choice, user, (expected, credits), name, wants_email, only, request)


@contextmanager
def _told_of_twin(draft: Batch) -> Iterator[None]:
    """Whatever refuses a second click, also that its first has taken the last credit: of both comes the same batch."""
    try:
        yield
    except (Changed, PublicError):
        now = _draft_now(draft)
        if not now.is_draft:
            raise DraftOrderedBefore(now) from None
        raise


def _draft_now(draft: Batch) -> Batch:
    """The draft, or the batch that it became; as it was where the database can't say."""
    try:
        return Batch.objects.get(pk=draft.pk)
    except (OperationalError, InterfaceError, InternalError):
        return draft


def _order(
    draft: Batch,
    choice: Choice,
    user: Any,
    seen: tuple[int | None, int | None],
    name: str,
    wants_email: bool,
    only: Sequence[DraftItem] | None,
    request: HttpRequest | None,
) -> tuple[list[Upscale], Review]:
    review = draft_review.review(draft, choice, only=only)
    _refuse_reading(review)
    _compare(review, *seen)
    orders = review.orders
    if not orders:
        raise PublicError(
            "There is no picture to be sent. Choose pictures, or look what is said about those in the list.",
            code="nothing_to_send",
        )
    gone = [judged.item for judged in review.items] + review.left_out
    batch = NewBatch(
        model_name=choice.model_name,
        settings=for_channels.common_settings(choice.settings, choice.channels, is_factor_given=choice.is_factor_given),
        requested_format=choice.requested_format,
        channels=tuple(channel.id for channel in choice.channels),
        name=file_names.without_spoofing(name).strip()[:MAX_NAME],
        sku_pattern=review.skus.text,
        wants_email=wants_email,
        draft=draft,
        draft_items=frozenset(item.pk for item in gone),
    )
    try:
        rows = submission.submit(orders, team=draft.team, user=user, once=True, request=request, batch=batch)
    except (OrderedBefore, DraftChanged):
        # A colleague ordered the same, or another tab removed some, since they were looked at.
        raise _changed(draft_review.review(draft, choice, only=only)) from None
    draft_files.delete(judged.item for judged in review.items if not is_sent(judged))
    return rows, review


def is_sent(judged: Judged) -> bool:
    """Whether an order sends it."""
    return judged.state in draft_review.SENT and judged.order is not None


def _refuse_reading(review: Review) -> None:
    for row in review.left_out:
        if row.problem == drafts.READING and not draft_archives.is_stalled(row):
            raise Changed(
                f"“{row.name}” is still being read, and its pictures are not all in the list yet. Wait until they are, "
                "or take it out of the list.",
                review,
            )


def _compare(review: Review, expected: int | None, credits: int | None) -> None:
    is_same = expected in (None, len(review.orders)) and credits in (None, review.credits)
    if not is_same:
        raise _changed(review)


def _changed(review: Review) -> Changed:
    count = len(review.orders)
    would = f"{count:,} picture{'' if count == 1 else 's'} would be sent for {format_credits(review.credits)}"
    return Changed(f"Nothing was sent, because the list is another one now: {would}. Look at it, and send it.", review)

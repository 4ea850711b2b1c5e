"""A folder's draft becomes a batch, by the same judging and ordering as on the page, and each file learns its upscale.

All is found from the rows: a worker may be killed between any two lines, and the next one goes on.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from upscaler.batches import draft_order, draft_review, drafts
from upscaler.batches.draft_order import is_sent
from upscaler.batches.draft_review import Choice, Judged, Review
from upscaler.credits import CreditsRefused
from upscaler.errors import PublicError
from upscaler.models import Batch, DraftItem, Membership, Upscale, WatchedFile, WatchedFolder, WatchedResult
from upscaler.ordering.new_batches import DraftOrderedBefore
from upscaler.storage import team_room
from upscaler.text import format_credits
from upscaler.watching.holding import Hold
from upscaler.watching.taking import key_of

State = WatchedFile.State
WAITS = ("insufficient_credits", "budget_exceeded", "daily_limit", team_room.FULL)
"""The codes of what waits for credits, or for room, and is no fault of the folder's."""


def order(hold: Hold) -> bool:
    """Order what the draft holds, as one batch. Whether there was one.

    Raises PublicError where it waits, with why; Lost, OSError.
    """
    folder = hold.folder
    draft = Batch.objects.filter(watched_folder=folder, ordered_at=None).order_by("pk").first()
    if draft is None or not draft.items.exists():
        return False
    user = _orderer(folder)
    choice = choice_of(folder)
    review = draft_review.review(draft, choice)
    hold.renew()
    settle_judged(folder, draft, review)
    sent = [judged for judged in review.items if is_sent(judged)]
    affordable = _within_limit(folder, sent)
    if affordable:
        _order(folder, draft, choice, user, affordable, is_all=len(affordable) == len(sent))
    if len(affordable) < len(sent):
        raise _limit_reached(folder)
    return bool(affordable)


def _order(folder: WatchedFolder, draft: Batch, choice: Choice, user: Any, sent: list[Judged], *, is_all: bool) -> None:
    only = None if is_all else [judged.item for judged in sent]
    name = f"{folder.name}, {timezone.localtime():%d %B %H:%M}"
    try:
        draft_order.order(draft, choice, user=user, name=name, only=only)
    except (draft_order.Changed, DraftOrderedBefore):
        return  # Somebody ordered the same meanwhile: judged anew at the next look.
    except CreditsRefused as refused:
        raise _waits_for_credits(refused, len(sent)) from None
    settle(folder)


def choice_of(folder: WatchedFolder) -> Choice:
    """What is made of the folder's pictures, by today's rules. Raises PublicError where these refuse it."""
    data = {
        "model_name": folder.model_name,
        "generation_settings": folder.settings,
        "result_format": folder.result_format,
        "channels": folder.channels,
    }
    return draft_review.choice_in(data, folder.team)


def settle(folder: WatchedFolder) -> None:
    """Give each file that became part of a batch its upscale; one that did not is taken once more."""
    held = folder.files.filter(state=State.HELD)
    held.filter(batch=None).update(state=State.READY)
    for batch_id in set(held.filter(batch__ordered_at__isnull=False).values_list("batch_id", flat=True)):
        made = Upscale.objects.filter(batch=batch_id, retry_of=None).exclude(source_digest="")
        upscales = dict(made.values_list("source_digest", "pk"))
        rest = Batch.objects.filter(watched_folder=folder, ordered_at=None).order_by("pk").first()
        waiting = set(DraftItem.objects.filter(batch=rest).values_list("key", flat=True)) if rest else set()
        for file in held.filter(batch=batch_id).order_by("pk"):
            if file.digest in upscales:
                with transaction.atomic():
                    _ordered(folder, file, upscales[file.digest])
            elif key_of(file) in waiting:
                WatchedFile.objects.filter(pk=file.pk).update(batch=rest)
            else:
                WatchedFile.objects.filter(pk=file.pk).update(state=State.READY, batch=None)


def settle_judged(folder: WatchedFolder, draft: Batch, review: Review) -> None:
    """Note what became of the files that are not ordered: refused, or made already. Their items leave the draft."""
    files = {key_of(file): file for file in folder.files.filter(state=State.HELD, batch=draft)}
    firsts = {one.item.digest: one for one in review.items if one.state != draft_review.DUPLICATE and one.item.digest}
    with transaction.atomic():
        for judged in review.items:
            file = files.get(judged.item.key)
            if file is None:
                continue
            file.sku = judged.item.sku
            _settle_one(folder, file, judged, firsts.get(judged.item.digest, judged))
    drafts.remove(draft, [judged.item.pk for judged in review.items if not is_sent(judged)])


def _settle_one(folder: WatchedFolder, file: WatchedFile, judged: Judged, first: Judged) -> None:
    if is_sent(first):
        # Of the same picture twice there will be one upscale for both.
        file.save(update_fields=["sku"])
    elif first.state == draft_review.MADE and first.known is not None:
        file.batch = None
        _ordered(folder, file, first.known.pk)
    else:
        file.state, file.problem, file.batch = State.REFUSED, first.message, None
        file.save(update_fields=["state", "problem", "batch", "sku"])


def _ordered(folder: WatchedFolder, file: WatchedFile, upscale_id: int) -> None:
    file.state, file.upscale_id = State.ORDERED, upscale_id
    file.save(update_fields=["state", "upscale", "sku", "batch"])
    WatchedResult.objects.bulk_create(
        [WatchedResult(folder=folder, file=file, channel_id=id_) for id_ in ("", *folder.channels)],
        ignore_conflicts=True,
    )


def spent_today(folder: WatchedFolder) -> int:
    """Credits that the folder's batches of today cost when they were ordered."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    of_today = Batch.objects.filter(watched_folder=folder, ordered_at__gte=today)
    return of_today.aggregate(spent=Sum("credits"))["spent"] or 0


def _within_limit(folder: WatchedFolder, sent: list[Judged]) -> list[Judged]:
    if folder.daily_credits is None:
        return sent
    left = folder.daily_credits - spent_today(folder)
    kept = []
    for judged in sent:
        left -= judged.order.credits if judged.order is not None else 0
        if left < 0:
            break
        kept.append(judged)
    return kept


def _limit_reached(folder: WatchedFolder) -> PublicError:
    return PublicError(
        f"Today’s limit of {format_credits(folder.daily_credits or 0)} is reached. It goes on tomorrow by itself; to "
        "go on now, raise the limit.",
        code="daily_limit",
        permanent=False,
    )


def _waits_for_credits(refused: CreditsRefused, count: int) -> PublicError:
    of_what = "of this month’s budget" if refused.code == "budget_exceeded" else "in your team’s balance"
    return PublicError(
        f"{count:,} picture{' waits' if count == 1 else 's wait'} for credits: {format_credits(refused.needed)} "
        f"{'is' if refused.needed == 1 else 'are'} needed, and {format_credits(refused.left)} "
        f"{'is' if refused.left == 1 else 'are'} left {of_what}. It goes on by itself once there are enough.",
        code=refused.code,
        permanent=False,
    )


def _orderer(folder: WatchedFolder) -> Any:
    user = folder.created_by
    if user is not None and user.is_active and Membership.objects.filter(team=folder.team, user=user).exists():
        return user
    raise PublicError(
        "The person in whose name this folder orders is not in the team any more. Switch it off and on again: then it "
        "orders in your name.",
        code="orderer_gone",
    )

"""One batch's page, what keeps it live, and what people do with a batch at work."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from upscaler import no_room, upscaling_models
from upscaler.batches import draft_items, drafts, progress
from upscaler.channels import files, teams
from upscaler.errors import PublicError
from upscaler.models import CANCELLED_CODE, Batch, Upscale, batch_queries
from upscaler.ordering.new_batches import DraftOrderedBefore
from upscaler.queue import dispatch
from upscaler.review import waiting
from upscaler.text import format_credits
from upscaler.views import live_state
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.query import as_number, number
from upscaler.views.retried import tell_refused
from upscaler.views.submit_draft import STORAGE_TROUBLE

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
MAX_LIVE_ROWS = 100
MAX_AT_WORK = 8
STATES = (*Upscale.Status.choices, (CANCELLED_CODE, "Cancelled"))
FILES_AWAITED = timedelta(minutes=30)
"""After a batch's end, how long its page looks for files that are still being made."""


@require_safe
@team_required
def batch(request: TeamRequest, pk: int) -> HttpResponse:
    """How the batch stands, what is at work, and its pictures, problems first."""
    found = _shown(request, pk)
    page = max(number(request.GET, "page") or 1, 1)
    context = _context(request, found)
    counts: batch_queries.Counts = context["counts"]
    status = context["status"]
    total = counts.by_state()[status] if status else counts.total
    last_page = max(1, -(-total // PAGE_SIZE))
    if page > last_page:
        return redirect(f"{found.get_absolute_url()}?{urlencode({'status': status, 'page': last_page})}")
    rows = progress.page(found, start=(page - 1) * PAGE_SIZE, size=PAGE_SIZE, state=status)
    from_first = rows if page == 1 and status in ("", Upscale.Status.ONGOING) else []
    address = {"status": status} if status else {}
    return render(
        request,
        "batches/page.html",
        {
            **context,
            "rows": rows,
            "at_work": _at_work(found, counts, from_first),
            "page_number": page,
            "newer_url": f"?{urlencode({**address, 'page': page - 1})}" if page > 1 else None,
            "older_url": f"?{urlencode({**address, 'page': page + 1})}" if page < last_page else None,
            "live_url": _live_url(found, address, page),
        },
    )


@require_safe
@team_required
def live(request: TeamRequest, pk: int) -> HttpResponse:
    """The batch's head and the rows that a page asks about, as they stand now; 204 where it has ``seen`` all that."""
    found = _find(request, pk)
    given = map(as_number, request.GET.getlist("id")[:MAX_LIVE_ROWS])
    numbers = [one for one in given if one is not None]
    # Before anything is read, so that no change in between is taken for one that was shown.
    state = live_state.of_batch(request, found, numbers)
    if state == request.GET.get("seen"):
        return HttpResponse(status=204)
    rows = Upscale.objects.filter(batch=found, pk__in=numbers)
    rows = rows.select_related("source_result", "fidelity").to_show()
    page = number(request.GET, "page") or 1
    context = _context(request, _shown(request, pk))
    shown = {"rows": rows, "at_work": _at_work(found, context["counts"]), "page_number": page}
    return render(request, "batches/_live.html", {**context, **shown, "oob": True, "state": state})


@require_POST
@team_required
def cancel(request: TeamRequest, pk: int) -> HttpResponse:
    """Cancel what has not begun."""
    found = _find(request, pk)
    number_cancelled = progress.cancel(found, user=request.user, request=request)
    if number_cancelled:
        pictures = f"{number_cancelled:,} pictures" if number_cancelled > 1 else "1 picture"
        messages.success(request, f"{pictures} cancelled, and the credits returned. What is at work now goes on.")
    else:
        messages.info(request, "Nothing was left to cancel: all pictures have begun or ended.")
    return redirect(found)


@require_POST
@team_required
def retry(request: TeamRequest, pk: int) -> HttpResponse:
    """Try the failed ones again."""
    found = _find(request, pk)
    try:
        retried = progress.retry_failed(found, user=request.user, request=request)
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect(found)
    except OSError as error:
        said = no_room.sentence(
            error, STORAGE_TROUBLE, logger=logger, doing=f"batch {found.pk}: a retry could not be stored"
        )
        messages.error(request, said)
        return redirect(found)
    if retried.upscales:
        pictures = f"{len(retried.upscales):,} pictures" if len(retried.upscales) > 1 else "1 picture"
        price = format_credits(sum(upscale.credits for upscale in retried.upscales))
        messages.success(request, f"We are trying {pictures} again, for {price}.")
    tell_refused(request, retried.refused)
    if not retried.upscales and not retried.refused:
        messages.info(request, "Nothing was left to try again.")
    return redirect(found)


@require_POST
@team_required
def again(request: TeamRequest, pk: int) -> HttpResponse:
    """Put the same pictures into the person's draft, to be ordered with another model or other settings."""
    found = _find(request, pk)
    rows = batch_queries.pictures(found).select_related("source_result").order_by("pk")
    try:
        added = _put_into_draft(request, rows)
    except PublicError as full:
        messages.error(request, full.message)
        return redirect("submit")
    if added:
        pictures = f"The {added:,} pictures" if added > 1 else "The picture"
        messages.success(request, f"{pictures} of {found} wait in the list. Choose how to enlarge them.")
    else:
        messages.error(request, "None of these pictures is there any more.")
    return redirect("submit")


@require_POST
@team_required
def email(request: TeamRequest, pk: int) -> HttpResponse:
    """Whether whoever ordered the batch gets an e-mail at its end."""
    found = get_object_or_404(Batch, team=request.team, pk=pk, created_by=request.user, ordered_at__isnull=False)
    wants = request.POST.get("wants_email") == "true"
    Batch.objects.filter(pk=found.pk).update(wants_email=wants)
    messages.success(request, "You get an e-mail at the end." if wants else "You get no e-mail unless it takes long.")
    return redirect(found)


@require_POST
@team_required
def channels(request: TeamRequest, pk: int) -> HttpResponse:
    """Have files for a channel made of all results, which costs nothing."""
    found = _find(request, pk)
    try:
        channel = teams.find(request.team, request.POST.get("channel", ""))
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect(found)
    files.choose(found, channel)
    try:
        dispatch.fit_files(found.pk)
    except Exception:
        # The rows say what is wanted: the sweep sends the message.
        logger.exception("batch %s: no message for its channel files could be sent", found.pk)
    messages.success(
        request, f"Files for {channel.title} are being made; they lie in the ZIP in a folder of their own."
    )
    return redirect(found)


def _put_into_draft(request: TeamRequest, rows: Iterable[Upscale]) -> int:
    while True:
        try:
            return draft_items.add_sources(drafts.begin(request.team, request.user), rows)
        except (DraftOrderedBefore, Batch.DoesNotExist):
            continue  # In another tab, meanwhile: they wait in the next draft.


def _mine(request: TeamRequest) -> QuerySet[Batch]:
    return Batch.objects.filter(team=request.team, ordered_at__isnull=False)


def _find(request: TeamRequest, pk: int) -> Batch:
    return get_object_or_404(_mine(request).select_related("team"), pk=pk)


def _shown(request: TeamRequest, pk: int) -> Any:
    """The batch with what its page shows of it beside its pictures.

    These are ``charged``, ``refunded``, ``waiting`` and ``recent_end``.
    """
    batches = batch_queries.with_money(_mine(request).select_related("created_by", "watched_folder"))
    waits = waiting.number_of_batch(request.team)
    return get_object_or_404(batches.annotate(waiting=waits, recent_end=progress.recent_end()), pk=pk)


def _live_url(found: Batch, address: dict[str, str], page: int) -> str:
    query = urlencode({**address, **({"page": page} if page > 1 else {})})
    return reverse("batch-live", args=[found.pk]) + (f"?{query}" if query else "")


def _has_files_to_come(found: Batch, channel_counts: list[files.Counts]) -> bool:
    """Whether the page should look for more files. Not for ever: some results give none."""
    if found.ended_at is not None and timezone.now() - found.ended_at > FILES_AWAITED:
        return False
    return any(one.missing for one in channel_counts)


def _at_work(found: Batch, counts: batch_queries.Counts, from_first: Sequence[Upscale] = ()) -> list[Upscale]:
    """The first ones of the batch that are at work.

    ``from_first``: what was read of its list already, where that begins no later than these.
    """
    read = [row for row in from_first if row.status == Upscale.Status.ONGOING][:MAX_AT_WORK]
    if len(read) >= min(counts.ongoing, MAX_AT_WORK):
        return read
    return progress.page(found, start=0, size=MAX_AT_WORK, state=Upscale.Status.ONGOING)


def _context(request: TeamRequest, found: Any) -> dict[str, Any]:
    """What page and live part show; ``found``: as `_shown` reads it."""
    counts = batch_queries.counts(found)
    model = upscaling_models.MODELS.get(found.model_name)
    left = progress.seconds_left(counts, found.recent_end)
    status = request.GET.get("status", "")
    channel_counts = files.counts(found, counts.results, request.channels)
    return {
        "batch": found,
        "counts": counts,
        "status": status if status in progress.ORDER else "",
        "statuses": [(value, label, counts.by_state()[value]) for value, label in STATES],
        "charged": found.charged,
        "refunded": found.refunded,
        "model": model,
        "seconds_left": left,
        "minutes_left": round((left or 0) / 60),
        "hours_left": round((left or 0) / 3600),
        "retry_credits": counts.paid_to_retry * model.credits if model is not None else None,
        "channel_counts": channel_counts,
        "files_to_come": _has_files_to_come(found, channel_counts),
        "channels": teams.used(request.channels).values(),
        "given": counts.done - counts.gone - counts.held,
        "gone": counts.gone,
        "waiting": found.waiting,
        "is_mine": found.created_by_id == request.user.pk,
    }

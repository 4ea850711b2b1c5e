"""Catalogue checks: the team's feeds, a feed's report, and what people do with them."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from upscaler import file_names, no_room
from upscaler.batches import draft_feeds, drafts
from upscaler.channels.table import is_stale
from upscaler.errors import PublicError
from upscaler.feeds import intake, limits, quota, reader, records, report, turns
from upscaler.feeds.forms import NewFeedForm, SourceForm
from upscaler.models import Batch, Feed, FeedCheck, Team
from upscaler.ordering.new_batches import DraftOrderedBefore
from upscaler.queue import dispatch
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.csv_export import csv_response
from upscaler.views.query import number
from upscaler.views.submit_draft import STORAGE_TROUBLE

logger = logging.getLogger(__name__)

PAGE_SIZE = 50
CHANGE_WORDS = {report.MENDED: "mended", report.STILL: "still too small", report.NEW: "new", report.GONE: "gone"}
MAX_PAGE = 20_000
COUNTED_AT_ONCE = 50_000
"""Pictures that are counted while somebody waits; of more, the figures stay those of the last turn."""


@require_safe
@team_required
def feeds(request: TeamRequest) -> HttpResponse:
    """The team's feeds, the one that was checked last first."""
    rows = request.team.feeds.filter(removed_at=None).annotate(last=Max("checks")).order_by("-last", "-pk")
    checks = FeedCheck.objects.in_bulk([row.last for row in rows if row.last])
    shown = [(row, check, _small_of(row, check)) for row in rows if (check := checks.get(row.last)) is not None]
    context = {
        "rows": shown,
        "kept": quota.used(request.team),
        "most_feeds": settings.FEEDS_PER_TEAM,
        "most_mb": settings.FEED_QUOTA_BYTES // 1_000_000,
        "most_pictures": settings.FEED_QUOTA_PICTURES,
        "keep_days": settings.FEED_KEEP_DAYS,
    }
    return render(request, "feeds/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def new(request: TeamRequest) -> HttpResponse:
    """The form for a new feed, and taking it."""
    form = (
        NewFeedForm(request.POST, request.FILES, team=request.team)
        if request.method == "POST"
        else NewFeedForm(team=request.team)
    )
    problems: list[str] = []
    if form.is_bound and form.is_valid():
        try:
            check = intake.begin(team=request.team, user=request.user, values=form.cleaned_data)
        except PublicError as error:
            problems = [error.message]
        except OSError as error:
            said = no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing="a feed could not be stored")
            problems = [said]
        else:
            _wake()
            return redirect(check.feed)
    elif form.is_bound:
        problems = [str(message) for errors in form.errors.values() for message in errors]
    chosen = request.POST.getlist("channels") if form.is_bound else list(limits.DEFAULT)
    context = {
        "form": form,
        "problems": problems,
        "channels": _choices(request.team, chosen),
        "accept": ",".join(reader.ENDINGS),
    }
    context["max_mb"] = settings.FEED_MAX_BYTES // 1_000_000
    return render(request, "feeds/new.html", context, status=422 if problems else 200)


@require_safe
@team_required
def feed(request: TeamRequest, pk: int) -> HttpResponse:
    """The report of the feed's newest check, or of an older one, and the pictures behind one of its figures."""
    found = _find(request, pk)
    checks = list(found.checks.order_by("-pk")[: records.KEPT + 1])
    check = next((one for one in checks if one.pk == number(request.GET, "check")), checks[0] if checks else None)
    if check is None:
        return redirect("feeds")
    channel, state = _chosen(request, found)
    if "state" not in request.GET and channel is not None:
        state = _worst(check, channel)
    rows = report.pictures(check, channel, state)
    page = min(max(number(request.GET, "page") or 1, 1), MAX_PAGE)
    shown = list(rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE + 1])
    query = _query(request, channel, state)
    for row in shown:
        row.states = limits.states_of(channel, row) if channel is not None else []  # type: ignore[attr-defined]
    return render(
        request,
        "feeds/report.html",
        {
            **_context(found, check, channel, state),
            "checks": checks,
            "is_newest": check.pk == checks[0].pk,
            "rows": shown[:PAGE_SIZE],
            "newer_url": f"?{urlencode({**query, 'page': page - 1})}#pictures" if page > 1 else None,
            "older_url": f"?{urlencode({**query, 'page': page + 1})}#pictures" if len(shown) > PAGE_SIZE else None,
            "csv_url": f"{reverse('feed-csv', args=[pk])}?{urlencode({**query, 'check': check.pk})}",
            "csv_all_url": f"{reverse('feed-csv', args=[pk])}?{urlencode({'check': check.pk})}",
            "channels": _choices(request.team, found.channels),
            "accept": ",".join(reader.ENDINGS),
            "kept_until": None if checks[0].is_open else records.kept_until(checks[0]),
        },
    )


@require_safe
@team_required
def live(request: TeamRequest, pk: int) -> HttpResponse:
    """How the check stands now; at its end the whole page is asked for anew."""
    found = _find(request, pk)
    check = found.checks.order_by("-pk").first()
    if check is None or not check.is_open:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "feeds/_state.html", _context(found, check, *_chosen(request, found)))


@require_POST
@team_required
def check_again(request: TeamRequest, pk: int) -> HttpResponse:
    """Check the feed once more, with a new file where one is given."""
    found = _find(request, pk)
    form = SourceForm(request.POST, request.FILES, team=request.team)
    if not form.is_valid():
        for errors in form.errors.values():
            for message in errors:
                messages.error(request, str(message))
        return redirect(found)
    try:
        intake.begin_again(found, user=request.user, values=form.cleaned_data)
    except PublicError as error:
        messages.error(request, error.message)
    except OSError as error:
        said = no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing="a feed could not be stored")
        messages.error(request, said)
    else:
        _wake()
    return redirect(found)


@require_POST
@team_required
def stop(request: TeamRequest, pk: int) -> HttpResponse:
    """Stop the check that is under way; what was found out stays."""
    found = _find(request, pk)
    check = found.checks.order_by("-pk").first()
    if check is not None and records.stop(check):
        if check.pictures <= COUNTED_AT_ONCE:
            records.keep_counts(check, **report.counted(check))
        messages.success(request, "The check was stopped. What it has found out so far stays.")
    else:
        messages.info(request, "The check had ended already.")
    return redirect(found)


@require_POST
@team_required
def remove(request: TeamRequest, pk: int) -> HttpResponse:
    """Remove the feed with its reports. Pictures and batches stay."""
    found = _find(request, pk)
    records.remove(found)
    try:
        dispatch.removed_feeds()
    except Exception:
        # A chore takes its rows at the latest.
        logger.exception("no message about a removed feed could be sent")
    messages.success(request, f"{found.name} was removed, with its reports.")
    return redirect("feeds")


@require_POST
@team_required
def mend(request: TeamRequest, pk: int) -> HttpResponse:
    """Put all pictures that are too small for a channel into the person's draft, where one quote stands for them."""
    found = _find(request, pk)
    check = found.checks.order_by("-pk").first()
    channel = next(iter(limits.chosen(request.team, [request.POST.get("channel", "")])), None)
    if check is None or channel is None:
        messages.error(request, "Choose a channel whose pictures are to be enlarged.")
        return redirect(found)
    if check.is_open:
        messages.error(
            request,
            f"The check has measured {check.measured:,} of {check.pictures:,} pictures, so it does not know yet which "
            "are too small. Wait for its end, or stop it to enlarge what it has found so far.",
        )
        return redirect(found)
    pictures = report.too_small(check, channel, below_best=request.POST.get("below_best") == "true")
    while True:
        try:
            put = draft_feeds.add_pictures(drafts.begin(request.team, request.user), check, pictures, channel)
            break
        except (DraftOrderedBefore, Batch.DoesNotExist):
            continue  # In another tab, meanwhile: they wait in the next draft.
        except PublicError as full:
            messages.error(request, full.message)
            return redirect(found)
    if put.left:
        messages.warning(
            request,
            f"{put.added:,} pictures wait in the list; {put.left:,} more found no room in one batch. Send these first, "
            "then come back for the others.",
        )
    elif put.added:
        pictures_wait = f"The {put.added:,} pictures that are" if put.added > 1 else "The picture that is"
        wait = "wait" if put.added > 1 else "waits"
        messages.success(
            request,
            f"{pictures_wait} too small for {channel.title} {wait} in the list, with one price for all.{_part(check)}",
        )
    else:
        messages.info(request, f"No picture is too small for {channel.title}.{_part(check)}")
        return redirect(found)
    return redirect("submit")


@require_safe
@team_required
def report_csv(request: TeamRequest, pk: int) -> HttpResponseBase:
    """The report as a table: all pictures, or those behind one figure."""
    found = _find(request, pk)
    check = get_object_or_404(found.checks, pk=number(request.GET, "check") or 0)
    channel, state = _chosen(request, found) if "state" in request.GET else (None, "")
    rows = report.pictures(check, channel, state)
    name = f"{file_names.for_file_system(file_names.stem(found.name))}-{state or 'all'}.csv"
    response = csv_response("catalogue.csv", report.csv_header(found), report.csv_rows(check, rows))
    response.headers["Content-Disposition"] = file_names.content_disposition(name, as_attachment=True)
    return response


def _find(request: TeamRequest, pk: int) -> Feed:
    return get_object_or_404(Feed.objects.filter(team=request.team, removed_at=None).select_related("team"), pk=pk)


def _wake() -> None:
    try:
        dispatch.feeds()
    except Exception:
        # The sweep finds the check.
        logger.exception("no message about a catalogue check could be sent")


def _part(check: FeedCheck) -> str:
    """What is said of the pictures that a check found which did not look at all of them."""
    if not check.waiting:
        return ""
    return f" The check ended after {check.measured:,} of {check.pictures:,} pictures: check again for the others."


def _small_of(feed: Feed, check: FeedCheck) -> int | None:
    figures = check.counts.get("channels", {})
    found = [figures[channel]["below_minimum"] for channel in feed.channels if channel in figures]
    return max(found) if found else None


def _chosen(request: TeamRequest, feed: Feed) -> tuple[Any, str]:
    """The channel and the state that the address asks for; of a wrong one the first."""
    known = limits.chosen(feed.team, feed.channels)
    channel = next((one for one in known if one.id == request.GET.get("channel")), known[0] if known else None)
    state = request.GET.get("state", limits.BELOW_MINIMUM)
    states = (*limits.STATES, *report.CHANGES, report.BAD_ROWS, report.TWINS, "all")
    return channel, state if state in states else limits.BELOW_MINIMUM


def _worst(check: FeedCheck, channel: Any) -> str:
    """The first state in which a product is that is not good: what the page shows before anything is asked for."""
    figures = check.counts.get("channels", {}).get(channel.id, {})
    return next((one for one in limits.STATES if one != limits.GOOD and figures.get(one)), limits.BELOW_MINIMUM)


def _query(request: TeamRequest, channel: Any, state: str) -> dict[str, Any]:
    query = {"channel": channel.id if channel is not None else "", "state": state}
    return {**query, "check": request.GET["check"]} if number(request.GET, "check") else query


def _choices(team: Team, chosen: list[str]) -> list[dict[str, Any]]:
    return [
        {"channel": channel, "asks": limits.in_words(channel), "is_chosen": channel.id in chosen}
        for channel in limits.known(team).values()
    ]


def _context(feed: Feed, check: FeedCheck, channel: Any, state: str) -> dict[str, Any]:
    figures = check.counts.get("channels", {})
    known = limits.chosen(feed.team, feed.channels)
    today = timezone.localdate()
    shown = [
        {
            "channel": one,
            "asks": limits.in_words(one),
            "is_stale": is_stale(one, today),
            "figures": figures[one.id],
            "states": [
                (value, label, figures[one.id][value], figures[one.id][f"{value}_pictures"])
                for value, label in limits.STATES.items()
            ],
            "changes": [(value, word, figures[one.id].get(value, 0)) for value, word in CHANGE_WORDS.items()],
        }
        for one in known
        if one.id in figures
    ]
    return {
        "feed": feed,
        "check": check,
        "percent": 100 * check.measured // check.pictures if check.pictures else 0,
        "slow_host": max(
            ((host, delay) for host, delay in check.delays.items() if delay), key=lambda one: one[1], default=None
        ),
        "figures": shown,
        "channel": channel,
        "state": state,
        "state_title": {
            **limits.STATES,
            **report.CHANGES,
            report.BAD_ROWS: "Rows that can’t be read",
            report.TWINS: "Products whose id stands in an earlier row too",
            "all": "All pictures",
        }[state],
        "bad_rows": check.counts.get("bad_rows", 0),
        "named": check.pictures - check.counts.get("bad_rows", 0),
        "twins": check.counts.get("twins", 0),
        "has_before": any(report.MENDED in one["figures"] for one in shown),
        "is_part": bool(check.waiting),
        # Those that ask for seconds are waited for unseen.
        "resting": turns.waited_for(check, 60)[:3] if check.is_open else [],
    }

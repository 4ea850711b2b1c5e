"""What people do with many upscales of the history at once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from upscaler import credits, no_room
from upscaler.errors import PublicError
from upscaler.models import Reason, Upscale
from upscaler.ordering import removal, reorder
from upscaler.ordering.removal import Outcome
from upscaler.queue import dispatch
from upscaler.review import decisions, many
from upscaler.views import evidence, history_filters
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.query import as_number, number
from upscaler.views.results_zip import zip_of_upscales
from upscaler.views.trail import cursor

logger = logging.getLogger(__name__)

MAX_SELECTED = 5000
"""Upscales that one click archives or deletes."""
MAX_TRIES = 200
"""That one click tries again: each is checked by today's rules."""
NAMED = 6
TOO_MANY_TO_DECIDE = "{:,} of these wait for approval. Choose at most {:,} to decide at once. Nothing was decided."
STORAGE_TROUBLE = "The desk’s storage did not answer. Try again in a while."
NOTHING_CHOSEN = "Nothing is selected. Tick the pictures first."


@require_POST
@team_required
def act(request: TeamRequest) -> HttpResponseBase:
    """Do ``act`` to what is selected: ``chosen`` or ``numbers``, or with ``all`` whatever the filters let through."""
    deeds: dict[str, Callable[[TeamRequest, list[int]], HttpResponseBase]] = {
        "download": _download,
        "retry": _retry,
        "approve": _approve,
        "reject": _reject,
        "archive": _archive,
        "unarchive": _unarchive,
        "delete": _delete,
        "evidence-csv": partial(_evidence, kind="csv"),
        "evidence-json": partial(_evidence, kind="json"),
    }
    deed = deeds.get(request.POST.get("act", ""))
    if deed is None:
        messages.error(request, "That button is not known here. Nothing was done.")
        return _back(request)
    selected = _selected(request)
    if len(selected) > MAX_SELECTED:
        messages.error(
            request, f"More than {MAX_SELECTED:,} pictures match. Narrow the filters first. Nothing was done."
        )
        return _back(request)
    if not selected:
        messages.warning(request, NOTHING_CHOSEN)
        return _back(request)
    return deed(request, selected)


@require_safe
@team_required
def count(request: TeamRequest) -> HttpResponse:
    """How many upscales the filters let through, up to one more than may be selected."""
    found = _matching(request)[: MAX_SELECTED + 1].count()
    return JsonResponse({"count": min(found, MAX_SELECTED), "is_too_many": found > MAX_SELECTED})


def _selected(request: TeamRequest) -> list[int]:
    """The numbers of those that are the team's, the newest first; at most one more than `MAX_SELECTED`."""
    if request.POST.get("all"):
        matching = _matching(request)
        if (newest := number(request.POST, "newest")) is not None:
            # Not what came in after the page was made.
            matching = matching.filter(pk__lte=newest)
        return list(matching.order_by("-pk").values_list("pk", flat=True)[: MAX_SELECTED + 1])
    texts = request.POST.getlist("chosen") + request.POST.get("numbers", "").split(",")
    numbers = {pk for text in texts[: MAX_SELECTED + 2] if (pk := as_number(text)) is not None}
    mine: set[int] = set()
    ordered = sorted(numbers, reverse=True)
    for start in range(0, len(ordered), 1000):
        part = Upscale.objects.listed().filter(team=request.team, pk__in=ordered[start : start + 1000])
        mine |= set(part.values_list("pk", flat=True))
    return sorted(mine, reverse=True)


def _matching(request: TeamRequest) -> QuerySet[Upscale]:
    mine = Upscale.objects.filter(team=request.team)
    return history_filters.apply(mine, history_filters.read(request.GET), request.team)


def _download(request: TeamRequest, selected: list[int]) -> HttpResponseBase:
    with_result = Upscale.objects.with_result().filter(pk__in=selected).order_by("pk").values_list("pk", flat=True)
    first_two = list(with_result[:2])
    if not first_two:
        messages.warning(request, "What is selected has no result to download: it failed, or is still under way.")
        return _back(request)
    if len(selected) == 1:
        return redirect("download", first_two[0])
    return zip_of_upscales(request, selected)


def _evidence(request: TeamRequest, selected: list[int], *, kind: str) -> HttpResponseBase:
    return evidence.of_upscales(request, selected, kind)


def _retry(request: TeamRequest, selected: list[int]) -> HttpResponse:
    if len(selected) > MAX_TRIES:
        messages.error(request, f"Choose at most {MAX_TRIES} pictures to try again at once. Nothing was done.")
        return _back(request)
    outcome, before = Outcome(0, {}), 0
    rows = Upscale.objects.filter(pk__in=selected).select_related("team", "source_result").order_by("pk")
    refused: Counter[str] = Counter()
    for upscale in rows:
        try:
            if reorder.retry(upscale, user=request.user, request=request).is_new:
                outcome.done += 1
            else:
                before += 1
        except credits.CreditsRefused as error:
            refused[error.message] += 1
            break
        except PublicError as error:
            refused[error.message] += 1
        except OSError as error:
            doing = f"upscale {upscale.pk}: a retry could not be stored"
            refused[no_room.sentence(error, STORAGE_TROUBLE, logger=logger, doing=doing)] += 1
    left = len(rows) - outcome.done - before - sum(refused.values())
    outcome.refused = dict(refused)
    said = [f"{_pictures(outcome.done, 'is', 'are')} tried again."] if outcome.done else []
    if before:
        said.append(f"{_pictures(before, 'was', 'were')} tried again before, and charged once.")
    said += [f"{_pictures(number, 'was', 'were')} refused: {reason}" for reason, number in refused.items()]
    if left:
        said.append(f"{_pictures(left, 'was', 'were')} not tried after that.")
    tell = messages.success if outcome.done and not refused else messages.warning
    tell(request, " ".join(said))
    return _back(request)


def _approve(request: TeamRequest, selected: list[int]) -> HttpResponse:
    return _decided(request, selected, approve=True)


def _reject(request: TeamRequest, selected: list[int]) -> HttpResponse:
    if not request.POST.get("confirmed"):
        return _ask_to_reject(request, selected)
    note, reason = request.POST.get("note", ""), request.POST.get("reason", "")
    try:
        decisions.check_words(note, reason)
    except PublicError as refusal:
        return _ask_to_reject(request, selected, problem=refusal.message)
    return _decided(request, selected, approve=False, note=note, reason=reason)


def _decided(request: TeamRequest, selected: list[int], *, approve: bool, **words: str) -> HttpResponse:
    waits, left = _waiting_among(request, selected)
    if len(waits) > many.MOST:
        messages.error(request, TOO_MANY_TO_DECIDE.format(len(waits), many.MOST))
        return _back(request)
    decided = many.decide(waits, approve=approve, user=request.user, request=request, **words)
    dispatch.reviews()
    outcome = Outcome(decided.done, dict(left + decided.left))
    _tell(request, outcome, "approved" if approve else "rejected")
    return _back(request)


def _ask_to_reject(request: TeamRequest, selected: list[int], problem: str = "") -> HttpResponse:
    waits, left = _waiting_among(request, selected)
    if len(waits) > many.MOST:
        messages.error(request, TOO_MANY_TO_DECIDE.format(len(waits), many.MOST))
        return _back(request)
    context = {
        **_named(waits),
        "refused": _counted(left),
        "reasons": Reason.choices,
        "reason": request.POST.get("reason", ""),
        "note": request.POST.get("note", ""),
        "problem": problem,
        "query": _query(request),
        "back_url": _back_url(request),
    }
    return render(request, "history/reject.html", context, status=422 if problem else 200)


def _waiting_among(request: TeamRequest, selected: list[int]) -> tuple[list[Upscale], Counter[str]]:
    rows = Upscale.objects.filter(pk__in=selected).select_related("team").order_by("pk")
    if not decisions.may_review(request.team, request.user):
        return [], Counter({decisions.NOT_REVIEWER: len(rows)})
    return many.waiting_among(rows)


def _archive(request: TeamRequest, selected: list[int]) -> HttpResponse:
    outcome = removal.archive(selected, membership=request.membership, request=request)
    _tell(request, outcome, "in the archive now", "The filter “Archive” shows what is in it.")
    return _back(request)


def _unarchive(request: TeamRequest, selected: list[int]) -> HttpResponse:
    _tell(request, removal.take_out(selected, membership=request.membership, request=request), "out of the archive now")
    return _back(request)


def _delete(request: TeamRequest, selected: list[int]) -> HttpResponse:
    if request.POST.get("confirmed"):
        _tell(request, removal.delete(selected, membership=request.membership, request=request), "deleted for good")
        return _back(request)
    rows = Upscale.objects.filter(pk__in=selected).only("pk", "status", "created_by", "source_name").order_by("-pk")
    refused = Counter(why for row in rows if (why := removal.why_not_delete(row, request.membership)))
    deletable = [row for row in rows if not removal.why_not_delete(row, request.membership)]
    return render(
        request,
        "history/delete.html",
        {
            **_named(deletable),
            "refused": _counted(refused),
            "query": _query(request),
            "back_url": _back_url(request),
        },
    )


def _named(rows: list[Upscale]) -> dict[str, Any]:
    """What a page that asks says of the rows it is about."""
    return {
        "total": len(rows),
        "named": [row.source_name or f"Upscale {row.pk}" for row in rows[:NAMED]],
        "others": max(0, len(rows) - NAMED),
        "numbers": ",".join(str(row.pk) for row in rows),
    }


def _counted(refused: Counter[str]) -> list[tuple[str, str]]:
    return [(_pictures(number, "stays", "stay"), why) for why, number in refused.items()]


def _tell(request: HttpRequest, outcome: Outcome, what: str, more: str = "") -> None:
    said = [f"{_pictures(outcome.done, 'is', 'are')} {what}."] if outcome.done else []
    if outcome.done and more:
        said.append(more)
    said += [f"{_pictures(number, 'was', 'were')} left: {reason}" for reason, number in outcome.refused.items()]
    tell = messages.warning if outcome.refused or not outcome.done else messages.success
    tell(request, " ".join(said) or "Nothing had to be done.")


def _pictures(number: int, one: str, many: str) -> str:
    return f"1 picture {one}" if number == 1 else f"{number:,} pictures {many}"


def _query(request: TeamRequest) -> str:
    """Where in the history somebody is."""
    filters = history_filters.read(request.GET)
    where = {key: value for key, value in filters.items() if value} | cursor(request.GET)
    return f"?{urlencode(where)}" if where else ""


def _back_url(request: TeamRequest) -> str:
    return reverse("history") + _query(request)


def _back(request: TeamRequest) -> HttpResponse:
    return redirect(_back_url(request))

"""How a watched folder and its files stand, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from upscaler.models import WITHHELD, Upscale, WatchedFile, WatchedFolder, WatchedResult

State = WatchedFile.State
WAITING, AT_WORK, BACK, TO_SEE = "waiting", "at_work", "back", "problems"
FILTERS = {
    "": "All",
    WAITING: "Waiting",
    AT_WORK: "At work",
    BACK: "Put back",
    TO_SEE: "With a problem",
}
_OPEN_RESULT = Q(results__put_at=None, results__is_given_up=False)
_CLOSED = Q(upscale__withdrawn_at__isnull=False) | Q(upscale__deleted_at__isnull=False)
_FAILED = (
    Q(state=State.REFUSED)
    | Q(upscale__status=Upscale.Status.ERROR)
    | Q(results__is_given_up=True)
    | Q(results__put_at=None, results__problem__gt="")
    | (Q(state=State.ORDERED) & _CLOSED)
)


@dataclass(frozen=True)
class ShownFile:
    """A file on its folder's page."""

    file: WatchedFile
    state: str
    """In a word or two."""
    kind: str
    """Of the mark beside it: ``done``, ``error`` or nothing."""
    message: str
    """Why, where something is wrong."""
    put: list[str]
    """Where its results are."""


def counts(folder: WatchedFolder) -> dict[str, int]:
    """How many files were ordered, wait, are at work, have all their results put back, have a problem."""
    files = folder.files.all()
    ordered = files.filter(state=State.ORDERED)
    return {
        "ordered": ordered.count(),
        WAITING: files.filter(state__in=(State.SEEN, State.READY, State.HELD)).count(),
        AT_WORK: filtered(folder, AT_WORK).count(),
        BACK: filtered(folder, BACK).count(),
        TO_SEE: filtered(folder, TO_SEE).count(),
    }


def put_trouble(folder: WatchedFolder) -> str:
    """Why results can't be put back just now; empty where all is well."""
    waiting = WatchedResult.objects.filter(folder=folder, put_at=None, is_given_up=False).exclude(problem="")
    return waiting.order_by("-pk").values_list("problem", flat=True).first() or ""


def filtered(folder: WatchedFolder, which: str) -> QuerySet[WatchedFile]:
    """The files of one of `FILTERS`, the newest first."""
    files = folder.files.order_by("-pk")
    if which == WAITING:
        return files.filter(state__in=(State.SEEN, State.READY, State.HELD))
    if which == AT_WORK:
        owed = files.filter(_OPEN_RESULT, state=State.ORDERED)
        return owed.exclude(pk__in=files.filter(_FAILED).values("pk")).distinct()
    if which == BACK:
        owing = files.filter(_OPEN_RESULT).values("pk")
        put = files.annotate(put=Count("results", filter=Q(results__put_at__isnull=False)))
        return put.filter(put__gt=0).exclude(pk__in=owing)
    if which == TO_SEE:
        return files.filter(_FAILED).distinct()
    return files


def shown(files: Sequence[WatchedFile]) -> list[ShownFile]:
    """Files with their states. They need ``upscale`` and their ``results``."""
    return [_shown(file, list(file.results.all())) for file in files]


def _shown(file: WatchedFile, results: Sequence[WatchedResult]) -> ShownFile:
    put = sorted(one.path for one in results if one.put_at is not None)
    state, kind, message = _state(file, results)
    return ShownFile(file, state, kind, message, put)


def _state(file: WatchedFile, results: Sequence[WatchedResult]) -> tuple[str, str, str]:
    if file.state == State.REFUSED:
        return "Refused", "error", file.problem
    if file.state == State.SEEN:
        return "Just seen", "", "It is taken once it has stopped changing."
    if file.state != State.ORDERED or file.upscale is None:
        return "Waiting", "", ""
    upscale = file.upscale
    problems = " ".join(dict.fromkeys(one.problem for one in results if one.problem and one.put_at is None))
    if upscale.why_closed:
        return "Not put back", "error", upscale.why_closed
    if upscale.status == Upscale.Status.ERROR:
        return "Failed", "error", upscale.error_message
    if problems:
        return "Not put back", "error", problems
    if upscale.status != Upscale.Status.DONE:
        return upscale.get_status_display(), "", ""
    if all(one.put_at is not None for one in results):
        return "Put back", "done", ""
    if upscale.review in WITHHELD:
        return "Waits for approval", "", upscale.why_withheld
    return "Ready", "", "Its files are put back at the next look."

"""What of the history a page shows: read from its address, and kept in every address that leads on from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date

from upscaler import search, upscaling_models
from upscaler.models import Batch, FidelityCheck, Team, Upscale
from upscaler.views.query import as_number

NARROWING = ("q", "status", "verdict", "model", "person", "sku", "batch", "from", "to", "archive")
"""Which upscales."""
SHAPING = ("group", "layout")
"""How they are shown."""
MORE = ("sku", "batch", "from", "to", "archive", "group")
"""Those that wait behind "More"."""
GROUPS = {"batch": "Batch", "sku": "SKU"}
LAYOUTS = {"cards": "Cards", "list": "List"}
UNCHECKED = "none"
VERDICTS = {**dict(FidelityCheck.Verdict.choices), UNCHECKED: "Not checked"}
IN_ARCHIVE = "only"
MAX_LENGTH = 200
DAY_MARGIN = 10_000
"""Numbers by which upscales of one moment may be apart: two of the largest batches."""


def read(query: Mapping[str, str]) -> dict[str, str]:
    """The filters of an address; empty texts for those that it does not give."""
    filters = {key: query.get(key, "").replace("\0", "").strip()[:MAX_LENGTH] for key in (*NARROWING, *SHAPING)}
    filters["group"] = filters["group"] if filters["group"] in GROUPS else ""
    filters["layout"] = filters["layout"] if filters["layout"] in LAYOUTS else ""
    return filters


def are_narrowing(filters: Mapping[str, str]) -> bool:
    """Whether the filters leave something out that the bare history shows."""
    return any(filters[key] for key in NARROWING)


def apply(upscales: QuerySet[Upscale], filters: Mapping[str, str], team: Team) -> QuerySet[Upscale]:
    """Those of the team's ``upscales`` that the filters let through. A filter that makes no sense lets all through."""
    upscales = upscales.listed().filter(archived_at__isnull=filters["archive"] != IN_ARCHIVE)  # type: ignore[attr-defined]
    if filters["status"] in Upscale.Status.values:
        upscales = upscales.filter(status=filters["status"])
    if filters["verdict"] == UNCHECKED:
        # Also where the check found out nothing; what was only fitted is its original.
        upscales = upscales.with_result().exclude(engine=Upscale.Engine.FIT)  # type: ignore[attr-defined]
        upscales = upscales.filter(Q(fidelity=None) | Q(fidelity__verdict=""))
    elif filters["verdict"] in VERDICTS:
        upscales = upscales.with_result().filter(fidelity__verdict=filters["verdict"])  # type: ignore[attr-defined]
    if filters["model"] in upscaling_models.MODELS:
        upscales = upscales.filter(model_name=filters["model"])
    if (person := as_number(filters["person"])) is not None:
        upscales = upscales.filter(created_by_id=person)
    if filters["sku"]:
        upscales = upscales.filter(sku=filters["sku"]).exclude(sku="")
    if filters["group"] == "sku":
        upscales = upscales.exclude(sku="")
    if (batch := as_number(filters["batch"])) is not None:
        upscales = upscales.filter(batch_id=batch)
    upscales = _between(upscales, day(filters["from"]), day(filters["to"]))
    return search.matching(upscales, filters["q"], team=team) if filters["q"] else upscales


def complaints(filters: Mapping[str, str]) -> list[str]:
    """What of the filters makes no sense, in sentences."""
    said = [
        f"“{filters[key]}” is no date, so it was left out. Write it like 2026-03-31."
        for key in ("from", "to")
        if filters[key] and day(filters[key]) is None
    ]
    first, last = day(filters["from"]), day(filters["to"])
    if first is not None and last is not None and first > last:
        said.append("The first day is after the last one, so nothing can match.")
    if filters["batch"] and as_number(filters["batch"]) is None:
        said.append(f"“{filters['batch']}” is no batch's number, so it was left out. Write it in digits, like 48.")
    return said


def batch_of(filters: Mapping[str, str], team: Team) -> Batch | None:
    """The batch that the history is narrowed to, if the team has it."""
    number = as_number(filters["batch"])
    return Batch.objects.filter(team=team, pk=number, ordered_at__isnull=False).first() if number is not None else None


def day(text: str) -> date | None:
    """A day as browsers write it; None for a text that is none."""
    try:
        found = parse_date(text)
    except ValueError:
        return None  # Like the 30th of February.
    # Far from the ends of the calendar, where adding a day or a time zone fails.
    return found if found is not None and 1900 <= found.year <= 9000 else None


def _between(upscales: QuerySet[Upscale], first: date | None, last: date | None) -> QuerySet[Upscale]:
    # Numbers grow with time, all but: by them an index leads to the days in question, past all that is newer.
    if first is not None:
        begin = _midnight(first)
        upscales = upscales.filter(created_at__gte=begin)
        if (before := _number_at(Upscale.objects.filter(created_at__lt=begin).order_by("-created_at"))) is not None:
            upscales = upscales.filter(pk__gt=before - DAY_MARGIN)
    if last is not None:
        end = _midnight(last + timedelta(days=1))
        upscales = upscales.filter(created_at__lt=end)
        if (after := _number_at(Upscale.objects.filter(created_at__gte=end).order_by("created_at"))) is not None:
            upscales = upscales.filter(pk__lt=after + DAY_MARGIN)
    return upscales


def _number_at(upscales: QuerySet[Upscale]) -> int | None:
    return upscales.values_list("pk", flat=True).first()


def _midnight(of: date) -> datetime:
    return timezone.make_aware(datetime.combine(of, time.min))

"""The Credits page: what the team may spend, and every entry of its ledger."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_http_methods, require_safe

from upscaler import credits
from upscaler.accounts.audit_log import name_of
from upscaler.credits.forms import BudgetsForm, GrantForm
from upscaler.errors import PublicError
from upscaler.models import CreditEntry, Membership, MonthlySpend
from upscaler.text import format_clock, format_credits
from upscaler.views.access import TeamRequest, admin_required, team_required
from upscaler.views.csv_export import csv_response
from upscaler.views.paging import in_batches, keyset_page
from upscaler.views.query import as_number

PAGE_SIZE = 50
CSV_HEADER = ("Entry", "When", "What", "Credits", "Balance after", "Who", "Why", "Upscale", "Picture")
NOBODY = {
    CreditEntry.Kind.CHARGE: "Someone who has left",
    CreditEntry.Kind.REFUND: "The desk itself",
    CreditEntry.Kind.GRANT: "Those who run the desk",
    CreditEntry.Kind.CORRECTION: "Those who run the desk",
}


@require_safe
@team_required
def ledger(request: TeamRequest) -> HttpResponse:
    """Balance, budgets and the team's entries, the newest first, by keyset pages."""
    return _page(request)


@require_safe
@team_required
def ledger_csv(request: TeamRequest) -> HttpResponseBase:
    """Every entry that the filter lets through, the newest first."""
    entries = _filtered(request, _filters(request))
    name = f"credits-{request.team.slug}-{timezone.localdate():%Y-%m-%d}.csv"
    return csv_response(name, CSV_HEADER, _csv_rows(entries))


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def grant(request: TeamRequest) -> HttpResponse:
    """Add credits, or correct the balance downwards."""
    if request.method != "POST":
        return redirect("ledger")  # Somebody went back to the address of a refused form.
    form = GrantForm(request.POST)
    try:
        key = uuid.UUID(request.POST.get("request_key", ""))
    except ValueError:
        form.add_error(None, "This page was not complete. Send the form once more.")
    if not form.is_valid():
        return _page(request, grant_form=form)
    amount, note = form.cleaned_data["amount"], form.cleaned_data["note"]
    try:
        entry = credits.grant(
            team=request.team, amount=amount, note=note, by=request.user, request_key=key, request=request
        )
    except credits.GrantedBefore as error:
        return _granted_before(request, form, error.entry)
    except credits.CreditsRefused as error:
        has = f"Your team has {format_credits(error.left)}" if error.left else "Your team has no credits"
        form.add_error("amount", f"{has}, so {format_credits(-amount)} can’t be taken away.")
        return _page(request, grant_form=form)
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect("ledger")
    except ValueError as error:
        form.add_error("amount", str(error))
        return _page(request, grant_form=form)
    messages.success(request, f"{_done(entry)} The balance is {entry.balance_after:,}.")
    return redirect("ledger")


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def budgets(request: TeamRequest) -> HttpResponse:
    """Change the team's and the people's budgets, and when its admins are told of a low balance."""
    if request.method != "POST":
        return redirect("ledger")
    form = BudgetsForm(request.team, _members(request), request.POST)
    if not form.is_valid():
        return _page(request, budgets_form=form)
    try:
        changes = credits.change_budgets(
            team=request.team, by=request.user, people=form.people_changes, request=request, **form.team_changes
        )
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect("ledger")
    if changes:
        messages.success(request, f"{changes} change{'' if changes == 1 else 's'} saved.")
    else:
        messages.info(request, "Nothing was different, so nothing was changed.")
    return redirect("ledger")


def _granted_before(request: TeamRequest, form: GrantForm, entry: CreditEntry) -> HttpResponse:
    when = format_clock(entry.created_at)
    if (entry.amount, entry.note) == (form.cleaned_data["amount"], form.cleaned_data["note"]):
        messages.info(request, f"{_done(entry)} That was at {when}; sending the form twice did it once.")
        return redirect("ledger")
    form.add_error(
        None,
        f"This page was sent at {when} with other values: {_done(entry)} What is entered now has not been done. "
        "Send it again to do it too.",
    )
    return _page(request, grant_form=form)


def _done(entry: CreditEntry) -> str:
    if entry.amount > 0:
        return f"{format_credits(entry.amount)} granted."
    return f"{format_credits(-entry.amount)} taken away."


def _page(
    request: TeamRequest, *, grant_form: GrantForm | None = None, budgets_form: BudgetsForm | None = None
) -> HttpResponse:
    filters = _filters(request)
    entries = _filtered(request, filters)
    page = keyset_page(entries, request.GET, PAGE_SIZE)
    if page.is_beyond:
        return redirect("ledger")
    chosen = {key: value for key, value in filters.items() if value}
    refused = grant_form is not None or budgets_form is not None
    if refused:
        request.team.refresh_from_db(fields=["balance"])
    context = {
        "spending_status": credits.spending_status(team_id=request.team.pk, user=request.user),
        # With a true minus, which is as wide as a plus and is read out as one.
        "rows": [
            {"entry": entry, "who": _who(entry), "amount": f"{entry.amount:+,}".replace("-", "−")}
            for entry in page.rows
        ],
        **page.urls(reverse("ledger"), chosen),
        "csv_url": f"{reverse('ledger-csv')}?{urlencode(chosen)}",
        "filters": filters,
        "is_filtered": bool(chosen),
        "kinds": CreditEntry.Kind.choices,
        "people": _people(request),
        **(_for_admins(request, grant_form, budgets_form) if request.membership.is_admin else {}),
    }
    return render(request, "team/ledger.html", context, status=422 if refused else 200)


def _for_admins(request: TeamRequest, grant_form: GrantForm | None, budgets_form: BudgetsForm | None) -> dict[str, Any]:
    members = budgets_form.members if budgets_form else _members(request)
    form = budgets_form or BudgetsForm(request.team, members)
    month = credits.month_of(timezone.now())
    spends = MonthlySpend.objects.filter(team=request.team, month=month)
    spent = dict(spends.values_list("user", "credits"))
    return {
        "grant_form": grant_form or GrantForm(),
        "request_key": uuid.uuid4(),
        "budgets_form": form,
        "members": [
            {
                "membership": membership,
                "name": name_of(membership.user),
                "spent": spent.get(membership.user_id, 0),
                "field": form.person(membership),
            }
            for membership in members
        ],
    }


def _members(request: TeamRequest) -> list[Membership]:
    return list(request.team.memberships.select_related("user").order_by("user__username"))


def _people(request: TeamRequest) -> QuerySet[Any]:
    """Who is in the team, or has spent something while they were."""
    spenders = MonthlySpend.objects.filter(team=request.team, user__isnull=False).values("user")
    members = request.team.memberships.values("user")
    return get_user_model().objects.filter(Q(pk__in=members) | Q(pk__in=spenders)).order_by("username")


def _filters(request: TeamRequest) -> dict[str, str]:
    given = {key: request.GET.get(key, "").strip() for key in ("kind", "person", "from", "to")}
    known = {
        "kind": given["kind"] in CreditEntry.Kind.values,
        "person": as_number(given["person"]) is not None,
        "from": _day(given["from"]) is not None,
        "to": _day(given["to"]) is not None,
    }
    return {key: value if known[key] else "" for key, value in given.items()}


def _filtered(request: TeamRequest, filters: dict[str, str]) -> QuerySet[Any]:
    entries = CreditEntry.objects.filter(team=request.team).select_related("created_by", "upscale")
    if filters["kind"]:
        entries = entries.filter(kind=filters["kind"])
    if (person := as_number(filters["person"])) is not None:
        # What came back by itself was nobody's deed, but belongs to the person's upscales.
        own = Q(created_by=person) | Q(created_by=None, upscale__created_by=person)
        entries = entries.filter(own)
    if (first := _day(filters["from"])) is not None:
        entries = entries.filter(created_at__gte=_midnight(first))
    if (last := _day(filters["to"])) is not None:
        entries = entries.filter(created_at__lt=_midnight(last + timedelta(days=1)))
    return entries


def _day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None  # Like the 30th of February.
    # Far from the ends of the calendar, where adding a day or a time zone fails.
    return day if day is not None and 1900 <= day.year <= 9000 else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _who(entry: CreditEntry) -> str:
    return name_of(entry.created_by) or NOBODY[CreditEntry.Kind(entry.kind)]


def _csv_rows(entries: QuerySet[Any]) -> Iterator[tuple[Any, ...]]:
    for entry in in_batches(entries):
        yield (
            entry.pk,
            timezone.localtime(entry.created_at).isoformat(timespec="seconds"),
            entry.get_kind_display(),
            entry.amount,
            entry.balance_after,
            _who(entry),
            entry.note,
            entry.upscale_id or "",
            entry.upscale.source_name if entry.upscale else "",
        )

"""Upscales: found in a million, tried again, refunded by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from upscaler.admin.base import (
    MAX_COUNTED,
    AutocompleteFilter,
    DaysFilter,
    LongListAdmin,
    ReadOnlyAdmin,
    link,
    list_link,
)
from upscaler.errors import PublicError
from upscaler.models import MAX_ID, AuditEvent, CreditEntry, EngineState, NetworkSpeed, Upscale
from upscaler.ordering.reorder import retry
from upscaler.processing.manual_refunds import MAX_NOTE_LENGTH, refund_by_hand
from upscaler.text import format_credits
from upscaler.views.files import serve
from upscaler.views.query import as_number

MAX_AT_ONCE = 200
SEARCHED_DAYS = 90
"""How far back names and errors are searched where no days are chosen."""
NAMED = 10
"""Upscales whose numbers a message gives."""


class RefundForm(forms.Form):
    """Why the credits go back."""

    note = forms.CharField(
        max_length=MAX_NOTE_LENGTH,
        label="Why the credits go back",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="It stays in the ledger and in the audit log.",
        error_messages={"required": "Say why the credits go back: the note stays in the ledger."},
    )


@admin.register(Upscale)
class UpscaleAdmin(LongListAdmin, ReadOnlyAdmin):
    """The form is read only. Who has the permission to change upscales may retry and refund them."""

    list_display = (
        "picture", "id", "when", "team_link", "person_link", "status", "model_name", "engine", "credits", "source_name"
    )  # fmt: skip
    list_filter = (
        ("created_at", DaysFilter),
        ("team", AutocompleteFilter),
        ("created_by", AutocompleteFilter),
        "status",
        "model_name",
        "engine",
    )
    list_display_links = ("id",)
    search_fields = ("source_name", "error_message")
    search_help_text = (
        "An upscale's number, part of a picture's name, or words of an error. Names and errors are searched in the "
        f"days that are chosen; where none are, in the last {SEARCHED_DAYS} days."
    )
    list_select_related = ("team", "created_by", "source_result")
    sortable_by = ("id",)
    actions = ("retry", "refund")
    readonly_fields = ("entries", "links")

    @admin.display(description="team")
    def team_link(self, upscale: Upscale) -> SafeString | str:
        """The team's page."""
        return link(upscale.team)

    @admin.display(description="person")
    def person_link(self, upscale: Upscale) -> SafeString | str:
        """The page of who ordered it."""
        return link(upscale.created_by)

    @admin.display(description="in the ledger")
    def entries(self, upscale: Upscale) -> SafeString | str:
        """Its charge and its refund."""
        rows = upscale.entries.select_related("team").order_by("pk")
        return format_html_join(mark_safe("<br>"), "{}", ((link(entry),) for entry in rows)) or "–"

    @admin.display(description="see")
    def links(self, upscale: Upscale) -> SafeString:
        """What belongs to it."""
        parts = [
            format_html("team {}", link(upscale.team)),
            format_html("person {}", link(upscale.created_by)),
            list_link(AuditEvent, "activity", q=upscale.pk),
            list_link(CreditEntry, "ledger of the team", team__id__exact=upscale.team_id),
        ]
        if upscale.retry_of_id:
            parts.append(format_html("again for {}", link(upscale.retry_of)))
        return format_html_join(" · ", "{}", ((part,) for part in parts))

    @admin.display(description="picture")
    def picture(self, upscale: Upscale) -> SafeString | str:
        """Its thumbnail, by an address for staff: they need be in no team."""
        if not upscale.thumbnail:
            return "–"
        address = reverse("admin:upscaler_upscale_thumbnail", args=[upscale.pk])
        return format_html('<img class="desk-thumbnail" src="{}" alt="" loading="lazy">', address)

    def get_urls(self) -> list[Any]:
        """With the thumbnails' own."""
        thumbnail = self.admin_site.admin_view(self.thumbnail_view)
        mine = path("<int:pk>/thumbnail/", thumbnail, name="upscaler_upscale_thumbnail")
        return [mine, *super().get_urls()]

    def thumbnail_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The thumbnail of an upscale of any team, for whoever may look at upscales here. Raises Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if pk > MAX_ID:
            raise Http404
        upscale = get_object_or_404(Upscale.objects.select_related("source_result"), pk=pk)
        return serve(upscale.thumbnail.name)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Upscale], search_term: str
    ) -> tuple[QuerySet[Upscale], bool]:
        """A number is an upscale's, and may be part of a name; words are looked for in names and errors.

        Words can only be looked for in row after row, so that happens in a span of days: those of the filter, or else
        the last ``SEARCHED_DAYS``.
        """
        term = search_term.strip()
        if not term:
            return queryset, False
        recent = queryset
        if not any(request.GET.get(f"created_at__{end}") for end in ("from", "to")):
            recent = queryset.filter(created_at__gte=timezone.now() - timedelta(days=SEARCHED_DAYS))
        named, _ = super().get_search_results(request, recent, term)
        if not term.isdecimal():
            return named, False
        # Two questions instead of one with "or", for which a database would read every row to find the number.
        found = named.order_by("-pk").values_list("pk", flat=True)[:MAX_COUNTED]
        return queryset.filter(pk__in=[as_number(term) or 0, *found]), False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the person may retry and refund."""
        return request.user.has_perm("upscaler.change_upscale")

    @admin.action(description="Try again", permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Upscale]) -> None:
        """Order failed upscales anew, at their teams' cost."""

        def one(upscale: Upscale) -> None:
            if not retry(upscale, user=request.user, request=request).is_new:
                raise PublicError("It was tried again before.", code="retried_before")

        self._act(request, queryset, one, "tried again")

    @admin.action(description="Refund by hand", permissions=["act"])
    def refund(self, request: HttpRequest, queryset: QuerySet[Upscale]) -> HttpResponse | None:
        """Ask why, then give the price of finished upscales back."""
        if self._are_too_many(request, queryset):
            return None
        form = RefundForm(request.POST if "apply" in request.POST else None)
        if form.is_valid():
            note = form.cleaned_data["note"]

            def one(upscale: Upscale) -> None:
                refund_by_hand(upscale, note=note, by=request.user, request=request)

            self._act(request, queryset, one, "refunded")
            return None
        chosen = list(queryset.select_related("team", "created_by"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Refund by hand",
            "opts": self.opts,
            "form": form,
            "chosen": chosen,
            "total": format_credits(sum(upscale.credits for upscale in chosen)),
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/upscaler/upscale/refund.html", context)

    def _are_too_many(self, request: HttpRequest, queryset: QuerySet[Upscale]) -> bool:
        if len(queryset.values_list("pk")[: MAX_AT_ONCE + 1]) <= MAX_AT_ONCE:
            return False
        self.message_user(request, f"Choose at most {MAX_AT_ONCE} at once. Nothing was done.", messages.ERROR)
        return True

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[Upscale],
        one: Callable[[Upscale], Any],
        what: str,
    ) -> None:
        """Do it to each, and say for how many it was done and why for the others it was not."""
        if self._are_too_many(request, queryset):
            return
        done, refused = 0, defaultdict(list)
        for upscale in queryset.select_related("team", "created_by"):
            try:
                one(upscale)
                done += 1
            except PublicError as error:
                refused[str(error)].append(upscale.pk)
        if done:
            self.message_user(request, f"{_upscales(done)} {'was' if done == 1 else 'were'} {what}.", messages.SUCCESS)
        for reason, numbers in refused.items():
            named = ", ".join(map(str, numbers[:NAMED])) + (" and others" if len(numbers) > NAMED else "")
            told = f"{_upscales(len(numbers))} {'was' if len(numbers) == 1 else 'were'} not {what} ({named}): {reason}"
            self.message_user(request, told, messages.WARNING)


def _upscales(number: int) -> str:
    return "1 upscale" if number == 1 else f"{number} upscales"


@admin.register(EngineState)
class EngineStateAdmin(ReadOnlyAdmin):
    list_display = ("engine", "failures", "failing_since", "retry_at", "busy_since", "busy_until")


@admin.register(NetworkSpeed)
class NetworkSpeedAdmin(ReadOnlyAdmin):
    """What quotes tell the time by."""

    list_display = ("step", "processor", "precision", "threads", "seconds_each", "jobs", "updated_at")
    list_filter = ("processor", "precision", "threads")

    @admin.display(description="seconds a megapixel")
    def seconds_each(self, row: NetworkSpeed) -> str:
        """Of what is no network, for a unit of its own."""
        return f"{row.rate:.3g}"

"""What the lists share, so that each stays quick with a million rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from upscaler.models import Upscale
from upscaler.views.query import as_number

MAX_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts no further than ``MAX_COUNTED`` rows: counting a million takes longer than showing a hundred."""

    @cached_property
    def count(self) -> int:
        """How many rows the pages reach."""
        return min(self._counted, MAX_COUNTED)

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[: MAX_COUNTED + 1].count()

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than the pages reach."""
        return self._counted > MAX_COUNTED


class LongListAdmin(admin.ModelAdmin):
    """A list that grows for ever."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    @property
    def media(self) -> forms.Media:
        """With what the filters need."""
        # Any field's: what it needs is the same.
        chooser = AutocompleteSelect(Upscale._meta.get_field("team"), self.admin_site)
        return super().media + chooser.media + forms.Media(css={"all": ("css/admin.css",)})

    @admin.display(description="when", ordering="id")
    def when(self, row: Any) -> str:
        """The time at which it was made, short."""
        return f"{timezone.localtime(row.created_at):%Y-%m-%d %H:%M %Z}"


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only the desk itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class _FormFilter(admin.FieldListFilter):
    """A filter that is filled in, not chosen from a list."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        self.field = field
        self.field_path = field_path
        self.admin_site = model_admin.admin_site
        self.request = request
        super().__init__(field, request, params, model, model_admin, field_path)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the template needs: the other filters as they are, and the way to drop this one."""
        mine = self.expected_parameters()
        yield {
            "others": [
                (name, value)
                for name, values in self.request.GET.lists()
                if name not in (*mine, "p", "e")
                for value in values
            ],
            "clear_url": changelist.get_query_string(remove=mine),
            **self.context(),
        }

    def context(self) -> dict[str, Any]:
        """The filter's own part."""
        raise NotImplementedError

    def value(self, name: str) -> str:
        """What was typed."""
        values: Any = self.used_parameters.get(name) or [""]
        return str(values[-1])


class AutocompleteFilter(_FormFilter):
    """One row of another table, found by typing, however many there are."""

    template = "admin/upscaler/autocomplete_filter.html"

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.field_path}__id__exact"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        [name] = self.expected_parameters()
        value = self.value(str(name))
        if value and as_number(value) is None:
            raise IncorrectLookupParameters(f"not a number: {value!r}")
        found = super().queryset(request, queryset) if value else None
        return queryset if found is None else found

    def context(self) -> dict[str, Any]:
        [name] = self.expected_parameters()
        rows: Any = self.field.related_model
        # The form's field gives the widget its rows, from which the chosen one gets its name.
        chooser = forms.ModelChoiceField(
            rows._default_manager.all(), required=False, widget=AutocompleteSelect(self.field, self.admin_site)
        )
        value = self.value(str(name))
        label = f"filter-{self.field_path}"
        shown = chooser.widget.render(str(name), value if value.isdecimal() and len(value) < 19 else "", {"id": label})
        return {"input": shown, "label": label, "is_used": bool(value)}


class DaysFilter(_FormFilter):
    """From one day to another, either of which may be left open."""

    template = "admin/upscaler/days_filter.html"

    def expected_parameters(self) -> list[str | None]:
        return [f"{self.field_path}__from", f"{self.field_path}__to"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since, until = map(self._day, map(str, self.expected_parameters()))
        if since:
            queryset = queryset.filter(**{f"{self.field_path}__gte": self._moment(since, time.min)})
        if until:
            queryset = queryset.filter(**{f"{self.field_path}__lte": self._moment(until, time.max)})
        return queryset

    def _day(self, name: str) -> date | None:
        if not (text := self.value(name)):
            return None
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise IncorrectLookupParameters(str(error)) from None

    @staticmethod
    def _moment(day: date, at: time) -> datetime:
        try:
            return timezone.make_aware(datetime.combine(day, at)).astimezone(timezone.get_fixed_timezone(0))
        except OverflowError as error:
            raise IncorrectLookupParameters(str(error)) from None

    def context(self) -> dict[str, Any]:
        since, until = map(str, self.expected_parameters())
        return {
            "since": {"name": since, "value": self.value(since)},
            "until": {"name": until, "value": self.value(until)},
            "is_used": bool(self.value(since) or self.value(until)),
        }


def link(row: Model | None, text: Any = None) -> SafeString | str:
    """A link to a row's own page in the admin; a dash for none."""
    if row is None:
        return "–"
    meta = row._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, row if text is None else text)


def list_link(model: type[Model], text: str, **filters: Any) -> SafeString:
    """A link to a list in the admin, filtered."""
    meta = model._meta
    query = urlencode(filters)
    return format_html(
        '<a href="{}?{}">{}</a>', reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"), query, text
    )

"""Checks of results: to be read. A worker makes them, and people ask for one on a picture's page."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, DaysFilter, LongListAdmin, ReadOnlyAdmin, link
from upscaler.models import FidelityCheck


@admin.register(FidelityCheck)
class FidelityCheckAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = (
        "id", "upscale_link", "team_link", "verdict", "why", "checked_at", "seconds", "attempts", "problem"
    )  # fmt: skip
    list_filter = (
        "verdict",
        ("checked_at", admin.EmptyFieldListFilter),
        ("problem", admin.EmptyFieldListFilter),
        ("created_at", DaysFilter),
        ("upscale__team", AutocompleteFilter),
    )
    search_fields = ("=upscale__id",)
    search_help_text = "An upscale's number."
    list_select_related = ("upscale__team",)
    sortable_by = ("id",)
    ordering = ("-id",)

    @admin.display(description="upscale")
    def upscale_link(self, row: FidelityCheck) -> SafeString | str:
        """The upscale's page."""
        return link(row.upscale, row.upscale_id)

    @admin.display(description="team")
    def team_link(self, row: FidelityCheck) -> SafeString | str:
        """The team's page."""
        return link(row.upscale.team)

    @admin.display(description="why")
    def why(self, row: FidelityCheck) -> str:
        """What a person should look at."""
        return ", ".join(row.reasons) or "–"

"""What people decided about results: to be read. They decide, and take it back, on the team's pages."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, DaysFilter, LongListAdmin, ReadOnlyAdmin, link
from upscaler.models import ReviewDecision, WrongResult


class _AboutAResult(LongListAdmin, ReadOnlyAdmin):
    """Links to whom and what a row is about."""

    list_select_related = ("team", "upscale", "user")
    sortable_by = ("id",)

    @admin.display(description="team")
    def team_link(self, row: ReviewDecision | WrongResult) -> SafeString | str:
        """The team's page."""
        return link(row.team)

    @admin.display(description="upscale")
    def upscale_link(self, row: ReviewDecision | WrongResult) -> SafeString | str:
        """The upscale's page."""
        return link(row.upscale, row.upscale_id)


@admin.register(ReviewDecision)
class ReviewDecisionAdmin(_AboutAResult):
    list_display = ("id", "when", "team_link", "upscale_link", "kind", "before", "reason", "note", "who")
    list_filter = (
        "kind",
        "reason",
        ("created_at", DaysFilter),
        ("team", AutocompleteFilter),
        ("user", AutocompleteFilter),
    )
    search_fields = ("=upscale__id", "note", "user_name", "guest_name")
    search_help_text = "An upscale's number, a name, or words of a note."


@admin.register(WrongResult)
class WrongResultAdmin(_AboutAResult):
    list_display = ("id", "when", "team_link", "upscale_link", "engine", "reason", "note", "user")
    list_filter = ("reason", ("created_at", DaysFilter), ("team", AutocompleteFilter))
    search_fields = ("=upscale__id", "note")
    search_help_text = "An upscale's number, or words of a note."

    @admin.display(description="engine")
    def engine(self, row: WrongResult) -> str:
        """Whose fault it is."""
        return row.upscale.get_engine_display()

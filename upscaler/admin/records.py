"""The ledger and the audit log: to be read, never changed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, DaysFilter, LongListAdmin, ReadOnlyAdmin, link
from upscaler.models import AuditEvent, CreditEntry


class _Records(LongListAdmin, ReadOnlyAdmin):
    """Links to whom and what a row is about."""

    @admin.display(description="team", ordering="team")
    def team_link(self, row: CreditEntry | AuditEvent) -> SafeString | str:
        """The team's page."""
        return link(row.team)

    @admin.display(description="upscale", ordering="upscale")
    def upscale_link(self, row: CreditEntry | AuditEvent) -> SafeString | str:
        """The upscale's page."""
        return link(row.upscale, row.upscale_id)


@admin.register(CreditEntry)
class CreditEntryAdmin(_Records):
    list_display = (
        "id", "when", "team_link", "kind", "amount", "balance_after", "upscale_link", "note", "person_link"
    )  # fmt: skip
    list_filter = ("kind", ("created_at", DaysFilter), ("team", AutocompleteFilter), ("created_by", AutocompleteFilter))
    search_fields = ("=upscale__id", "note")
    search_help_text = "An upscale's number, or words of a note."
    list_select_related = ("team", "upscale", "created_by")
    sortable_by = ("id",)

    @admin.display(description="by")
    def person_link(self, row: CreditEntry) -> SafeString | str:
        """The page of who did it."""
        return link(row.created_by)


@admin.register(AuditEvent)
class AuditEventAdmin(_Records):
    list_display = ("id", "when", "team_link", "user_name", "action", "about", "upscale_link", "token", "address")
    list_filter = ("action", ("created_at", DaysFilter), ("team", AutocompleteFilter), ("user", AutocompleteFilter))
    search_fields = ("=upscale__id", "user_name", "about")
    search_help_text = "An upscale's number, a person's name, or words of what was done."
    list_select_related = ("team", "upscale", "token")
    sortable_by = ("id",)

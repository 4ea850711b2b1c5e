"""The ledger, the audit log and the e-mails: to be read, never changed."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, DaysFilter, LongListAdmin, ReadOnlyAdmin, link
from upscaler.models import AuditEvent, CreditEntry, Email, Erasure


class _Records(LongListAdmin, ReadOnlyAdmin):
    """Links to whom and what a row is about."""

    @admin.display(description="team", ordering="team")
    def team_link(self, row: CreditEntry | AuditEvent | Email) -> SafeString | str:
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


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    """Who and which team was forgotten, by number alone."""

    list_display = ("id", "created_at", "kind", "number", "by", "how", "counts")
    list_filter = ("kind",)
    search_fields = ("=number",)
    list_select_related = ("by",)


@admin.register(Email)
class EmailAdmin(_Records):
    """Texts and facts are left out, since some hold a secret, and are not to be guessed at by filtering either."""

    list_display = ("id", "when", "team_link", "kind", "to_whom", "subject", "state", "failure")
    list_filter = (
        "kind",
        ("created_at", DaysFilter),
        ("team", AutocompleteFilter),
        ("sent_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("subject", "user__username")
    search_help_text = "Words of a subject, or a person's user name."
    list_select_related = ("team", "user")
    sortable_by = ("id",)
    fields = (
        "team", "kind", "about", "to_whom", "subject", "created_at", "due_at", "expires_at", "sent_at", "failure"
    )  # fmt: skip
    readonly_fields = ("to_whom",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        hidden = ("text", "facts")
        return not lookup.startswith(hidden) and super().lookup_allowed(lookup, value, request)

    @admin.display(description="to")
    def to_whom(self, row: Email) -> str:
        """The addresses that it went or goes to, or who they are looked up by when it leaves."""
        if row.to:
            return ", ".join(row.to)
        if row.to_admins:
            return "the team’s admins"
        if row.kind == Email.Kind.PASSWORD:
            return str(row.about)
        return f"{row.user}" if row.user else "–"

    @admin.display(description="state")
    def state(self, row: Email) -> str:
        """What became of it."""
        if row.sent_at is not None:
            return f"sent {timezone.localtime(row.sent_at):%Y-%m-%d %H:%M %Z}"
        now = timezone.now()
        if row.expires_at <= now:
            return "given up"
        return "waiting" if row.due_at <= now else f"tried again {timezone.localtime(row.due_at):%Y-%m-%d %H:%M %Z}"

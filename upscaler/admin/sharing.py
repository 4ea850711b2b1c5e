"""Share links: to be read, and revoked. Their secrets are stored nowhere, so that no link can be opened from here."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, DaysFilter, LongListAdmin, ReadOnlyAdmin, link
from upscaler.models import ShareLink
from upscaler.sharing import links


@admin.register(ShareLink)
class ShareLinkAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = (
        "id", "when", "team_link", "label", "shows_link", "maker_link", "may", "expires_at", "opens", "state"
    )  # fmt: skip
    list_filter = (
        ("revoked_at", admin.EmptyFieldListFilter),
        ("expires_at", DaysFilter),
        ("created_at", DaysFilter),
        "may_decide",
        "may_download",
        ("team", AutocompleteFilter),
        ("made_by", AutocompleteFilter),
    )
    search_fields = ("label", "=upscale__id", "=batch__id")
    search_help_text = "Words of a link's name, or the number of the upscale or batch that it shows."
    list_select_related = ("team", "upscale", "batch", "made_by")
    sortable_by = ("id",)
    actions = ("revoke",)

    @admin.display(description="team")
    def team_link(self, row: ShareLink) -> SafeString | str:
        """The team's page."""
        return link(row.team)

    @admin.display(description="shows")
    def shows_link(self, row: ShareLink) -> SafeString | str:
        """The upscale's page, or what the batch is called."""
        return links.shown_by(row) if row.batch is not None else link(row.upscale, row.upscale_id)

    @admin.display(description="made by")
    def maker_link(self, row: ShareLink) -> SafeString | str:
        """The page of who made it."""
        return link(row.made_by)

    @admin.display(description="whoever has it")
    def may(self, row: ShareLink) -> str:
        """What a guest may do."""
        return links.may(row)

    @admin.display(description="state")
    def state(self, row: ShareLink) -> str:
        """Whether it works."""
        return links.state_of(row, timezone.now())

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the person may revoke."""
        return request.user.has_perm("upscaler.change_sharelink")

    @admin.action(description="Revoke", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ShareLink]) -> None:
        """Make the chosen links useless from now on; each stands in its team's activity."""
        revoked = [links.revoke(row, by=request.user, request=request) for row in queryset]
        before = len(revoked) - sum(revoked)
        messages.success(request, f"Revoked: {sum(revoked)}." + (f" Revoked before: {before}." if before else ""))

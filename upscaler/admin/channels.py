"""Teams' channels, products' codes and channel files: to be read. What a team has changed is changed on its pages."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, LongListAdmin, ReadOnlyAdmin, link
from upscaler.models import ChannelFile, ProductCode, TeamChannel


@admin.register(TeamChannel)
class TeamChannelAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = ("id", "team_link", "channel_id", "is_own", "is_off", "updated_at")
    list_filter = ("is_off", ("row", admin.EmptyFieldListFilter), ("team", AutocompleteFilter))
    search_fields = ("channel_id",)
    search_help_text = "A channel's id."
    list_select_related = ("team",)
    sortable_by = ("id",)

    @admin.display(description="team")
    def team_link(self, row: TeamChannel) -> SafeString | str:
        """The team's page."""
        return link(row.team)

    @admin.display(description="own row", boolean=True)
    def is_own(self, row: TeamChannel) -> bool:
        """Whether it is a row of the team's own, not only a switch."""
        return row.row is not None


@admin.register(ProductCode)
class ProductCodeAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = ("id", "team_link", "sku", "asin", "ean", "gtin", "updated_at")
    list_filter = (("team", AutocompleteFilter),)
    search_fields = ("=sku", "=asin", "=ean", "=gtin")
    search_help_text = "An SKU, ASIN, EAN or GTIN, whole."
    list_select_related = ("team",)
    sortable_by = ("id",)
    ordering = ("-id",)

    @admin.display(description="team")
    def team_link(self, row: ProductCode) -> SafeString | str:
        """The team's page."""
        return link(row.team)


@admin.register(ChannelFile)
class ChannelFileAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = ("id", "upscale_link", "team_link", "channel_id", "state", "format", "size", "file_size", "made_at")
    list_filter = ("format", ("file", admin.EmptyFieldListFilter), ("upscale__team", AutocompleteFilter))
    search_fields = ("=upscale__id", "=channel_id")
    search_help_text = "An upscale's number, or a channel's id."
    list_select_related = ("upscale__team",)
    sortable_by = ("id",)
    ordering = ("-id",)

    @admin.display(description="upscale")
    def upscale_link(self, row: ChannelFile) -> SafeString | str:
        """The upscale's page."""
        return link(row.upscale, row.upscale_id)

    @admin.display(description="team")
    def team_link(self, row: ChannelFile) -> SafeString | str:
        """The team's page."""
        return link(row.upscale.team)

    @admin.display(description="pixels")
    def size(self, row: ChannelFile) -> str:
        """Width and height."""
        return f"{row.width} × {row.height}" if row.file else "–"

    @admin.display(description="state")
    def state(self, row: ChannelFile) -> str:
        """How it stands with it, or when it is tried again."""
        if row.lease_until is not None:
            return f"attempt {row.attempts}, until {timezone.localtime(row.lease_until):%Y-%m-%d %H:%M %Z}"
        if not row.file:
            return "refused"
        return "made, with problems" if row.problems else "right"

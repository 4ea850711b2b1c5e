"""Watched folders and their files. To be read; teams' admins and the worker write them."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, LongListAdmin, ReadOnlyAdmin, link, list_link
from upscaler.models import WatchedFile, WatchedFolder


@admin.register(WatchedFolder)
class WatchedFolderAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = (
        "id", "when", "team_link", "name", "place", "off_since", "removed_at", "looked_at", "found", "due_at",
        "lease_until", "failures", "problem", "files_link",
    )  # fmt: skip
    list_filter = ("kind", ("removed_at", admin.EmptyFieldListFilter), ("team", AutocompleteFilter))
    search_fields = ("name", "path", "bucket")
    search_help_text = "Words of a name, a path or a bucket."
    list_select_related = ("team",)
    exclude = ("secret_key",)
    sortable_by = ("id",)

    @admin.display(description="team")
    def team_link(self, row: WatchedFolder) -> SafeString | str:
        """The team's page."""
        return link(row.team)

    @admin.display(description="see")
    def files_link(self, row: WatchedFolder) -> SafeString:
        """Its files."""
        return list_link(WatchedFile, "files", q=row.pk)


@admin.register(WatchedFile)
class WatchedFileAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = ("id", "folder_link", "path", "size", "version", "state", "problem", "batch", "upscale_link")
    list_filter = ("state",)
    search_fields = ("=folder__id",)
    search_help_text = "A watched folder's number."
    list_select_related = ("folder", "batch", "upscale")
    sortable_by = ("id",)

    @admin.display(description="folder")
    def folder_link(self, row: WatchedFile) -> SafeString | str:
        """The folder's page."""
        return link(row.folder)

    @admin.display(description="upscale")
    def upscale_link(self, row: WatchedFile) -> SafeString | str:
        """The upscale's page."""
        return link(row.upscale)

"""Catalogue checks: feeds, their checks, the pictures that they name, and the hosts of those.

To be read; the worker alone writes them.
"""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, LongListAdmin, ReadOnlyAdmin, link, list_link
from upscaler.models import Feed, FeedCheck, FeedHost, FeedPicture


@admin.register(Feed)
class FeedAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = ("id", "when", "team_link", "name", "created_by", "removed_at", "checks_link")
    list_filter = (("removed_at", admin.EmptyFieldListFilter), ("team", AutocompleteFilter))
    search_fields = ("name", "address")
    search_help_text = "Words of a name or an address."
    list_select_related = ("team", "created_by")
    sortable_by = ("id",)

    @admin.display(description="team")
    def team_link(self, row: Feed) -> SafeString | str:
        """The team's page."""
        return link(row.team)

    @admin.display(description="see")
    def checks_link(self, row: Feed) -> SafeString:
        """Its checks."""
        return list_link(FeedCheck, "checks", feed__id__exact=row.pk)


@admin.register(FeedCheck)
class FeedCheckAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = (
        "id", "when", "feed_link", "status", "rows_read", "pictures", "waiting", "failures", "due_at", "lease_until",
        "ended_at", "pictures_link",
    )  # fmt: skip
    list_filter = ("status", ("feed__team", AutocompleteFilter))
    search_fields = ("=feed__id", "feed__name", "problem")
    search_help_text = "A feed's number, or words of its name or of what went wrong."
    list_select_related = ("feed",)
    sortable_by = ("id",)

    def lookup_allowed(self, lookup: str, value: str, request: object = None) -> bool:
        """The feed's number too, which the list of feeds links to."""
        return lookup == "feed__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description="feed")
    def feed_link(self, row: FeedCheck) -> SafeString | str:
        """The feed's page."""
        return link(row.feed)

    @admin.display(description="see")
    def pictures_link(self, row: FeedCheck) -> SafeString:
        """What it named."""
        return list_link(FeedPicture, "pictures", q=row.pk)


@admin.register(FeedPicture)
class FeedPictureAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = ("id", "check_link", "row", "place", "sku", "status", "width", "height", "format", "problem", "url")
    list_filter = ("status",)
    search_fields = ("=check_of__id",)
    search_help_text = "A check's number."
    list_select_related = ("check_of__feed",)
    sortable_by = ("id",)
    ordering = ("-id",)

    @admin.display(description="check")
    def check_link(self, row: FeedPicture) -> SafeString | str:
        """The check's page."""
        return link(row.check_of)


@admin.register(FeedHost)
class FeedHostAdmin(LongListAdmin, ReadOnlyAdmin):
    list_display = ("name", "check_link", "next_at", "waiting", "kept_until")
    list_filter = (("next_at", admin.EmptyFieldListFilter),)
    search_fields = ("name",)
    search_help_text = "A part of a host's name."
    list_select_related = ("check_of__feed",)
    sortable_by = ("name",)
    ordering = ("name",)

    @admin.display(description="asked by")
    def check_link(self, row: FeedHost) -> SafeString | str:
        """The check that asks it."""
        return link(row.check_of)

    @admin.display(description="checks in its queue")
    def waiting(self, row: FeedHost) -> int:
        """How many others wait for it."""
        return len(row.queue)

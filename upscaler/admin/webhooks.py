"""Webhooks: who is told, and what was sent there. To be read; the team's own page and programs write them."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from upscaler.admin.base import AutocompleteFilter, DaysFilter, LongListAdmin, ReadOnlyAdmin, link, list_link
from upscaler.models import WebhookDelivery, WebhookEndpoint


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(LongListAdmin, ReadOnlyAdmin):
    """Secrets are left out, and of an address all but its host: the rest often holds one. None can be guessed at by
    filtering either."""

    list_display = (
        "id", "when", "team_link", "host", "is_of_orders", "off_since", "failing_since", "last_sent_at", "removed_at",
        "deliveries_link",
    )  # fmt: skip
    list_filter = (
        "is_of_orders",
        ("off_since", admin.EmptyFieldListFilter),
        ("failing_since", admin.EmptyFieldListFilter),
        ("removed_at", admin.EmptyFieldListFilter),
        ("team", AutocompleteFilter),
    )
    list_select_related = ("team",)
    sortable_by = ("id",)
    fields = (
        "team", "host", "is_of_orders", "events", "created_by", "created_at", "named_at", "off_since", "off_reason",
        "failing_since", "last_sent_at", "due_at", "lease_until", "old_secret_until", "removed_at",
    )  # fmt: skip
    readonly_fields = ("host",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        hidden = ("secret", "old_secret", "key", "url", "deliveries")
        return not lookup.startswith(hidden) and super().lookup_allowed(lookup, value, request)

    @admin.display(description="team")
    def team_link(self, row: WebhookEndpoint) -> SafeString | str:
        """The team's page."""
        return link(row.team)

    @admin.display(description="see")
    def deliveries_link(self, row: WebhookEndpoint) -> SafeString:
        """What was sent there."""
        return list_link(WebhookDelivery, "deliveries", endpoint__id__exact=row.pk)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(LongListAdmin, ReadOnlyAdmin):
    """Without what was sent and answered: that has links to pictures, and stands on the team's own page."""

    list_display = (
        "id", "when", "endpoint_link", "event", "upscale_link", "batch_link", "attempts", "status", "failure", "due_at",
        "delivered_at",
    )  # fmt: skip
    list_filter = (
        "event",
        ("created_at", DaysFilter),
        ("due_at", admin.EmptyFieldListFilter),
        ("delivered_at", admin.EmptyFieldListFilter),
        ("endpoint__team", AutocompleteFilter),
    )
    search_fields = ("=endpoint__id", "=upscale__id", "=batch__id", "=message_id")
    search_help_text = "A webhook's, an upscale's or a batch's number, or a webhook-id."
    list_select_related = ("endpoint__team", "upscale", "batch")
    sortable_by = ("id",)
    fields = (
        "endpoint_link", "event", "message_id", "upscale", "batch", "created_at", "due_at", "expires_at", "attempts",
        "attempted_at", "delivered_at", "status", "seconds", "failure",
    )  # fmt: skip
    readonly_fields = ("endpoint_link",)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        if lookup == "endpoint__id__exact":
            return True
        hidden = ("request", "answer", "endpoint__secret", "endpoint__old_secret", "endpoint__key", "endpoint__url")
        return not lookup.startswith(hidden) and super().lookup_allowed(lookup, value, request)

    @admin.display(description="webhook")
    def endpoint_link(self, row: WebhookDelivery) -> SafeString | str:
        """The webhook's page."""
        return link(row.endpoint, f"{row.endpoint_id} of {row.endpoint.team}")

    @admin.display(description="upscale")
    def upscale_link(self, row: WebhookDelivery) -> SafeString | str:
        """The upscale's page."""
        return link(row.upscale, row.upscale_id)

    @admin.display(description="batch")
    def batch_link(self, row: WebhookDelivery) -> str:
        """The batch's number."""
        return str(row.batch_id or "–")

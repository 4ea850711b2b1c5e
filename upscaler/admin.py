"""Django's admin for staff. Money and status are to be read there, never typed."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from upscaler import tokens
from upscaler.models import (
    ApiToken,
    AuditEvent,
    CreditEntry,
    EngineState,
    Invitation,
    Membership,
    Team,
    Upscale,
)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only the desk itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    list_display = ("name", "slug", "balance", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("balance", "created_at")
    inlines = (MembershipInline,)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ("user", "team", "role", "created_at")
    list_filter = ("role", "team")
    search_fields = ("user__username", "user__email", "team__name")
    autocomplete_fields = ("user", "team")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens are made on their page, because they are shown once; here they are revoked."""

    list_display = ("name", "team", "user", "read_only", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("team", "read_only")
    search_fields = ("name", "user__username", "team__name")
    actions = ("revoke",)

    @admin.action(description="Revoke the chosen tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        revoked = [tokens.revoke(token, by=request.user, request=request) for token in queryset.select_related("team")]
        messages.success(request, f"Revoked: {sum(revoked)}. The others were before.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever may change tokens in general, though nobody may type into them."""
        return bool(request.user.has_perm("upscaler.change_apitoken"))


@admin.register(Upscale)
class UpscaleAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "team",
        "created_by",
        "source_name",
        "model_name",
        "credits",
        "status",
        "engine",
        "created_at",
    )
    list_filter = ("status", "model_name", "engine", "source", "team", "created_at")
    search_fields = ("=id", "source_name", "source_url", "created_by__username", "error_message")
    date_hierarchy = "created_at"
    list_select_related = ("team", "created_by")


@admin.register(CreditEntry)
class CreditEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "team",
        "kind",
        "amount",
        "balance_after",
        "upscale",
        "note",
        "created_by",
        "created_at",
    )
    list_filter = ("kind", "team", "created_at")
    search_fields = ("=upscale__id", "note", "team__name", "created_by__username")
    date_hierarchy = "created_at"
    list_select_related = ("team", "upscale", "created_by")


@admin.register(EngineState)
class EngineStateAdmin(ReadOnlyAdmin):
    list_display = ("engine", "failures", "failing_since", "retry_at", "busy_since", "busy_until")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Made, sent again and withdrawn on the team's own page, which knows the link for a moment."""

    list_display = ("email", "team", "role", "invited_by", "created_at", "expires_at", "accepted_by", "revoked_at")
    list_filter = ("team", "role", "created_at", "accepted_at", "revoked_at")
    search_fields = ("email", "team__name", "invited_by__username", "accepted_by__username")
    list_select_related = ("team", "invited_by", "accepted_by")


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("id", "created_at", "team", "user_name", "action", "about", "upscale", "token", "address")
    list_filter = ("action", "team", "created_at")
    search_fields = ("user_name", "user__username", "about", "=upscale__id")
    date_hierarchy = "created_at"
    list_select_related = ("team", "upscale", "token")

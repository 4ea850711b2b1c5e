"""Teams, who is in them, who is asked to join, and their programs' keys."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from upscaler.admin.base import ReadOnlyAdmin, list_link
from upscaler.models import ApiToken, AuditEvent, CreditEntry, Invitation, Membership, Team, Upscale


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)
    readonly_fields = ("monthly_budget", "created_at")


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    """Credits and budgets are changed on the team's own pages, which keep the ledger and the audit log."""

    list_display = ("name", "slug", "balance", "monthly_budget", "created_at", "lists")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("balance", "monthly_budget", "created_at", "lists")
    inlines = (MembershipInline,)

    @admin.display(description="see")
    def lists(self, team: Team) -> SafeString | str:
        """Links to what the team has."""
        if not team.pk:
            return "–"
        usage = format_html('<a href="{}?team={}">usage</a>', reverse("usage"), team.pk)
        lists = [(Upscale, "upscales"), (CreditEntry, "ledger"), (AuditEvent, "activity")]
        links = [list_link(model, text, team__id__exact=team.pk) for model, text in lists]
        return format_html_join(" · ", "{}", ((link,) for link in (*links, usage)))


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ("user", "team", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "team")
    search_fields = ("user__username", "user__email", "team__name")
    autocomplete_fields = ("user", "team")
    readonly_fields = ("monthly_budget",)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens are issued by `manage.py issue_token`, because they are shown once; here they are revoked."""

    list_display = ("name", "team", "user", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("team", "user")
    search_fields = ("name", "user__username", "team__name")
    readonly_fields = ("team", "user", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Made, sent again and withdrawn on the team's own page, which knows the link for a moment."""

    list_display = ("email", "team", "role", "invited_by", "created_at", "expires_at", "accepted_by", "revoked_at")
    list_filter = ("role", "created_at", "accepted_at", "revoked_at")
    search_fields = ("email", "team__name", "invited_by__username", "accepted_by__username")
    list_select_related = ("team", "invited_by", "accepted_by")

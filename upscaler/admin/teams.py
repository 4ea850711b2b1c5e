"""Teams, who is in them, who is asked to join, and their programs' keys."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from upscaler.accounts import audit_log, people, tokens
from upscaler.admin.base import ReadOnlyAdmin, list_link
from upscaler.errors import PublicError
from upscaler.models import ApiToken, AuditEvent, CreditEntry, Invitation, Membership, Team, Upscale
from upscaler.storage import team_room
from upscaler.text import format_bytes


class MembershipForm(forms.ModelForm):
    """A place belongs to one person in one team for good: only the role may change."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("user", "team"):
            if name in self.fields and self.instance.pk:
                self.fields[name].disabled = True


def _save(membership: Membership, request: HttpRequest) -> None:
    by: Any = request.user
    if not membership.pk:
        people.add_member(membership, how=f"put in by {audit_log.name_of(by)}", request=request)
        return
    try:
        people.change_role(membership, membership.role, by=by, as_staff=True, request=request)
    except PublicError as refusal:
        messages.error(request, refusal.message)


def _remove(membership: Membership, request: HttpRequest) -> None:
    try:
        people.remove(membership, by=request.user, as_staff=True, request=request)
    except PublicError as refusal:
        messages.error(request, refusal.message)


class MembershipInline(admin.TabularInline):
    model = Membership
    form = MembershipForm
    extra = 0
    autocomplete_fields = ("user",)
    readonly_fields = ("monthly_budget", "created_at")


@admin.register(Team)
class TeamAdmin(admin.ModelAdmin):
    """Credits and budgets are changed on the team's own pages, which keep the ledger and the audit log."""

    list_display = ("name", "slug", "balance", "monthly_budget", "kept", "created_at", "lists")
    list_select_related = ("storage",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("balance", "monthly_budget", "low_balance", "kept", "created_at", "lists")
    inlines = (MembershipInline,)

    @admin.display(description="files kept")
    def kept(self, team: Team) -> str:
        """How much, and of how much."""
        room = team_room.of_team(team)
        limit = "" if room.quota is None else f" of {format_bytes(room.quota)}, {room.percent:,} %"
        return format_bytes(room.used) + limit

    @admin.display(description="see")
    def lists(self, team: Team) -> SafeString | str:
        """Links to what the team has."""
        if not team.pk:
            return "–"
        usage = format_html('<a href="{}?team={}">usage</a>', reverse("usage"), team.pk)
        lists = [(Upscale, "upscales"), (CreditEntry, "ledger"), (AuditEvent, "activity")]
        links = [list_link(model, text, team__id__exact=team.pk) for model, text in lists]
        return format_html_join(" · ", "{}", ((link,) for link in (*links, usage)))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """People are put in, changed and removed by the service, which records it."""
        changed = formset.save(commit=False)
        for membership in formset.deleted_objects:
            _remove(membership, request)
        for membership in changed:
            _save(membership, request)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    """Saved and deleted by the service, which records it; also the last admin of a team, unlike on the team's page."""

    form = MembershipForm
    list_display = ("user", "team", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "team")
    search_fields = ("user__username", "user__email", "team__name")
    autocomplete_fields = ("user", "team")
    readonly_fields = ("monthly_budget",)

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        _save(obj, request)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        _remove(obj, request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        for membership in queryset:
            _remove(membership, request)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens are made on their page, because they are shown once; here they are revoked."""

    list_display = ("name", "team", "user", "read_only", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("read_only",)
    list_select_related = ("team", "user")
    search_fields = ("name", "user__username", "team__name")
    actions = ("revoke",)

    @admin.action(description="Revoke the chosen tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        revoked = [tokens.revoke(token, by=request.user, request=request) for token in queryset.select_related("team")]
        messages.success(request, f"Revoked: {sum(revoked)}. The others were before.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever may change tokens in general, though nobody may type into them."""
        return bool(request.user.has_perm("upscaler.change_apitoken"))


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Made, sent again and withdrawn on the team's own page, which knows the link for a moment."""

    list_display = ("email", "team", "role", "invited_by", "created_at", "expires_at", "accepted_by", "revoked_at")
    list_filter = ("role", "created_at", "accepted_at", "revoked_at")
    search_fields = ("email", "team__name", "invited_by__username", "accepted_by__username")
    list_select_related = ("team", "invited_by", "accepted_by")

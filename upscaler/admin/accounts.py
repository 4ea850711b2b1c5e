"""Accounts: Django's own pages, with the deeds that concern a team in its audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from upscaler.accounts import audit_log, people
from upscaler.models import AuditEvent, Membership

User: Any = get_user_model()
admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Whose account is deleted is removed from their teams first, and whose password is set, their teams can read."""

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            people.account_closed(obj, by=request.user, request=request)

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        for membership in obj.memberships.order_by("team"):
            people.remove(membership, by=request.user, as_staff=True, request=request)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for user in queryset:
            self.delete_model(request, user)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        response = super().user_change_password(request, id, form_url)
        # A refused form is shown again; a redirect is what follows a new password.
        if request.method == "POST" and response.status_code == 302:
            user = User.objects.get(pk=id)
            for membership in Membership.objects.filter(user=user).select_related("team"):
                about, action = f"of {audit_log.name_of(user)}", AuditEvent.Action.PASSWORD_CHANGED
                audit_log.record(action, team=membership.team, user=request.user, about=about, request=request)
        return response

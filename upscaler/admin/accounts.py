"""Accounts: Django's own pages, with the deeds that concern a team in its audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_otp.plugins.otp_static import admin as static_admin
from django_otp.plugins.otp_totp import admin as totp_admin
from django_otp.plugins.otp_totp.models import TOTPDevice

from upscaler.accounts import audit_log, people, second_factor
from upscaler.accounts.oidc import identities
from upscaler.admin.base import ReadOnlyAdmin
from upscaler.errors import PublicError
from upscaler.keeping import people as keeping
from upscaler.models import AuditEvent, Membership, OidcIdentity

User: Any = get_user_model()
admin.site.unregister(User)
# Their pages show the secrets, and would change them past the audit log.
admin.site.unregister([static_admin.StaticDevice, totp_admin.TOTPDevice])


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Whose account is deleted is removed from their teams first, and whose password is set, their teams can read.

    Only superusers touch superusers and say who may do what: else whoever may change accounts may do everything.
    """

    actions = ("take_second_factor", "forget")
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "is_active", "has_second_factor")

    @admin.display(description="second factor", boolean=True)
    def has_second_factor(self, user: Any) -> bool:
        """Whether they sign in with one."""
        return bool(user.with_factor)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        factors = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        return super().get_queryset(request).annotate(with_factor=Exists(factors))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request.user, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        is_superuser = getattr(request.user, "is_superuser", False)
        return fields if is_superuser else (*fields, "is_staff", "is_superuser", "groups", "user_permissions")

    @admin.action(description="Take the second factor away", permissions=["change"])
    def take_second_factor(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """For who lost phone and recovery codes: the password alone signs in again, and they set up a new one."""
        mine = [user for user in queryset if _may_touch(request.user, user)]
        taken = [second_factor.turn_off(user, by=request.user, request=request) for user in mine]
        messages.success(request, f"Taken away: {sum(taken)}. They were signed out everywhere.")

    @admin.action(description="Forget the chosen people", permissions=["delete"])
    def forget(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Close their accounts and take their names out of all rows, once somebody has confirmed it."""
        chosen = list(queryset.order_by("pk"))
        refusals = {user: self._why_not_forget(request, user) for user in chosen}
        mine = [user for user in chosen if not refusals[user]]
        if not request.POST.get("confirmed"):
            context = {
                **self.admin_site.each_context(request),
                "title": "Forget people",
                "people": mine,
                "refusals": {user: why for user, why in refusals.items() if why},
                "opts": self.model._meta,
            }
            return render(request, "admin/upscaler/forget.html", context)
        done = 0
        for user in mine:
            try:
                keeping.forget(user, by=request.user, how="the admin", request=request)
                done += 1
            except PublicError as refusal:
                messages.error(request, refusal.message)
        messages.success(request, f"{'1 person is' if done == 1 else f'{done} people are'} forgotten.")
        return None

    def _why_not_forget(self, request: HttpRequest, user: Any) -> str:
        if user.pk == request.user.pk:
            return "You can’t forget yourself."
        if not _may_touch(request.user, user):
            return "Only superusers forget superusers."
        return keeping.why_not(user)

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


@admin.register(OidcIdentity)
class OidcIdentityAdmin(ReadOnlyAdmin):
    """Which of the company's accounts sign in to which here. Deleting one unlinks it; the account here stays."""

    list_display = ("user", "email", "subject", "issuer", "last_sign_in_at", "waiting_since")
    search_fields = ("user__username", "email", "subject")
    list_select_related = ("user",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user: Any = request.user
        may_delete = user.has_perm("upscaler.delete_oidcidentity")
        return may_delete and (obj is None or _may_touch(user, obj.user))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        identities.unlink(obj, by=request.user, request=request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for identity in queryset:
            if self.has_delete_permission(request, identity):
                self.delete_model(request, identity)


def _may_touch(staff: Any, user: Any) -> bool:
    return user is None or staff.is_superuser or not user.is_superuser

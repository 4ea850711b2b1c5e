"""Signing in and passwords: Django's own views, with an entry in the audit log and our pages."""

from __future__ import annotations

import math
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.utils import reset
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, views
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_POST
from django.views.generic import FormView

from upscaler.accounts import audit_log, guesses, passwords, second_factor, sessions, tokens
from upscaler.accounts.forms import ForgottenForm, NewPasswordForm, OwnPasswordForm, SignInForm
from upscaler.accounts.oidc import identities, sign_out
from upscaler.middleware import forget_pictures
from upscaler.models import AuditEvent
from upscaler.queue import dispatch
from upscaler.storage.signed_links import absolute, site
from upscaler.views import second_factor as second_factor_pages


class SignIn(views.LoginView):
    """The sign-in page of everything, Django's admin included."""

    authentication_form = SignInForm
    redirect_authenticated_user = True
    extra_context = {"demo_hint": settings.DEBUG}

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        # With OIDC_ONLY the form is there for staff, who ask for it by a link, or have just sent it.
        shows_form = not settings.OIDC.only or "password" in self.request.GET or self.request.method == "POST"
        return super().get_context_data(idle_minutes=settings.SESSION_IDLE_MINUTES, shows_form=shows_form, **more)

    def form_valid(self, form: Any) -> HttpResponse:
        if second_factor.is_on(form.get_user()):
            return second_factor_pages.ask(self.request, form.get_user(), then=self.get_success_url())
        with transaction.atomic():
            response = super().form_valid(form)
            audit_log.record_in_all_teams(AuditEvent.Action.SIGNED_IN, user=form.get_user(), request=self.request)
        return response


@method_decorator(login_not_required, name="dispatch")
class SignOut(views.LogoutView):
    """Signing out, after which the browser keeps no picture; also at the provider, for who signed in there."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        at_provider = sign_out.address(request, back_to=absolute(request, reverse("login")))
        response = super().post(request, *args, **kwargs)
        if at_provider:
            # By a page, since the CSP lets no form lead away from the desk, by redirects neither.
            response = render(request, "registration/signed_out.html", {"at_provider": at_provider})
        forget_pictures(response)
        return response


@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End all other sessions of the person, whatever they were signed in with."""
    ended = sessions.end_others(request.user, keep=request.session.session_key)
    where = f"in {ended} other place{'' if ended == 1 else 's'}, and are no more" if ended else "nowhere else"
    messages.success(request, f"You were signed in {where}.")
    return redirect("password_change")


class PasswordChange(views.PasswordChangeView):
    """A person's own account: who they are, where they belong, and a new password. Other sessions of theirs end."""

    form_class = OwnPasswordForm
    template_name = "registration/account.html"
    success_url = reverse_lazy("password_change")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if passwords.count_for(request.user):
            return super().post(request, *args, **kwargs)
        messages.error(request, f"You sign in with {settings.OIDC.name}, not with a password, so none was set.")
        return redirect("password_change")

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        user: Any = self.request.user
        return super().get_context_data(
            # Whoever has one is verified by it, or was signed out when it was turned on; or came past it.
            second_factor_is_on=user.is_verified()
            or (sign_out.is_of_company(self.request) and second_factor.is_on(user)),
            second_factor_is_required=second_factor.is_required(user),
            company_account=identities.of_user(user) if settings.OIDC.enabled else None,
            **more,
        )

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            action = AuditEvent.Action.PASSWORD_CHANGED
            audit_log.record_in_all_teams(action, user=self.request.user, request=self.request)
            revoked = tokens.revoke_all(form.user, request=self.request) if form.cleaned_data["revoke_tokens"] else 0
        messages.success(
            self.request,
            f"Your new password is set. Wherever else you were signed in, you no longer are.{_tokens_too(revoked)}",
        )
        return response


@method_decorator(login_not_required, name="dispatch")
class PasswordReset(FormView):
    """Asking for a link by e-mail. The answer is the same whether or not the address belongs to anybody."""

    form_class = ForgottenForm
    template_name = "registration/forgotten.html"
    success_url = reverse_lazy("password_reset_done")

    def form_valid(self, form: Any) -> HttpResponse:
        if seconds := guesses.note(self.request, guesses.RESET):
            return slowed(self.request, seconds)
        email = passwords.request_link(form.cleaned_data["email"], site=site(self.request))
        transaction.on_commit(lambda: dispatch.email(email.pk), robust=True)
        return super().form_valid(form)


class PasswordResetDone(views.PasswordResetDoneView):
    """What to do after asking."""

    template_name = "registration/forgotten_sent.html"
    extra_context = {"hours": settings.PASSWORD_RESET_TIMEOUT // 3600}


@method_decorator(login_not_required, name="dispatch")
class PasswordResetConfirm(views.PasswordResetConfirmView):
    """The page behind the link in the e-mail."""

    form_class = NewPasswordForm
    template_name = "registration/new_password.html"
    success_url = reverse_lazy("login")

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if seconds := guesses.wait(self.request, guesses.RESET_LINK):
            return slowed(self.request, seconds)
        return super().dispatch(*args, **kwargs)

    def get_user(self, uidb64: str) -> Any:
        user = super().get_user(uidb64)
        # A link from before passwords were switched off opens nothing any more.
        return user if user is None or passwords.count_for(user) else None

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context = super().get_context_data(**more)
        if context["validlink"]:
            context["live_tokens"] = tokens.has_live(self.user)
        else:
            guesses.note(self.request, guesses.RESET_LINK)
        return context

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            audit_log.record_in_all_teams(
                AuditEvent.Action.PASSWORD_CHANGED, user=form.user, about="by a link in an e-mail", request=self.request
            )
            # Who has the e-mail has proved more than a password would, so no lock keeps them out.
            reset(username=form.user.get_username())
            revoked = tokens.revoke_all(form.user, request=self.request) if form.cleaned_data["revoke_tokens"] else 0
        messages.success(self.request, f"Your new password is set. Sign in with it.{_tokens_too(revoked)}")
        return response


def slowed(request: HttpRequest, seconds: int) -> HttpResponse:
    """The page for an address from which too many wrong guesses came: 429 with Retry-After."""
    response = render(request, "registration/slowed.html", {"minutes": math.ceil(seconds / 60)}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _tokens_too(revoked: int) -> str:
    return f" {revoked} token{' is' if revoked == 1 else 's are'} revoked." if revoked else ""


def locked_out(request: HttpRequest, original: HttpResponse | None, credentials: dict[str, Any]) -> HttpResponse:
    """The page in place of every refused sign-in while a name or an address is locked: 429 with Retry-After."""
    until = AxesProxyHandler.get_implementation().locked_until(request, credentials) or timezone.now()
    seconds = max(1, math.ceil((until - timezone.now()).total_seconds()))
    context = {"minutes": math.ceil(seconds / 60), "next": request.POST.get(REDIRECT_FIELD_NAME, "")}
    response = render(request, "registration/locked.html", context, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


@login_not_required
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Where Django's admin sends people who may not see it: to the desk's own sign-in."""
    target = request.GET.get(REDIRECT_FIELD_NAME, "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({REDIRECT_FIELD_NAME: target})}")
    # Not back to the sign-in, which would send those who are signed in here again.
    if not (request.user.is_active and request.user.is_staff):
        raise PermissionDenied
    return redirect(target)


def to_password_change(request: HttpRequest) -> HttpResponse:
    """Django's admin has a page for this, too, which would leave nothing in the audit log."""
    return redirect("password_change")

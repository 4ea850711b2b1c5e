"""The second factor's pages: the code at the sign-in, setting it up, recovery codes, turning it off."""

from __future__ import annotations

import time
from typing import Any

import django_otp
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model, login, logout, user_login_failed
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from upscaler.accounts import audit_log, second_factor
from upscaler.accounts.forms import CodeForm, ConfirmWithCodeForm
from upscaler.accounts.oidc import sign_out
from upscaler.errors import PublicError
from upscaler.models import AuditEvent

HALF_SIGNED_IN = "half_signed_in"
"""The session's key of who gave the right password and owes the code."""
MAX_SECONDS = 10 * 60
"""For which the password counts while the code is owed."""
BACKEND = "django.contrib.auth.backends.ModelBackend"


def ask(request: HttpRequest, user: Any, *, then: str, company: dict[str, Any] | None = None) -> HttpResponse:
    """After the right password: to the page that asks for the code, and from there to ``then``.

    ``company``: what the session keeps of the company's sign-in once the code is right. Whoever leaves here and signs
    in otherwise has none of it.
    """
    request.session.cycle_key()
    request.session[HALF_SIGNED_IN] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),
        "at": int(time.time()),
        "then": then,
        "company": company,
    }
    return redirect("sign-in-code")


@sensitive_post_parameters("code")
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The second half of signing in. Wrong codes count as wrong passwords do, and lock the name in the same way."""
    user = _half_signed_in(request)
    if user is None:
        return redirect("login")
    if request.method != "POST":
        return render(request, "registration/code.html", {"form": CodeForm()})
    credentials = {"username": user.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        # The library's middleware answers with the page about the lock.
        request.axes_locked_out, request.axes_credentials = True, credentials  # type: ignore[attr-defined]
        return redirect("login")
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            device = second_factor.use_code(user, form.cleaned_data["code"])
        except PublicError as pause:
            form.add_error("code", pause.message)
        else:
            if device is not None:
                return _signed_in(request, user, device)
            form.add_error("code", second_factor.WRONG)
            user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return render(request, "registration/code.html", {"form": form})


@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """Whether the second factor is on; the form that turns it on, or those that renew its codes and turn it off."""
    user: Any = request.user
    if second_factor.is_on(user):
        if user.is_verified():
            return _page(request, ConfirmWithCodeForm())
        if sign_out.is_of_company(request):
            messages.info(
                request,
                f"You signed in with {settings.OIDC.name}, where no code of this desk is asked for. To change the "
                "second factor, sign out and sign in with your password.",
            )
            return redirect("password_change")
        # A session from before it was turned on, by whatever way that was done.
        logout(request)
        messages.warning(request, "Please sign in again, with your second factor.")
        return redirect("login")
    if request.method != "POST":
        return _page(request, ConfirmWithCodeForm())
    form = ConfirmWithCodeForm(request.POST, request=request)
    if form.is_valid():
        try:
            device, codes = second_factor.turn_on(user, form.cleaned_data["code"], request=request)
        except PublicError as refusal:
            form.add_error("code", refusal.message)
        else:
            request.session.cycle_key()
            django_otp.login(request, device)
            # In this very answer and nowhere else, like a token.
            return _page(request, ConfirmWithCodeForm(), codes=codes, is_new=True)
    return _page(request, form, status=422)


@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def renew_codes(request: HttpRequest) -> HttpResponse:
    """Ten new recovery codes."""
    if request.method != "POST" or not request.user.is_verified():  # type: ignore[union-attr]
        return redirect("second-factor")
    form = ConfirmWithCodeForm(request.POST, request=request)
    if not _is_confirmed(request, form):
        return _page(request, form, status=422)
    codes = second_factor.renew_codes(request.user, request=request)
    return _page(request, ConfirmWithCodeForm(), codes=codes)


@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def turn_off(request: HttpRequest) -> HttpResponse:
    """The password alone from now on."""
    if request.method != "POST" or not request.user.is_verified():  # type: ignore[union-attr]
        return redirect("second-factor")
    if second_factor.is_required(request.user):
        messages.error(request, "Staff of this desk sign in with a second factor, so it stays on.")
        return redirect("second-factor")
    form = ConfirmWithCodeForm(request.POST, request=request)
    if not _is_confirmed(request, form):
        return _page(request, form, status=422)
    second_factor.turn_off(request.user, by=request.user, request=request)
    messages.success(request, "The second factor is off. You sign in with your password alone.")
    return redirect("second-factor")


def _half_signed_in(request: HttpRequest) -> Any | None:
    half = request.session.get(HALF_SIGNED_IN)
    if not half or request.user.is_authenticated or time.time() - half["at"] > MAX_SECONDS:
        return None
    user: Any = get_user_model().objects.filter(pk=half["user"], is_active=True).first()
    # A new password in between takes back what the old one has opened.
    if user is None or not constant_time_compare(half["password"], user.get_session_auth_hash()):
        return None
    return user


def _signed_in(request: HttpRequest, user: Any, device: Any) -> HttpResponse:
    half = request.session.pop(HALF_SIGNED_IN)
    with transaction.atomic():
        login(request, user, backend=BACKEND)
        if company := half.get("company"):
            sign_out.remember(request, company)
        django_otp.login(request, device)
        audit_log.record_in_all_teams(AuditEvent.Action.SIGNED_IN, user=user, request=request)
    return redirect(half["then"])


def _is_confirmed(request: HttpRequest, form: ConfirmWithCodeForm) -> bool:
    """Whether password and code are right; else the form says what is not."""
    if not form.is_valid():
        return False
    try:
        if second_factor.use_code(request.user, form.cleaned_data["code"]):
            return True
    except PublicError as pause:
        form.add_error("code", pause.message)
        return False
    form.add_error("code", second_factor.WRONG)
    credentials = {"username": request.user.get_username()}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return False


def _page(request: HttpRequest, form: ConfirmWithCodeForm, *, status: int = 200, **more: Any) -> HttpResponse:
    user = request.user
    context: dict[str, Any] = {
        "form": form,
        "is_on": second_factor.is_on(user),
        "is_required": second_factor.is_required(user),
        **more,
    }
    if context["is_on"]:
        context["codes_left"] = second_factor.codes_left(user)
    else:
        device = second_factor.draft(user)
        context |= {"qr_code": second_factor.qr_code(device), "key": second_factor.typed_key(device)}
    return render(request, "registration/second_factor.html", context, status=status)

"""Signing in with the company's account: going there, coming back, linking it, and being signed out from there."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from upscaler.accounts import second_factor
from upscaler.accounts.forms import ConfirmForm
from upscaler.accounts.oidc import flow, identities, membership, sign_out
from upscaler.accounts.oidc.claims import CompanyPerson
from upscaler.accounts.oidc.flow import SignedIn
from upscaler.errors import PublicError
from upscaler.storage.signed_links import absolute
from upscaler.views import second_factor as second_factor_pages

BACKEND = "django.contrib.auth.backends.ModelBackend"
TO_LINK = "oidc_to_link"
"""The session's key of the company's account that waits for the person's word to be linked."""


@require_safe
@login_not_required
def start(request: HttpRequest) -> HttpResponse:
    """Go to the provider. By a link, since the CSP lets no form lead away from the desk."""
    _require_enabled()
    is_in, is_link, is_again = request.user.is_authenticated, "link" in request.GET, "again" in request.GET
    then = _safe(request, request.GET.get(REDIRECT_FIELD_NAME, ""))
    if is_in and not (is_link or is_again):
        return redirect(then)
    if is_link and not is_in:
        return redirect(f"{reverse('login')}?{urlencode({REDIRECT_FIELD_NAME: reverse('password_change')})}")
    try:
        callback_address = absolute(request, reverse("oidc-callback"))
        return redirect(flow.begin(request, redirect_uri=callback_address, then=then, is_link=is_link))
    except PublicError as refusal:
        return _refused(request, refusal, then=then)


@require_safe
@login_not_required
def callback(request: HttpRequest) -> HttpResponse:
    """Come back from the provider: signed in, or with the reason why not."""
    _require_enabled()
    try:
        signed_in = flow.finish(request)
        if signed_in.for_user != request.user.pk:
            raise PublicError(
                "You signed in here or out in another tab meanwhile, so nothing was changed. Begin anew.",
                code="oidc_state",
            )
        if signed_in.is_link:
            return _ask_to_link(request, signed_in)
        return _sign_in(request, signed_in)
    except PublicError as refusal:
        return _refused(request, refusal)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest) -> HttpResponse:
    """Ask for the password, so that nobody else links their own account of the company to this one; then link it."""
    _require_enabled()
    waiting = request.session.get(TO_LINK)
    if waiting is None or waiting["user"] != request.user.pk:
        return redirect("password_change")
    person = CompanyPerson(waiting["issuer"], waiting["subject"], email=waiting["email"])
    form = ConfirmForm(request.POST, request=request) if request.method == "POST" else ConfirmForm()
    if not form.is_valid():
        context = {"form": form, "label": waiting["label"]}
        return render(request, "registration/oidc_link.html", context, status=422 if form.is_bound else 200)
    del request.session[TO_LINK]
    try:
        identities.link(request.user, person, request=request)
    except PublicError as refusal:
        return _refused(request, refusal)
    messages.success(request, f"{waiting['label']} signs you in from now on.")
    return redirect("password_change")


@csrf_exempt
@require_POST
@login_not_required
def back_channel_logout(request: HttpRequest) -> HttpResponse:
    """The provider says that somebody signed out there. It proves that by its signature alone."""
    _require_enabled()
    try:
        sign_out.by_provider(request.POST.get("logout_token", ""))
    except PublicError as refusal:
        status = 400 if refusal.permanent else 503
        return JsonResponse({"error": "invalid_request", "error_description": refusal.message}, status=status)
    return HttpResponse()


def _sign_in(request: HttpRequest, signed_in: SignedIn) -> HttpResponse:
    if request.user.is_authenticated:
        return _confirm(request, signed_in)
    identity = identities.sign_in(signed_in.person, request=request)
    user: Any = identity.user
    is_asked = settings.OIDC.ask_second_factor or second_factor.is_required(user)
    if is_asked and second_factor.is_on(user):
        membership.apply(identity, signed_in.person, request=request)
        return second_factor_pages.ask(request, user, then=signed_in.then, company=sign_out.noted(signed_in))
    with transaction.atomic():
        login(request, user, backend=BACKEND)
        sign_out.remember(request, sign_out.noted(signed_in))
        kept = membership.apply(identity, signed_in.person, request=request)
        membership.note_sign_in(user, kept, request=request)
    return redirect(signed_in.then)


def _confirm(request: HttpRequest, signed_in: SignedIn) -> HttpResponse:
    """The person who is signed in has shown once more who they are."""
    identity = identities.find(signed_in.person)
    if identity is None or identity.user_id != request.user.pk:
        mine: Any = request.user
        raise PublicError(
            f"You are signed in here as {mine.get_username()}, and {signed_in.person.label} is somebody else’s. "
            "Nothing was changed. Sign out here first, if it is yours.",
            code="oidc_mixed_up",
        )
    request.session.cycle_key()
    sign_out.remember(request, sign_out.noted(signed_in))
    return redirect(signed_in.then)


def _ask_to_link(request: HttpRequest, signed_in: SignedIn) -> HttpResponse:
    identities.check_link(request.user, signed_in.person)
    request.session[TO_LINK] = {
        "user": request.user.pk,
        "issuer": signed_in.person.issuer,
        "subject": signed_in.person.subject,
        "email": signed_in.person.email,
        "label": signed_in.person.label,
    }
    return redirect("oidc-link")


def _refused(request: HttpRequest, refusal: PublicError, *, then: str = "") -> HttpResponse:
    context = {"message": refusal.message, "code": refusal.code, "next": then}
    is_away = not refusal.permanent
    response = render(request, "registration/oidc_refused.html", context, status=503 if is_away else 403)
    if refusal.retry_after:
        response.headers["Retry-After"] = str(int(refusal.retry_after))
    return response


def _safe(request: HttpRequest, target: str) -> str:
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if target and is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)


def _require_enabled() -> None:
    if not settings.OIDC.enabled:
        raise Http404

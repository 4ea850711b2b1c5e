"""The page behind an invitation's link."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from upscaler.accounts import audit_log, guesses, invitations
from upscaler.accounts.forms import AccountForm
from upscaler.accounts.invitations import AlreadyMember, InvitationClosed
from upscaler.middleware import CHOSEN_TEAM
from upscaler.models import AuditEvent, Invitation, Membership
from upscaler.views.accounts import slowed

BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters("password1", "password2")
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Join the team that a link invites to: signed in, or with a new account."""
    if seconds := guesses.wait(request, guesses.INVITATION):
        return slowed(request, seconds)
    found = invitations.find_invitation(secret)
    if found is None:
        guesses.note(request, guesses.INVITATION)
        return _closed(request, "unknown")
    if request.user.is_authenticated and Membership.objects.filter(team=found.team, user=request.user).exists():
        return render(request, "team/invitation_member.html", {"invitation": found})
    if (state := invitations.state_of(found)) != "open":
        return _closed(request, state, found)
    if request.method != "POST":
        form = None if request.user.is_authenticated else AccountForm(email=found.email)
        return _page(request, found, form)
    try:
        return _join(request, found) if request.user.is_authenticated else _join_anew(request, found)
    except InvitationClosed as error:
        # The other one of two clicks was this person's own: then all is well.
        return redirect(request.path) if request.user.is_authenticated else _closed(request, error.state, found)
    except AlreadyMember:
        return redirect(request.path)


def _join(request: HttpRequest, found: Invitation) -> HttpResponse:
    invitations.accept(found, user=request.user, request=request)
    return _welcome(request, found)


def _join_anew(request: HttpRequest, found: Invitation) -> HttpResponse:
    form = AccountForm(request.POST, email=found.email)
    if settings.OIDC.only:
        messages.error(request, f"People sign in with {settings.OIDC.name} here, so no account was made.")
        return _page(request, found, form, status=422)
    if AccountForm.exists_for(found.email) or not form.is_valid():
        return _page(request, found, form, status=422)
    try:
        with transaction.atomic():
            user = form.save()
            invitations.accept(found, user=user, request=request)
            login(request, user, backend=BACKEND)
            audit_log.record(AuditEvent.Action.SIGNED_IN, team=found.team, user=user, request=request)
    except IntegrityError:
        form.add_error("username", "Somebody took this user name just now. Choose another one.")
        return _page(request, found, form, status=422)
    return _welcome(request, found)


def _welcome(request: HttpRequest, found: Invitation) -> HttpResponse:
    request.session[CHOSEN_TEAM] = found.team_id
    messages.success(request, f"Welcome to {found.team.name}. Its pictures and credits are yours to use now.")
    return redirect("submit")


def _page(request: HttpRequest, found: Invitation, form: Any, *, status: int = 200) -> HttpResponse:
    context = {
        "invitation": found,
        "inviter": audit_log.name_of(found.invited_by),
        "form": form,
        "has_account": form is not None and AccountForm.exists_for(found.email),
    }
    return render(request, "team/invitation.html", context, status=status)


def _closed(request: HttpRequest, state: str, found: Invitation | None = None) -> HttpResponse:
    context = {"state": state, "invitation": found, "inviter": audit_log.name_of(found.invited_by) if found else ""}
    return render(request, "team/invitation_closed.html", context, status=404 if state == "unknown" else 410)

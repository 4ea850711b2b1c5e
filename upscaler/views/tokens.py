"""The page of API tokens: see, make, revoke."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import Case, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from upscaler.accounts import tokens
from upscaler.accounts.forms import ConfirmForm
from upscaler.errors import PublicError
from upscaler.models import ApiToken
from upscaler.storage.signed_links import site
from upscaler.views.access import TeamRequest, team_required
from upscaler.views.query import number

PAGE_SIZE = 50
MADE_ALREADY = (
    "This form has made its token already, and a token is shown only once. If you did not copy it, revoke it and make "
    "another."
)


class TokenForm(ConfirmForm):
    """What a new token is for, how long it lasts and what it may do; and the password, since a token outlives it."""

    name = forms.CharField(
        max_length=tokens.MAX_NAME_LENGTH,
        error_messages={
            "required": "Give it a name, so that you know later what uses it.",
            "max_length": f"The name may have {tokens.MAX_NAME_LENGTH} letters at most.",
        },
    )
    lasts = forms.ChoiceField(
        choices=[
            ("30", "30 days"),
            ("90", "90 days"),
            ("365", "1 year"),
            ("date", "Until a date"),
            ("never", "For good"),
        ],
        initial="90",
        error_messages={
            "required": "Choose how long it lasts.",
            "invalid_choice": "Choose from the list how long it lasts.",
        },
    )
    until = forms.DateField(required=False, error_messages={"invalid": "This is no date. Write it like 2027-01-31."})
    read_only = forms.BooleanField(required=False)
    form_key = forms.UUIDField(
        error_messages={"required": "Reload the page and try again.", "invalid": "Reload the page and try again."}
    )

    def clean_until(self) -> date | None:
        until: date | None = self.cleaned_data["until"]
        if self.cleaned_data.get("lasts") != "date":
            return None
        today = timezone.localdate()
        if until is None:
            raise forms.ValidationError("Choose the last day on which it works.")
        if until < today:
            raise forms.ValidationError("This day is over. Choose today or a later one.")
        if until > today + timedelta(days=tokens.MAX_DAYS):
            raise forms.ValidationError("This is more than ten years away. Choose an earlier day, or never.")
        return until

    @property
    def expires_at(self) -> datetime | None:
        """The end of the chosen day or of the chosen number of days; None for never. Once the form is valid."""
        if until := self.cleaned_data["until"]:
            return timezone.make_aware(datetime.combine(until, time.max))
        lasts = self.cleaned_data["lasts"]
        return timezone.now() + timedelta(days=int(lasts)) if lasts != "never" else None


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@team_required
def page(request: TeamRequest) -> HttpResponse:
    """Show the tokens that the person may see, or make one and show it this once."""
    if request.method != "POST":
        return _page(request, TokenForm())
    form = TokenForm(request.POST, request=request)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        token, clear = tokens.issue(
            team=request.team,
            user=request.user,
            name=form.cleaned_data["name"],
            expires_at=form.expires_at,
            read_only=form.cleaned_data["read_only"],
            form_key=form.cleaned_data["form_key"],
            request=request,
        )
    except PublicError as refusal:
        messages.error(request, refusal.message)
        return redirect("tokens")
    except IntegrityError:
        # The page was reloaded, or the button pressed twice.
        messages.warning(request, MADE_ALREADY)
        return redirect("tokens")
    # In this very answer and nowhere else: a redirect would have to keep the token somewhere in between.
    return _page(request, TokenForm(), made=token, clear=clear)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def revoke(request: TeamRequest, pk: int) -> HttpResponse:
    """Ask whether the token shall be revoked, or revoke it."""
    token = get_object_or_404(tokens.visible_to(request.membership), pk=pk)
    if request.method != "POST":
        return render(request, "team/revoke_token.html", {"token": token, "state": _state(token)})
    if tokens.revoke(token, by=request.user, request=request):
        messages.success(request, f"“{token.name}” is revoked. Programs that use it are refused from now on.")
    else:
        messages.warning(request, f"“{token.name}” was revoked before.")
    return redirect("tokens")


def _rate_in_words() -> str:
    """``600 calls a minute``."""
    most, _, unit = settings.API_RATE.partition("/")
    units = {"s": "a second", "m": "a minute", "h": "an hour", "d": "a day"}
    return f"{int(most):,} call{'' if most == '1' else 's'} {units[unit[0]]}"


def _state(token: ApiToken) -> str:
    return tokens.state_of(token, timezone.now())


def _page(request: TeamRequest, form: TokenForm, *, status: int = 200, **more: Any) -> HttpResponse:
    now = timezone.now()
    is_live = Case(When(tokens.are_live(now), then=Value(1)), default=Value(0))
    listed = tokens.visible_to(request.membership).alias(is_live=is_live).order_by("-is_live", "-created_at", "-pk")
    shown = Paginator(listed, PAGE_SIZE).get_page(number(request.GET, "page"))
    context = {
        "form": form,
        "form_key": uuid.uuid4(),
        "page": shown,
        "rows": [{"token": token, "state": tokens.state_of(token, now)} for token in shown],
        "address": site(request),
        "rate": _rate_in_words(),
        **more,
    }
    return render(request, "team/tokens.html", context, status=status)

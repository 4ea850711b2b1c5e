"""The first page of a fresh desk: who runs it and is in no team yet makes one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from upscaler import credits
from upscaler.accounts import people
from upscaler.accounts.forms import TeamForm
from upscaler.models import Membership
from upscaler.views.access import MAKE_TEAMS, no_team


@require_http_methods(["GET", "HEAD", "POST"])
def make_team(request: HttpRequest) -> HttpResponse:
    """Make a team with credits to begin with, and be its admin."""
    if request.method != "POST" or not request.user.has_perm(MAKE_TEAMS):
        return redirect("submit")
    form = TeamForm(request.POST)
    if not form.is_valid():
        return no_team(request, form)
    amount = form.cleaned_data["credits"]
    with transaction.atomic():
        # Of two clicks the second finds the team of the first.
        person = User.objects.select_for_update().get(pk=request.user.pk or 0)
        if Membership.objects.filter(user=person).exists():
            return redirect("team")
        team = people.make_team(form.cleaned_data["name"], by=request.user, request=request)
        credits.grant(team=team, amount=amount, note="To begin with", by=request.user, request=request)
    messages.success(request, f"The team {team.name} is there, with {amount:,} credits. Invite the others here.")
    return redirect("team")

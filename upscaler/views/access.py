"""Whose team a request works for, and what the person may do there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from upscaler.accounts.forms import TeamForm
from upscaler.accounts.oidc import membership
from upscaler.channels.teams import Listed
from upscaler.middleware import page_of_form
from upscaler.models import Membership, Team

View = Callable[..., HttpResponseBase]
SEE_ALL_TEAMS = "upscaler.view_usageday"
MAKE_TEAMS = "upscaler.add_team"
OF_TEAM = "of_team"
"""The field in which a page's form says whose page it was, since another tab may have switched teams since."""


class TeamRequest(HttpRequest):
    """A request of a signed-in person who is in a team."""

    memberships: list[Membership]
    membership: Membership
    team: Team
    channels: list[Listed]
    """All of the team's, as `channels.teams.listed` gives them."""


def team_required(view: View) -> View:
    """Show people without a team what to do, and the page itself to everybody else."""

    @wraps(view)
    def guarded(request: TeamRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.team:
            return no_team(request)
        if request.method == "POST" and request.POST.get(OF_TEAM, str(request.team.pk)) != str(request.team.pk):
            return _of_another_team(request)
        return view(request, *args, **kwargs)

    return guarded


def no_team(request: HttpRequest, form: TeamForm | None = None) -> HttpResponse:
    """What to do for somebody in no team: make the first one, if they may, or ask. ``form``: one that was refused."""
    may_make_one = request.user.has_perm(MAKE_TEAMS)
    context: dict[str, Any] = {"is_waiting": membership.is_waiting(request.user)}
    if may_make_one:
        context["form"] = form or TeamForm()
    return render(request, "noteam.html", context, status=403 if form is None else 422)


def _of_another_team(request: TeamRequest) -> HttpResponseBase:
    messages.error(
        request,
        f"You work for {request.team.name} now, but that page was another team’s. Nothing was sent. "
        "Switch back if it was meant for the other team.",
    )
    address = page_of_form(request) or reverse("team")
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)  # type: ignore[attr-defined]


def admin_required(view: View) -> View:
    """Only for the admins of the team that the person works in; others read whom to ask."""

    @team_required
    @wraps(view)
    def guarded(request: TeamRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.membership.is_admin:
            return render(request, "team/admins_only.html", {"admins": request.team.admins()}, status=403)
        return view(request, *args, **kwargs)

    return guarded


def sees_all_teams(user: Any) -> bool:
    """Whether somebody may read every team's figures: staff with the permission to, which being staff alone is not."""
    return bool(user.is_staff and user.has_perm(SEE_ALL_TEAMS))


def admin_or_staff_required(view: View) -> View:
    """For the team's admins, and for staff who see all teams and need none of their own."""
    for_admins = admin_required(view)

    @wraps(view)
    def guarded(request: TeamRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return (view if sees_all_teams(request.user) else for_admins)(request, *args, **kwargs)

    return guarded

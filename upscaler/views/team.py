"""The people of a team: who is in it, who is invited, roles, removing, leaving, switching to another team."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from upscaler import result_names
from upscaler.accounts import audit_log, invitations, people
from upscaler.accounts.forms import InviteForm
from upscaler.accounts.oidc import membership as by_company
from upscaler.errors import PublicError
from upscaler.mail import outbox
from upscaler.middleware import CHOSEN_TEAM
from upscaler.models import Invitation, Membership, OidcIdentity, Team, Upscale
from upscaler.ordering import retention
from upscaler.queue import dispatch
from upscaler.storage import team_room
from upscaler.views.access import TeamRequest, admin_required, team_required
from upscaler.views.query import number

EXAMPLE = result_names.Facts("48220 red front.jpg", ".png", "48220", "recraft", 3200, 4000, 1, 1234)
"""A result by which a template is shown."""
STORAGE_KINDS = {
    "sources": "Originals",
    "results": "Results",
    "channels": "Files for shops",
    "copies": "Small copies",
    "feeds": "Feeds",
}
MAX_WAITING = 50
"""People without a team who are shown, the newest."""
View = Callable[[TeamRequest], HttpResponseBase]
SAME_IN_EVERY_TEAM = {"submit", "history", "team", "ledger", "tokens"}
FOR_ADMINS = {"usage", "activity"}


def tells_refusals(view: View) -> View:
    """What can't be done is said on the page of the team."""

    @wraps(view)
    def guarded(request: TeamRequest) -> HttpResponseBase:
        try:
            return view(request)
        except PublicError as refusal:
            messages.error(request, refusal.message)
            return redirect("team")

    return guarded


@require_POST
@admin_required
@tells_refusals
def name_results(request: TeamRequest) -> HttpResponse:
    """How the files of the team's results are called from now on."""
    given = request.POST.get("result_template", "")
    template = people.set_result_template(request.team, given, by=request.user, request=request)
    messages.success(request, f"Results are called {template} from now on.")
    return redirect("team")


@require_safe
@team_required
def team(request: TeamRequest) -> HttpResponse:
    """Who is in the team and, for its admins, who is invited."""
    return _page(request, InviteForm())


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def invite(request: TeamRequest) -> HttpResponse:
    """Invite somebody by e-mail."""
    if request.method != "POST":
        return redirect("team")  # Somebody went back to the address of a refused form.
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        invitation, link = invitations.invite(
            team=request.team,
            email=form.cleaned_data["email"],
            role=form.cleaned_data["role"],
            by=request.user,
            request=request,
        )
    except PublicError as refusal:
        form.add_error("email", refusal.message)
        return _page(request, form, status=422)
    return _invited(request, invitation, link)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
@tells_refusals
def renew_invitation(request: TeamRequest) -> HttpResponse:
    """Send an invitation again, with a new link."""
    if request.method != "POST":
        return redirect("team")  # Or of the answer that shows a link.
    invitation, link = invitations.renew(_invitation(request), by=request.user, request=request)
    return _invited(request, invitation, link)


@require_POST
@admin_required
@tells_refusals
def withdraw_invitation(request: TeamRequest) -> HttpResponse:
    """Make an invitation's link stop working."""
    invitation = invitations.withdraw(_invitation(request), by=request.user, request=request)
    messages.success(request, f"The invitation of {invitation.email} is withdrawn. Its link no longer works.")
    return redirect("team")


@require_POST
@admin_required
@tells_refusals
def change_role(request: TeamRequest) -> HttpResponse:
    """Make somebody an admin, or a merchandiser again."""
    membership, role = _membership(request), request.POST.get("role", "")
    if role not in Membership.Role.values:
        messages.error(request, "Choose Merchandiser or Admin. Nothing was changed.")
        return redirect("team")
    current = people.change_role(membership, role, by=request.user, request=request)
    article = "an admin" if current.is_admin else "a merchandiser"
    messages.success(request, f"{audit_log.name_of(current.user)} is {article} now.")
    return redirect("team")


@require_POST
@admin_required
@tells_refusals
def accept_waiting(request: TeamRequest) -> HttpResponse:
    """Put somebody into the team who signed in with the company's account and has none."""
    identity = get_object_or_404(OidcIdentity.objects.select_related("user"), pk=number(request.POST, "waiting"))
    role = request.POST.get("role", "")
    if role not in Membership.Role.values:
        messages.error(request, "Choose Merchandiser or Admin. Nothing was changed.")
        return redirect("team")
    by_company.accept(identity, request.team, role, by=request.user, request=request)
    messages.success(request, f"{audit_log.name_of(identity.user)} is in {request.team.name} now.")
    return redirect("team")


@require_POST
@admin_required
@tells_refusals
def remove(request: TeamRequest) -> HttpResponseBase:
    """Take somebody out of the team."""
    membership = _membership(request)
    if membership.user_id == request.user.pk:
        return leave(request)
    revoked = people.remove(membership, by=request.user, request=request)
    tokens = f" and {revoked} of their tokens stopped working" if revoked else ""
    name = audit_log.name_of(membership.user)
    messages.success(request, f"{name} is no longer in {request.team.name}{tokens}. What they made stays.")
    return redirect("team")


@require_POST
@team_required
@tells_refusals
def leave(request: TeamRequest) -> HttpResponse:
    """Leave the team oneself."""
    people.remove(request.membership, by=request.user, request=request)
    request.session.pop(CHOSEN_TEAM, None)
    messages.success(request, f"You have left {request.team.name}.")
    return redirect("submit")


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Work in another of one's own teams from now on."""
    chosen = number(request.POST, "team")
    membership = next((m for m in request.memberships if m.team_id == chosen), None)  # type: ignore[attr-defined]
    if membership is None:
        raise Http404
    request.session[CHOSEN_TEAM] = membership.team_id
    return redirect(_after_switch(request.POST.get("next", ""), membership))


def _after_switch(path: str, membership: Membership) -> str:
    """The page to stay on: the same one where the other team has it too, never another team's picture."""
    try:
        name = resolve(path).url_name or ""
    except (Resolver404, ValueError):
        name = ""
    if name in SAME_IN_EVERY_TEAM or (name in FOR_ADMINS and membership.is_admin):
        return reverse(name)
    if name in FOR_ADMINS:
        return reverse("team")
    return reverse("history" if path.startswith(("/upscales/", "/batches/")) else "submit")


def _page(request: TeamRequest, form: InviteForm, *, status: int = 200, **more: Any) -> HttpResponse:
    is_admin = request.membership.is_admin
    context = {
        "people": request.team.memberships.select_related("user").order_by("role", "user__username"),
        "invitations": list(invitations.open_ones(request.team)) if is_admin else [],
        "waiting": list(by_company.waiting()[:MAX_WAITING]) if is_admin and settings.OIDC.enabled else [],
        "now": timezone.now(),
        "form": form,
        "sends_email": outbox.leaves_the_desk(),
        "roles": Membership.Role.choices,
        "review_choices": Team.Reviews.choices,
        "reviewer_choices": Team.Reviewers.choices,
        "checks_are_on": settings.FIDELITY_CHECKS,
        **(_keeping(request.team) if is_admin else {}),
        **_storage(request.team),
        "result_words": result_names.WORDS,
        "result_example": result_names.compile(request.team.result_template).name_of(EXAMPLE),
        **more,
    }
    return render(request, "team/people.html", context, status=status)


def _keeping(team: Team) -> dict[str, Any]:
    days = team.keep_days
    found = retention.count_over_age(team, days) if days is not None else 0
    return {
        "min_keep_days": retention.MIN_DAYS,
        "max_keep_days": retention.MAX_DAYS,
        "over_age": min(found, retention.COUNTED),
        "more_over_age": found > retention.COUNTED,
    }


def _storage(team: Team) -> dict[str, Any]:
    room = team_room.of_team(team)
    return {
        "storage_kinds": [(title, room.kinds[kind]) for kind, title in STORAGE_KINDS.items()],
        # A team without any picture has none from before.
        "is_storage_counted": room.is_counted or not Upscale.objects.filter(team=team).exists(),
    }


def _invited(request: TeamRequest, invitation: Invitation, link: str) -> HttpResponse:
    transaction.on_commit(lambda: dispatch.emails(team=request.team), robust=True)
    # On the answer itself, since a redirect would have to keep the link somewhere.
    response = _page(request, InviteForm(), link=link, link_for=invitation)
    response.headers["Cache-Control"] = "no-store"
    return response


def _membership(request: TeamRequest) -> Membership:
    mine = request.team.memberships.select_related("user")
    return get_object_or_404(mine, pk=number(request.POST, "membership"))


def _invitation(request: TeamRequest) -> Invitation:
    return get_object_or_404(request.team.invitations, pk=number(request.POST, "invitation"))

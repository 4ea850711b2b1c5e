"""Which teams and role follow from the company's account, and who waits for a team's admin."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from upscaler.accounts import audit_log, people
from upscaler.accounts.oidc.claims import CompanyPerson
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, Membership, OidcIdentity, Team

HOW = "by the company’s account"


@transaction.atomic
def apply(identity: OidcIdentity, person: CompanyPerson, *, request: HttpRequest | None = None) -> set[int]:
    """At a sign-in: join the teams that the claim names for the first time, and take the role that the groups give.

    A claim takes nobody out of a team. Who has none waits for an admin. Returns the teams in which the person stays an
    admin against the groups, because they are the only one.
    """
    # Locked, so that two sign-ins of one person at once join a team once.
    identity = OidcIdentity.objects.select_for_update().select_related("user").get(pk=identity.pk)
    _lock_teams(identity.user, person)
    kept: set[int] = set()
    for team in Team.objects.filter(slug__in=person.teams).order_by("pk"):
        if team.pk not in identity.joined_by_claim:
            identity.joined_by_claim.append(team.pk)
            _join(identity.user, team, person, request)
    if person.is_admin is not None:
        kept = _apply_role(identity.user, person.is_admin, request)
    is_in = Membership.objects.filter(user=identity.user).exists()
    identity.email = person.email
    identity.last_sign_in_at = timezone.now()
    identity.waiting_since = None if is_in else identity.waiting_since or timezone.now()
    identity.save(update_fields=["joined_by_claim", "email", "last_sign_in_at", "waiting_since"])
    return kept


def note_sign_in(user: Any, kept: set[int], *, request: HttpRequest | None = None) -> None:
    """Note in each of the person's teams that they signed in; ``kept`` is what `apply` returned."""
    for membership in Membership.objects.filter(user=user).select_related("team"):
        stays = "; stays admin against the groups, being the team’s only one" if membership.team_id in kept else ""
        about = f"with the company’s account{stays}"
        audit_log.record(AuditEvent.Action.SIGNED_IN, team=membership.team, user=user, about=about, request=request)


def waiting() -> QuerySet[OidcIdentity]:
    """Who signed in without a team and waits for an admin of any; the newest first."""
    theirs = OidcIdentity.objects.filter(waiting_since__isnull=False, user__is_active=True, user__memberships=None)
    return theirs.select_related("user").order_by("-waiting_since", "-pk")


def is_waiting(user: Any) -> bool:
    """Whether a person waits for an admin."""
    return waiting().filter(user=user).exists()


@transaction.atomic
def accept(identity: OidcIdentity, team: Team, role: str, *, by: Any, request: HttpRequest | None = None) -> Membership:
    """Put somebody who waits into a team. Raises PublicError where ``by`` is no admin, or somebody was quicker."""
    # The identity before the team, as a sign-in locks them.
    current = waiting().select_for_update(of=("self",)).filter(pk=identity.pk).first()
    people.lock(team.pk)
    people.require_admin(team.pk, by)
    if current is None:
        raise PublicError(
            f"{audit_log.name_of(identity.user)} does not wait any more: another admin was quicker, or the account is "
            "closed. Nothing was changed.",
            code="not_waiting",
        )
    membership = Membership(team=team, user=current.user, role=role)
    people.add_member(membership, how=f"accepted by {audit_log.name_of(by)}", request=request)
    current.waiting_since = None
    current.save(update_fields=["waiting_since"])
    return membership


def _lock_teams(user: Any, person: CompanyPerson) -> None:
    """Hold all teams that a sign-in may touch, in one order for everybody, so that no two wait for each other."""
    named = Team.objects.filter(slug__in=person.teams).values_list("pk", flat=True)
    mine = Membership.objects.filter(user=user).order_by().values_list("team", flat=True)
    list(Team.objects.select_for_update().filter(pk__in={*named, *mine}).order_by("pk").values_list("pk"))


def _join(user: Any, team: Team, person: CompanyPerson, request: HttpRequest | None) -> None:
    if Membership.objects.filter(team=team, user=user).exists():
        return
    role = Membership.Role.ADMIN if person.is_admin else Membership.Role.MERCHANDISER
    try:
        with transaction.atomic():
            people.add_member(Membership(team=team, user=user, role=role), how=HOW, request=request)
    except IntegrityError:
        return  # An invitation was accepted in between.


def _apply_role(user: Any, is_admin: bool, request: HttpRequest | None) -> set[int]:
    """Give the person the role in all of their teams. The teams that keep them as their only admin."""
    role = Membership.Role.ADMIN if is_admin else Membership.Role.MERCHANDISER
    kept: set[int] = set()
    for membership in Membership.objects.filter(user=user).exclude(role=role).order_by("team"):
        try:
            # To be an admin is the company's word, not the person's; giving it up, the team keeps its last one.
            people.change_role(membership, role, by=user, as_staff=is_admin, how=HOW, request=request)
        except PublicError as refusal:
            if refusal.code == "last_admin":
                kept.add(membership.team_id)
    return kept

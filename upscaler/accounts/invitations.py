"""Asking people to join a team, by a link that is good for a week and for one person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from upscaler.accounts import audit_log, people, secrets
from upscaler.errors import PublicError
from upscaler.mail import outbox
from upscaler.models import AuditEvent, Email, Invitation, Membership, Team
from upscaler.storage.signed_links import absolute

LIFETIME = timedelta(days=7)
MAX_PER_HOUR = 50
"""Invitations that one person may send from one team: each is an e-mail to whomever they name."""


class InvitationClosed(Exception):
    """The invitation can't be accepted any more; ``state`` says why, as `state_of` does."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


class AlreadyMember(Exception):
    """The person is in the team, so the invitation stays open for whom it is meant for."""


def open_ones(team: Team) -> Any:
    """The team's invitations that were neither accepted nor withdrawn, also those that ran out; the newest first."""
    waiting = Invitation.objects.filter(team=team, accepted_at=None, revoked_at=None)
    return waiting.select_related("invited_by", "last_email").order_by("-pk")


@transaction.atomic
def invite(*, team: Team, email: str, role: str, by: Any, request: HttpRequest | None = None) -> tuple[Invitation, str]:
    """Make an invitation, and the e-mail with its link. Returns the invitation and the link.

    Raises PublicError where ``by`` is no admin, or somebody with this e-mail is in the team or invited already.
    """
    people.lock(team.pk)
    people.require_admin(team.pk, by)
    if member := Membership.objects.filter(team=team, user__email__iexact=email).select_related("user").first():
        raise PublicError(
            f"{email} belongs to {audit_log.name_of(member.user)}, who is in this team already.", code="member_already"
        )
    if open_ones(team).filter(email__iexact=email).exists():
        raise PublicError(
            f"{email} is invited already. You can send that invitation again, or withdraw it first.",
            code="invited_already",
        )
    invitation = Invitation(team=team, email=email, role=role)
    link = _new_link(invitation, by=by, request=request)
    about = f"{email} as {invitation.get_role_display().lower()}"
    audit_log.record(AuditEvent.Action.INVITED, team=team, user=by, about=about, request=request)
    return invitation, link


@transaction.atomic
def renew(invitation: Invitation, *, by: Any, request: HttpRequest | None = None) -> tuple[Invitation, str]:
    """Give an open invitation a new link, an e-mail with it, and another week; the old link stops working.

    A new one, because the old link is known to nobody here. Returns the invitation and the link; raises PublicError.
    """
    current = _locked_open(invitation, by=by)
    link = _new_link(current, by=by, request=request)
    about = f"{current.email} again, as {current.get_role_display().lower()}"
    audit_log.record(AuditEvent.Action.INVITED, team=current.team, user=by, about=about, request=request)
    return current, link


@transaction.atomic
def withdraw(invitation: Invitation, *, by: Any, request: HttpRequest | None = None) -> Invitation:
    """Make an open invitation's link stop working. Raises PublicError."""
    current = _locked_open(invitation, by=by)
    current.revoked_at = timezone.now()
    current.save(update_fields=["revoked_at"])
    outbox.cancel(current.last_email)
    action = AuditEvent.Action.INVITATION_REVOKED
    audit_log.record(action, team=current.team, user=by, about=f"to {current.email}", request=request)
    return current


def find_invitation(secret: str) -> Invitation | None:
    """The invitation that a link's secret part stands for, whatever became of it."""
    # What holds other letters than a link does can't be one, and need not be encodable.
    if not secret.isascii():
        return None
    found = Invitation.objects.filter(digest=secrets.digest(secret))
    return found.select_related("team", "invited_by").first()


def state_of(invitation: Invitation) -> str:
    """``open``, ``used``, ``withdrawn`` or ``expired``."""
    if invitation.accepted_at is not None:
        return "used"
    if invitation.revoked_at is not None:
        return "withdrawn"
    if invitation.expires_at <= timezone.now():
        return "expired"
    return "open" if _inviter_may_invite(invitation) else "withdrawn"


@transaction.atomic
def accept(invitation: Invitation, *, user: Any, request: HttpRequest | None = None) -> Membership:
    """Put ``user`` into the team that the invitation is for, and use it up.

    Raises InvitationClosed, also where somebody else was quicker, and AlreadyMember.
    """
    people.lock(invitation.team_id)
    current = Invitation.objects.select_related("team").get(pk=invitation.pk)
    if (state := state_of(current)) != "open":
        raise InvitationClosed(state)
    if Membership.objects.filter(team=current.team, user=user).exists():
        raise AlreadyMember
    membership = Membership(team=current.team, user=user, role=current.role)
    people.add_member(membership, how=f"invited by e-mail to {current.email}", request=request)
    current.accepted_at = timezone.now()
    current.accepted_by = user
    current.save(update_fields=["accepted_at", "accepted_by"])
    outbox.cancel(current.last_email)
    return membership


def _inviter_may_invite(invitation: Invitation) -> bool:
    # Those that are open are withdrawn when their sender loses the right; this holds for whatever way they lost it.
    return Membership.objects.filter(
        team=invitation.team_id, user=invitation.invited_by_id, user__is_active=True, role=Membership.Role.ADMIN
    ).exists()


def _new_link(invitation: Invitation, *, by: Any, request: HttpRequest | None) -> str:
    invited = AuditEvent.Action.INVITED
    sent = AuditEvent.objects.filter(team=invitation.team_id, user=by, action=invited)
    if sent.filter(created_at__gt=timezone.now() - timedelta(hours=1)).count() >= MAX_PER_HOUR:
        raise PublicError(
            f"You have sent {MAX_PER_HOUR} invitations in the last hour. Wait a while before you send more.",
            code="too_many_invitations",
        )
    secret = secrets.new_secret()
    link = absolute(request, reverse("invitation", args=[secret]))
    # The link in an e-mail that did not leave yet stops working now.
    outbox.cancel(invitation.last_email)
    invitation.digest = secrets.digest(secret)
    invitation.expires_at = timezone.now() + LIFETIME
    invitation.invited_by = by
    context = {"invitation": invitation, "team": invitation.team, "inviter": audit_log.name_of(by), "link": link}
    invitation.last_email = outbox.post(
        kind=Email.Kind.INVITATION,
        team_id=invitation.team_id,
        to=[invitation.email],
        subject=f"Join {invitation.team.name} on Upscaler",
        text=render_to_string("team/invitation_email.txt", context),
        expires_at=invitation.expires_at,
    )
    invitation.save()
    return link


def _locked_open(invitation: Invitation, *, by: Any) -> Invitation:
    people.lock(invitation.team_id)
    people.require_admin(invitation.team_id, by)
    current = Invitation.objects.select_related("team").get(pk=invitation.pk)
    if current.accepted_at or current.revoked_at:
        what = "accepted" if current.accepted_at else "withdrawn"
        raise PublicError(f"The invitation of {current.email} was {what} in the meantime.", code="invitation_closed")
    return current

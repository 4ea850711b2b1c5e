"""Who is in a team, and in which role."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import slugify

from upscaler import result_names
from upscaler.accounts import audit_log
from upscaler.errors import PublicError
from upscaler.mail import outbox
from upscaler.models import ApiToken, AuditEvent, Invitation, Membership, Team


@transaction.atomic
def make_team(name: str, *, by: Any, request: HttpRequest | None = None) -> Team:
    """A new team whose admin is ``by``. Another team may have its name, but not its slug."""
    slug = stem = slugify(name)[:40] or "team"
    number = 1
    while Team.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{stem}-{number}"
    team = Team.objects.create(name=name, slug=slug)
    membership = Membership(team=team, user=by, role=Membership.Role.ADMIN)
    add_member(membership, how="who made the team", request=request)
    return team


@transaction.atomic
def add_member(membership: Membership, *, how: str, request: HttpRequest | None = None) -> None:
    """Save a new membership; ``how`` ends the sentence in the audit log. Raises IntegrityError for a second one."""
    lock(membership.team_id)
    membership.save(force_insert=True)
    about = f"as {membership.get_role_display().lower()}, {how}"
    audit_log.record(AuditEvent.Action.JOINED, team=membership.team, user=membership.user, about=about, request=request)


@transaction.atomic
def change_role(
    membership: Membership,
    role: str,
    *,
    by: Any,
    as_staff: bool = False,
    how: str = "",
    request: HttpRequest | None = None,
) -> Membership:
    """Give a person another role of `Membership.Role`; the one that they have already changes nothing. ``how`` ends the
    sentence in the audit log.

    Who is no admin any more invites nobody: what they sent and nobody accepted is withdrawn.
    Raises PublicError where the person is gone and, unless ``by`` acts ``as_staff``, where ``by`` is no admin (any
    more) or the team would be without an admin.
    """
    lock(membership.team_id)
    if not as_staff:
        require_admin(membership.team_id, by)
    current = _current(membership)
    if current.role == role:
        return current
    if not as_staff:
        _keep_an_admin(current, by, "be made a merchandiser")
    current.role = role
    current.save(update_fields=["role"])
    audit_log.record(
        AuditEvent.Action.ROLE_CHANGED,
        team=current.team,
        user=by,
        about=f"of {audit_log.name_of(current.user)} to {current.get_role_display().lower()}" + (how and f", {how}"),
        request=request,
    )
    if not current.is_admin:
        _withdraw_invitations(current, by=by, why="is no admin any more", request=request)
    return current


@transaction.atomic
def set_result_template(team: Team, template: str, *, by: Any, request: HttpRequest | None = None) -> str:
    """How the files of the team's results are called from now on; what it was set to.

    Raises PublicError where ``by`` is no admin (any more) or the template is none.
    """
    template = result_names.compile(template).template
    lock(team.pk)
    require_admin(team.pk, by)
    Team.objects.filter(pk=team.pk).update(result_template=template)
    audit_log.record(AuditEvent.Action.RESULTS_NAMED, team=team, user=by, about=template, request=request)
    return template


@transaction.atomic
def remove(membership: Membership, *, by: Any, as_staff: bool = False, request: HttpRequest | None = None) -> int:
    """Take a person out of a team; ``by`` is an admin of it, the person, or staff. Their tokens in it are revoked, and
    their open invitations withdrawn.

    What they ordered stays, under their name. Returns how many tokens were revoked; raises PublicError as
    `change_role` does.
    """
    lock(membership.team_id)
    is_leaving = membership.user_id == by.pk
    if not (is_leaving or as_staff):
        require_admin(membership.team_id, by)
    current = _current(membership)
    if not as_staff:
        _keep_an_admin(current, by, "leave" if is_leaving else "be removed")
    tokens = ApiToken.objects.filter(team=current.team, user=current.user, revoked_at=None)
    revoked = tokens.update(revoked_at=timezone.now())
    about = "themselves: left the team" if is_leaving else audit_log.name_of(current.user)
    if revoked:
        about += f"; {revoked} token{'' if revoked == 1 else 's'} revoked"
    audit_log.record(AuditEvent.Action.REMOVED, team=current.team, user=by, about=about, request=request)
    _withdraw_invitations(current, by=by, why="is not in the team any more", request=request)
    current.delete()
    return revoked


@transaction.atomic
def account_closed(user: Any, *, by: Any, request: HttpRequest | None = None) -> None:
    """Withdraw what somebody whose account is inactive now sent in all of their teams. Call it once that is saved."""
    for membership in Membership.objects.filter(user=user).select_related("team", "user").order_by("team"):
        lock(membership.team_id)
        _withdraw_invitations(membership, by=by, why="has a closed account", request=request)


def lock(team_id: int) -> Team:
    """Hold the team's row until the transaction ends, so that two admins can't each take the other's place away."""
    return Team.objects.select_for_update().get(pk=team_id)


def require_admin(team_id: int, user: Any) -> None:
    """Raises PublicError where ``user`` is no admin of the team. Asked under the lock, whatever a page knew before."""
    if not Membership.objects.filter(team_id=team_id, user=user, role=Membership.Role.ADMIN).exists():
        raise PublicError("You are not an admin of this team any more, so nothing was changed.", code="not_admin")


def _withdraw_invitations(membership: Membership, *, by: Any, why: str, request: HttpRequest | None) -> None:
    # Else somebody who is thrown out comes back by a link that they sent to themselves. Under the team's lock, which
    # accepting takes too.
    theirs = Invitation.objects.filter(
        team=membership.team_id, invited_by=membership.user_id, accepted_at=None, revoked_at=None
    )
    for invitation in theirs.select_related("last_email").order_by("pk"):
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        outbox.cancel(invitation.last_email)
        audit_log.record(
            AuditEvent.Action.INVITATION_REVOKED,
            team=membership.team,
            user=by,
            about=f"to {invitation.email}: {audit_log.name_of(membership.user)}, who sent it, {why}",
            request=request,
        )


def _current(membership: Membership) -> Membership:
    current = Membership.objects.select_related("team", "user").filter(pk=membership.pk).first()
    if current is None:
        raise PublicError("This person has left the team already.", code="not_member")
    return current


def _keep_an_admin(leaving: Membership, by: Any, what: str) -> None:
    # One whose account is closed can't answer for the team.
    others = Membership.objects.filter(team=leaving.team, role=Membership.Role.ADMIN, user__is_active=True)
    if leaving.is_admin and not others.exclude(pk=leaving.pk).exists():
        who = "You are" if leaving.user_id == by.pk else f"{audit_log.name_of(leaving.user)} is"
        raise PublicError(
            f"{who} the team’s only admin and can’t {what}. Make somebody else an admin first.", code="last_admin"
        )

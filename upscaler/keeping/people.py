"""Forgetting a person: the account is closed, and every row that named them says ``forgotten-12`` from then on.

What the team owns stays: its pictures, its ledger with all amounts, its counts.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from upscaler.accounts import audit_log, people, sessions
from upscaler.errors import PublicError
from upscaler.keeping.words import Words
from upscaler.models import (
    ApiToken,
    AuditEvent,
    Batch,
    CreditEntry,
    Email,
    Erasure,
    Invitation,
    Membership,
    OidcIdentity,
    ReviewDecision,
    Team,
    Upscale,
    WebhookDelivery,
)
from upscaler.models.upscale_queries import CANCELLED_CODE
from upscaler.storage import draft_files

logger = logging.getLogger(__name__)

COUNTED: dict[str, Any] = {
    "memberships": Membership,
    "tokens": ApiToken,
    "company accounts": OidcIdentity,
}


def find(typed: str) -> Any:
    """The account with this e-mail address or user name. Raises PublicError where there is none, or more than one."""
    users = get_user_model().objects
    found = list(users.filter(username=typed)) or list(users.filter(email__iexact=typed).exclude(email="")[:5])
    if not found:
        raise PublicError(f"Nobody here has the e-mail address or user name {typed!r}.", code="not_found")
    if len(found) > 1:
        names = ", ".join(sorted(user.get_username() for user in found))
        raise PublicError(f"{len(found)} accounts have this address: {names}. Give the user name.", code="ambiguous")
    return found[0]


def why_not(user: Any) -> str:
    """Why this person can't be forgotten yet; empty where they can."""
    for membership in Membership.objects.filter(user=user, role=Membership.Role.ADMIN).select_related("team"):
        others = membership.team.memberships.filter(user__is_active=True).exclude(user=user)
        if others.exists() and not others.filter(role=Membership.Role.ADMIN).exists():
            return (
                f"{audit_log.name_of(user)} is the only admin of {membership.team.name}, and others work in it. Make "
                "somebody else an admin there first."
            )
    return ""


def forget(user: Any, *, by: Any = None, how: str, request: HttpRequest | None = None) -> dict[str, int]:
    """Close the account and take the person's names and addresses out of every row. Returns how many rows of each
    kind were deleted or changed.

    ``by``: who of the staff does it; ``how``: where, for the record. Raises PublicError with what `why_not` says.
    """
    with transaction.atomic():
        teams = list(Team.objects.filter(memberships__user=user).order_by("pk"))
        for team in teams:
            people.lock(team.pk)
        user = get_user_model().objects.select_for_update().get(pk=user.pk)
        if refusal := why_not(user):
            raise PublicError(refusal, code="last_admin")
        words, name = Words.of(user), _free_name(user)
        known_in = _teams_that_knew(user)
        drafts = Batch.objects.filter(created_by=user, ordered_at__isnull=True)
        items = [item for draft in drafts for item in draft.items.all()]
        counts = _remove_rows(user, words)
        counts["drafts"] = drafts.count()
        drafts.delete()
        _close(user, name)
        counts["changed texts"] = _rename(user, words, name, known_in)
        for team in teams:
            about = f"number {user.pk}, who was in the team"
            audit_log.record(AuditEvent.Action.PERSON_FORGOTTEN, team=team, user=by, about=about, request=request)
        counts["sessions"] = sessions.end_others(user)
        Erasure.objects.create(kind=Erasure.Kind.PERSON, number=user.pk, counts=counts, by=by, how=how)
        transaction.on_commit(lambda: draft_files.delete(items), robust=True)
    logger.info("person %s forgotten: %s", user.pk, counts)
    return counts


def _remove_rows(user: Any, words: Words) -> dict[str, int]:
    """Delete what is the person's alone."""
    people.account_closed(user, by=None)
    counts = {kind: model.objects.filter(user=user).count() for kind, model in COUNTED.items()}
    for model in COUNTED.values():
        model.objects.filter(user=user).delete()
    for device in (TOTPDevice, StaticDevice):
        device.objects.filter(user=user).delete()
    to_them = Q(accepted_by=user)
    for address in words.addresses:
        to_them |= Q(email__iexact=address)
    invited = Invitation.objects.filter(to_them)
    counts["invitations"] = invited.count()
    invited.delete()
    counts["e-mails"] = _remove_emails(user, words)
    for log in (AccessAttempt, AccessFailureLog, AccessLog):
        log.objects.filter(username__in=[user.get_username(), *filter(None, [user.email])]).delete()
    return counts


def _remove_emails(user: Any, words: Words) -> int:
    """Those to the person. Those to others stay, and may be on their way; `_rename` sees to them."""
    mine = list(Email.objects.filter(user=user, to_admins=False).values_list("pk", flat=True))
    for email in Email.objects.filter(words.anywhere("to")).exclude(pk__in=mine):
        if any(str(address).lower() in words.addresses for address in email.to):
            mine.append(email.pk)
    Email.objects.filter(pk__in=mine).delete()
    return len(mine)


def _close(user: Any, name: str) -> None:
    user.username, user.first_name, user.last_name, user.email = name, "", "", ""
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()


def _free_name(user: Any) -> str:
    """What the person is called from now on; longer where somebody has chosen that name."""
    name = f"forgotten-{user.pk}"
    while get_user_model().objects.filter(username=name).exclude(pk=user.pk).exists():
        name += "-"
    return name


def _teams_that_knew(user: Any) -> set[int | None]:
    """The teams whose texts may name the person: in others the same word is somebody or something else."""
    rows: tuple[tuple[Any, str], ...] = (
        (Membership, "user"),
        (AuditEvent, "user"),
        (Upscale, "created_by"),
        (CreditEntry, "created_by"),
        (ReviewDecision, "user"),
        (Email, "user"),
        (Invitation, "accepted_by"),
        (Invitation, "invited_by"),
    )
    found: set[int | None] = set()
    for model, column in rows:
        found |= set(model.objects.filter(**{column: user}).values_list("team", flat=True))
    return found - {None}


def _rename(user: Any, words: Words, name: str, teams: set[int | None]) -> int:
    """Have every text of these teams that named the person give the number instead."""
    changed = AuditEvent.objects.filter(user=user).redact(user_name=name, address=None)
    changed += ReviewDecision.objects.filter(user=user).redact(user_name=name)
    columns: list[tuple[Any, str]] = [(AuditEvent, "about"), (CreditEntry, "note"), (ReviewDecision, "note")]
    for model, column in columns:
        for pk, text in model.objects.filter(words.anywhere(column), team__in=teams).values_list("pk", column):
            if words.are_in(text):
                changed += model.objects.filter(pk=pk).redact(**{column: words.replaced(text, name)})
    changed += _rename_in_emails(words, name, teams)
    changed += _rename_in_cancelled(words, name, teams)
    # What staff did to the account in the admin.
    kind = ContentType.objects.get_for_model(get_user_model())
    about = LogEntry.objects.filter(content_type=kind, object_id=str(user.pk))
    return int(changed + about.update(object_repr=name, change_message=""))


def _rename_in_emails(words: Words, name: str, teams: set[int | None]) -> int:
    changed = 0
    for email in Email.objects.filter(words.anywhere("subject", "text", "facts"), team__in=teams):
        facts = json.dumps(email.facts, ensure_ascii=False)
        texts = {"subject": email.subject, "text": email.text, "facts": facts}
        new: dict[str, Any] = {column: words.replaced(text, name) for column, text in texts.items()}
        if new != texts:
            new["facts"] = json.loads(new["facts"])
            changed += Email.objects.filter(pk=email.pk).update(**new)
    return changed


def _rename_in_cancelled(words: Words, name: str, teams: set[int | None]) -> int:
    """Upscales that were cancelled say by whom, and webhooks were told so."""
    changed = 0
    cancelled = Upscale.objects.filter(words.anywhere("error_message"), error_code=CANCELLED_CODE, team__in=teams)
    for pk, text in cancelled.values_list("pk", "error_message"):
        if words.are_in(text):
            changed += Upscale.objects.filter(pk=pk).update(error_message=words.replaced(text, name))
            WebhookDelivery.objects.filter(upscale=pk).update(request="", answer="")
    return changed

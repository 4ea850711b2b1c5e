"""Whose account here a company's account is: the only writer of `OidcIdentity`, with `membership`.

Found by issuer and subject alone. By an e-mail address it is linked only where the provider has proved it and the
setting allows that; else the person signs in here first, and links it then.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from upscaler.accounts import audit_log, sessions
from upscaler.accounts.oidc.claims import CompanyPerson
from upscaler.errors import PublicError
from upscaler.models import AuditEvent, OidcIdentity

User: Any = get_user_model()
MAX_USER_NAME = 150


def sign_in(person: CompanyPerson, *, request: HttpRequest | None = None) -> OidcIdentity:
    """The identity of a person who signs in, with an open account. Raises PublicError."""
    identity = find(person) or _first_sign_in(person, request)
    if not identity.user.is_active:
        raise PublicError(
            "Your account here is closed. Ask those who run this desk to open it again.", code="oidc_account_closed"
        )
    _check_domain(person, identity)
    return identity


def find(person: CompanyPerson) -> OidcIdentity | None:
    """The identity with this issuer and subject."""
    return OidcIdentity.objects.select_related("user").filter(issuer=person.issuer, subject=person.subject).first()


@transaction.atomic
def link(user: Any, person: CompanyPerson, *, request: HttpRequest | None = None) -> OidcIdentity:
    """Let the company's account sign in to ``user``'s account here from now on. Raises PublicError."""
    check_link(user, person)
    try:
        with transaction.atomic():
            identity = OidcIdentity.objects.create(
                issuer=person.issuer, subject=person.subject, user=user, email=person.email
            )
    except IntegrityError:
        # Another tab was quicker; then the check says what is in the way, or there is nothing left to do.
        check_link(user, person)
        return OidcIdentity.objects.get(issuer=person.issuer, subject=person.subject)
    audit_log.record_in_all_teams(AuditEvent.Action.OIDC_LINKED, user=user, about=person.label, request=request)
    return identity


@transaction.atomic
def unlink(identity: OidcIdentity, *, by: Any, request: HttpRequest | None = None) -> None:
    """Let the company's account sign in to nothing any more, and end the person's sessions."""
    user, about = identity.user, f"of {audit_log.name_of(identity.user)}: {identity.email or identity.subject}"
    identity.delete()
    sessions.end_others(user)
    audit_log.record_in_teams_of(user, AuditEvent.Action.OIDC_UNLINKED, by=by, about=about, request=request)


def check_link(user: Any, person: CompanyPerson) -> None:
    """Raises PublicError where one of the two is linked to something else."""
    other = find(person)
    if other is not None and other.user_id != user.pk:
        raise PublicError(
            f"{person.label} signs in to another account of this desk already, so it was not linked to yours. Sign in "
            "with it to see which, or ask those who run this desk.",
            code="oidc_linked_elsewhere",
        )
    if other is None and (mine := of_user(user, person.issuer)) is not None:
        raise PublicError(
            f"Your account here is linked to {mine.email or 'another account'} at {settings.OIDC.name} already. Those "
            "who run this desk can take that away.",
            code="oidc_linked_already",
        )


def of_user(user: Any, issuer: str | None = None) -> OidcIdentity | None:
    """The company's account that signs in to ``user``'s account; of one provider, or of any."""
    theirs = OidcIdentity.objects.filter(user=user)
    return (theirs.filter(issuer=issuer) if issuer is not None else theirs).first()


def _first_sign_in(person: CompanyPerson, request: HttpRequest | None) -> OidcIdentity:
    _check_domain(person)
    if person.email:
        # The database calls addresses alike that only look so, as with a dotless i: those are another person's.
        found = User.objects.filter(email__iexact=person.email)[:2]
        same = [user for user in found if _folded(user.email) == _folded(person.email)]
        if same:
            return _link_by_email(person, same, request)
    return _with_new_account(person)


def _folded(address: str) -> str:
    return unicodedata.normalize("NFKC", address).casefold()


def _link_by_email(person: CompanyPerson, same: list[Any], request: HttpRequest | None) -> OidcIdentity:
    if len(same) == 1 and of_user(same[0], person.issuer) is not None:
        # Addresses are given to new people; accounts here are not.
        raise PublicError(
            f"The account here with your address, {person.email}, is linked to another account at "
            f"{settings.OIDC.name}. Ask those who run this desk which of them is yours.",
            code="oidc_mixed_up",
        )
    # Never staff: whoever looks after addresses at the provider would reach every team of this desk.
    allowed = settings.OIDC.link_by_email and person.email_is_verified
    if allowed and len(same) == 1 and same[0].is_active and not same[0].is_staff:
        return link(same[0], person, request=request)
    if len(same) == 1 and not same[0].is_active:
        raise PublicError(
            f"The account here with your address, {person.email}, is closed. Ask those who run this desk.",
            code="oidc_account_closed",
        )
    by_password = not settings.OIDC.only or any(user.is_staff for user in same)
    way_out = (
        "Sign in to that account as before, then link the two on the page of your account."
        if by_password
        else "Ask those who run this desk to link the two."
    )
    raise PublicError(
        f"There is an account here with your address, {person.email}, and it is not linked to {settings.OIDC.name}. "
        f"{way_out}",
        code="oidc_email_taken",
    )


def _with_new_account(person: CompanyPerson) -> OidcIdentity:
    wanted = _user_name(person)
    for number in range(1, 100):
        name = wanted if number == 1 else f"{wanted[: MAX_USER_NAME - 3]}-{number}"
        if User.objects.filter(username__iexact=name).exists():
            continue
        try:
            with transaction.atomic():
                user = User(
                    username=name,
                    first_name=person.first_name,
                    last_name=person.last_name,
                    # One that nobody has proved may be somebody else's.
                    email=person.email if person.email_is_verified else "",
                )
                user.set_unusable_password()
                user.save()
                return OidcIdentity.objects.create(
                    issuer=person.issuer, subject=person.subject, user=user, email=person.email
                )
        except IntegrityError:
            # A second click of the same person, or somebody else with the same name.
            if (identity := find(person)) is not None:
                return identity
    raise PublicError(
        f"Too many people here are called {wanted}. Ask those who run this desk to make your account.",
        code="oidc_user_name",
    )


def _user_name(person: CompanyPerson) -> str:
    given = person.user_name or (person.email if person.email_is_verified else "") or person.first_name
    # As Django's own forms take it.
    return re.sub(r"[^\w.@+-]", "", given.partition("@")[0])[:MAX_USER_NAME] or "colleague"


def _check_domain(person: CompanyPerson, identity: OidcIdentity | None = None) -> None:
    domains = settings.OIDC.email_domains
    if not domains:
        return
    # Who was linked by hand has been let in by a person.
    if identity is not None and identity.user.has_usable_password():
        return
    if not (person.email_is_verified and person.email.lower().rpartition("@")[2] in domains):
        raise PublicError(
            f"This desk is for people with a confirmed address at {' or '.join(domains)}. {person.label} has none.",
            code="oidc_domain",
        )

"""What a token says about a person, in this desk's terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

MAX_EMAIL_LENGTH = 254
MAX_VALUES = 1000
"""Groups of one person that are looked at."""


@dataclass(frozen=True)
class CompanyPerson:
    """A person as the company's provider knows them."""

    issuer: str
    subject: str
    email: str = ""
    email_is_verified: bool = False
    user_name: str = ""
    first_name: str = ""
    last_name: str = ""
    teams: tuple[str, ...] = ()
    """Slugs of teams that a claim names."""
    is_admin: bool | None = None
    """By the group claim; None where no claim decides about roles, or the token leaves out that there are groups."""

    @property
    def label(self) -> str:
        """What to call the account at the provider."""
        return self.email or self.user_name or self.subject


def needs_more(claims: dict[str, Any]) -> bool:
    """Whether the userinfo endpoint may know what the ID token left out."""
    wanted = ("email", settings.OIDC.team_claim, settings.OIDC.role_claim)
    return any(name and _value(claims, name) is None for name in wanted)


def person(claims: dict[str, Any]) -> CompanyPerson:
    """The person that checked claims tell of. Values of wrong types count as left out."""
    oidc = settings.OIDC
    email = _text(claims, "email", 1000)
    first, last = _text(claims, "given_name", 150), _text(claims, "family_name", 150)
    return CompanyPerson(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=email if "@" in email and len(email) <= MAX_EMAIL_LENGTH else "",
        email_is_verified=_is_verified(claims),
        user_name=_text(claims, "preferred_username", 150),
        first_name=first or ("" if last else _text(claims, "name", 150)),
        last_name=last,
        teams=tuple(dict.fromkeys(oidc.teams.get(value, value) for value in _values(claims, oidc.team_claim))),
        is_admin=_is_admin(claims),
    )


def _is_verified(claims: dict[str, Any]) -> bool:
    said = claims.get("email_verified")
    # Some say it in words. One that says nothing may be trusted by setting, one that says no never is.
    return said is True or said == "true" or (said is None and settings.OIDC.trust_email)


def _is_admin(claims: dict[str, Any]) -> bool | None:
    oidc = settings.OIDC
    if not oidc.role_claim:
        return None
    # Entra leaves the groups out of a token where they are very many, and says so.
    left_out = claims.get("_claim_names")
    if claims.get("hasgroups") or (isinstance(left_out, dict) and oidc.role_claim in left_out):
        return None
    return not set(oidc.admin_groups).isdisjoint(_values(claims, oidc.role_claim))


def _value(claims: dict[str, Any], name: str) -> Any:
    """The claim ``name``; with dots in it, also one inside others, as Keycloak's ``realm_access.roles``."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _values(claims: dict[str, Any], name: str) -> list[str]:
    found = _value(claims, name) if name else None
    listed = found if isinstance(found, list) else [found]
    return [value.strip() for value in listed[:MAX_VALUES] if isinstance(value, str) and value.strip()]


def _text(claims: dict[str, Any], name: str, length: int) -> str:
    value = claims.get(name)
    # The databases take no NUL, and pages no lone halves of letters.
    clean = value.replace("\x00", "").encode("utf-8", "ignore").decode() if isinstance(value, str) else ""
    return clean.strip()[:length]

"""The settings of signing in with the company's account (OpenID Connect), read from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.environment import env, switch, whole


@dataclass(frozen=True)
class Oidc:
    """What OIDC_* say. Without issuer, client id and secret nobody signs in that way."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    name: str = "your company’s account"
    scopes: str = "openid profile email"
    team_claim: str = ""
    teams: dict[str, str] = field(default_factory=dict)
    """The team's slug for a value of the claim; a value that is not here is a slug itself."""
    role_claim: str = ""
    admin_groups: tuple[str, ...] = ()
    email_domains: tuple[str, ...] = ()
    """In lower case; with none everybody whom the provider signs in gets an account."""
    link_by_email: bool = False
    trust_email: bool = False
    only: bool = False
    ask_second_factor: bool = False
    time_limit: int = 10
    """Seconds for one call of the provider."""

    @property
    def enabled(self) -> bool:
        """Whether people can sign in with it."""
        return bool(self.issuer and self.client_id and self.client_secret)

    @property
    def missing(self) -> list[str]:
        """The settings that are left out although others of the three are there."""
        needed = {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT_ID": self.client_id,
            "OIDC_CLIENT_SECRET": self.client_secret,
        }
        return [name for name, value in needed.items() if not value] if any(needed.values()) else []


def oidc_settings() -> Oidc:
    """What the environment says. Raises ImproperlyConfigured where a value is none."""
    issuer = env.str("OIDC_ISSUER", default="").strip()
    parts = urlsplit(issuer)
    if issuer and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ImproperlyConfigured(
            f"OIDC_ISSUER is {issuer!r}. It must be the provider's address without a ?, like https://login.example.com."
        )
    role_claim = env.str("OIDC_ROLE_CLAIM", default="").strip()
    groups = _listed("OIDC_ADMIN_GROUPS")
    if bool(role_claim) != bool(groups):
        raise ImproperlyConfigured(
            "OIDC_ROLE_CLAIM and OIDC_ADMIN_GROUPS belong together: the claim that lists a person's groups, and which "
            "of them are admins here. Set both or neither."
        )
    return Oidc(
        issuer=issuer,
        client_id=env.str("OIDC_CLIENT_ID", default="").strip(),
        client_secret=env.str("OIDC_CLIENT_SECRET", default="").strip(),
        name=env.str("OIDC_NAME", default="").strip() or Oidc.name,
        scopes=" ".join(dict.fromkeys(["openid", *env.str("OIDC_SCOPES", default="profile email").split()])),
        team_claim=env.str("OIDC_TEAM_CLAIM", default="").strip(),
        teams=_teams(_listed("OIDC_TEAMS")),
        role_claim=role_claim,
        admin_groups=groups,
        email_domains=tuple(domain.lower().removeprefix("@") for domain in _listed("OIDC_EMAIL_DOMAINS")),
        link_by_email=switch("OIDC_LINK_BY_EMAIL", False),
        trust_email=switch("OIDC_TRUST_EMAIL", False),
        only=switch("OIDC_ONLY", False),
        ask_second_factor=switch("OIDC_SECOND_FACTOR", False),
        time_limit=whole("OIDC_TIME_LIMIT", 10, minimum=1),
    )


def _listed(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.str(name, default="").split(",") if part.strip())


def _teams(pairs: tuple[str, ...]) -> dict[str, str]:
    split = [pair.rpartition("=") for pair in pairs]
    if not all(value.strip() and slug.strip() for value, _, slug in split):
        raise ImproperlyConfigured(
            f"OIDC_TEAMS is {','.join(pairs)!r}. It must be pairs with commas between them, like "
            "Studio Berlin=berlin,Studio Paris=paris: a value of OIDC_TEAM_CLAIM, and a team's slug."
        )
    return {value.strip(): slug.strip() for value, _, slug in split}

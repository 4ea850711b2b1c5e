"""Which tokens of the provider count: signature, issuer, audience, time, nonce.

Facts: OpenID Connect Core 1.0, 3.1.3.7; Back-Channel Logout 1.0, 2.6; RFC 8725.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from django.conf import settings
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from upscaler.accounts.oidc import provider
from upscaler.errors import PublicError

logger = logging.getLogger(__name__)

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""None without a signature, and none with a shared secret: a public key would do as one."""
LEEWAY = 60
"""Seconds by which the two clocks may differ."""
LOGOUT_SECONDS = 10 * 60
"""For which a logout token counts."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
MAX_TOKEN_LENGTH = 100_000


@dataclass(frozen=True)
class Logout:
    """Whose sessions shall end: one of the provider's sessions, or all of a person's."""

    subject: str
    session_id: str
    issued_at: int
    """By the provider's clock, in seconds."""


def read(raw: str, *, nonce: str, access_token: str = "") -> dict[str, Any]:
    """What an ID token says, if it is for this desk and this very sign-in. Raises PublicError."""
    issuer, client_id = provider.metadata()["issuer"], settings.OIDC.client_id
    try:
        header, claims = _decoded(raw)
        expected: Any = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
            "sub": {"essential": True},
        }
        of_this_sign_in = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
        CodeIDToken(claims, header, expected, of_this_sign_in).validate(leeway=LEEWAY)
        _check_subject(claims)
        return claims
    except (JoseError, ValueError, TypeError) as error:
        raise _refused("an ID token", error) from None


def signed_in_at(claims: dict[str, Any]) -> int:
    """When the person signed in at the provider, by an ID token; 0 where it does not say, or says a time to come."""
    at = claims.get("auth_time")
    if not isinstance(at, (int, float)) or isinstance(at, bool) or not 0 < at <= time.time() + LEEWAY:
        return 0
    return int(at)


def read_logout(raw: str) -> Logout:
    """What a logout token says. Raises PublicError."""
    issuer, client_id = provider.metadata()["issuer"], settings.OIDC.client_id
    try:
        header, claims = _decoded(raw)
        if str(header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "jwt"):
            raise ValueError("typ")
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": client_id},
            iat={"essential": True},
        ).validate(claims)
        # A nonce is what an ID token has, which must not pass for this.
        events = claims.get("events")
        if "nonce" in claims or not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise ValueError("events")
        if claims["iat"] < time.time() - LOGOUT_SECONDS - LEEWAY:
            raise ValueError("iat")
        subject, session_id = claims.get("sub", ""), claims.get("sid", "")
        if not (isinstance(subject, str) and isinstance(session_id, str) and (subject or session_id)):
            raise ValueError("sub")
        return Logout(subject, session_id, int(claims["iat"]))
    except (JoseError, ValueError, TypeError) as error:
        raise _refused("a logout token", error) from None


def _decoded(raw: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if not isinstance(raw, str) or not 0 < len(raw) <= MAX_TOKEN_LENGTH or not raw.isascii():
        raise ValueError("no token")
    try:
        return _decoded_with(raw, provider.keys())
    except (InvalidKeyIdError, BadSignatureError):
        # The provider may have changed its keys since.
        return _decoded_with(raw, provider.keys(anew=True))


def _decoded_with(raw: str, listed: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    known = []
    for one in listed:
        # Kinds of keys that the library knows not are no reason to refuse the others; secrets and those for
        # encrypting sign nothing.
        if one.get("kty") != "oct" and one.get("use", "sig") == "sig":
            with suppress(JoseError, ValueError, TypeError, KeyError):
                known += KeySet.import_key_set({"keys": [one]}).keys
    registry = JWSRegistry(algorithms=_algorithms(), strict_check_header=False)
    token = jwt.decode(raw, key=KeySet(known), registry=registry)
    return dict(token.header), dict(token.claims)


def _algorithms() -> list[str]:
    told = provider.metadata().get("id_token_signing_alg_values_supported")
    both = [name for name in ALGORITHMS if isinstance(told, list) and name in told]
    return both or list(ALGORITHMS)


def _check_subject(claims: dict[str, Any]) -> None:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
        raise ValueError("sub")


def _refused(what: str, error: Exception) -> PublicError:
    logger.warning("OIDC: %s is refused: %s %.200s", what, type(error).__name__, error)
    return PublicError(
        f"What {settings.OIDC.name} sent can’t be trusted, so nobody was signed in. Sign in again; if it stays so, "
        "tell those who run this desk.",
        code="oidc_token",
    )

"""Ending sessions of people who signed in with the company's account.

Facts: OpenID Connect RP-Initiated Logout 1.0; Back-Channel Logout 1.0.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest

from upscaler.accounts import sessions
from upscaler.accounts.oidc import id_tokens, provider
from upscaler.accounts.oidc.flow import SignedIn

OF_SESSION = "oidc"
"""The session's key of what it was signed in with."""
FRESH_SECONDS = 10 * 60
"""For which a sign-in stands for the password that is asked again."""


def noted(signed_in: SignedIn) -> dict[str, Any]:
    """What a session keeps of what it was signed in with."""
    return {
        "issuer": signed_in.person.issuer,
        "subject": signed_in.person.subject,
        "session_id": signed_in.session_id,
        "issued_at": signed_in.issued_at,
        "id_token": signed_in.id_token,
        "at": signed_in.signed_in_at,
    }


def remember(request: HttpRequest, note: dict[str, Any]) -> None:
    """Keep in the session what it was signed in with, as `noted`; only once somebody is signed in."""
    request.session[OF_SESSION] = note


def is_of_company(request: HttpRequest) -> bool:
    """Whether the session was signed in with the company's account."""
    return OF_SESSION in request.session


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person signed in at the provider a moment ago, by its word: not by a session that it had open."""
    known = request.session.get(OF_SESSION)
    # The two clocks may differ.
    return known is not None and -id_tokens.LEEWAY <= time.time() - known["at"] <= FRESH_SECONDS


def address(request: HttpRequest, *, back_to: str) -> str | None:
    """Where to sign out at the provider too, which then leads to ``back_to``. Ask before the session ends.

    None where the session is not the company's, or the provider has no such place.
    """
    known = request.session.get(OF_SESSION)
    if not known or not settings.OIDC.enabled:
        return None
    endpoint = provider.end_session_endpoint()
    if endpoint is None:
        return None
    query = {
        "client_id": settings.OIDC.client_id,
        "post_logout_redirect_uri": back_to,
        "id_token_hint": known["id_token"],
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def by_provider(raw: str) -> int:
    """End the sessions that a logout token names. Returns how many. Raises PublicError for a token that does not count.

    Only those that the provider had begun by then: a token that is sent again ends nothing that was begun since.
    """
    logout = id_tokens.read_logout(raw)
    issuer = provider.metadata()["issuer"]

    def is_meant(data: dict[str, Any]) -> bool:
        known = data.get(OF_SESSION)
        if not known or known["issuer"] != issuer or known["issued_at"] > logout.issued_at:
            return False
        if logout.subject and known["subject"] != logout.subject:
            return False
        return not logout.session_id or known["session_id"] == logout.session_id

    return sessions.end_where(is_meant)

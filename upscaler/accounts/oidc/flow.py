"""One sign-in, from leaving this desk until coming back. What it was begun with stays in the session, for one use."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from upscaler.accounts.oidc import claims, id_tokens, provider
from upscaler.accounts.oidc.claims import CompanyPerson
from upscaler.errors import PublicError

UNDER_WAY = "oidc_under_way"
"""The session's key of the sign-ins that were begun, by their state."""
MOST = 5
"""Tabs in which a person may be at it."""
MAX_SECONDS = 15 * 60
"""For which somebody may be away at the provider."""


@dataclass(frozen=True)
class SignedIn:
    """What came of it."""

    person: CompanyPerson
    then: str
    """The address here to go on to."""
    for_user: int | None
    """Whose account here it was begun for, where somebody was signed in: to link it, or to confirm who they are."""
    is_link: bool
    session_id: str
    """The provider's name of its session, for signing out."""
    issued_at: int
    signed_in_at: int
    """When they signed in at the provider, which may be long ago; 0 where it does not say."""
    id_token: str


def begin(request: HttpRequest, *, redirect_uri: str, then: str, is_link: bool = False) -> str:
    """The provider's address to go to. Raises PublicError."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    for_user = request.user.pk if request.user.is_authenticated else None
    url = provider.authorization_url(
        redirect_uri=redirect_uri, state=state, nonce=nonce, verifier=verifier, again=for_user is not None
    )
    under_way = dict(list(request.session.get(UNDER_WAY, {}).items())[-(MOST - 1) :])
    under_way[state] = {
        "nonce": nonce,
        "verifier": verifier,
        "redirect_uri": redirect_uri,
        "then": then,
        "for_user": for_user,
        "is_link": is_link,
        "at": int(time.time()),
    }
    request.session[UNDER_WAY] = under_way
    return url


def finish(request: HttpRequest) -> SignedIn:
    """Who came back from the provider with this request. Raises PublicError."""
    if request.GET.get("error"):
        # Not every provider sends the state back with one, and nobody is signed in by it.
        raise _declined()
    begun = _taken(request)
    issuer = provider.metadata()["issuer"]
    # RFC 9207: an answer of another provider, mixed up with this one's.
    if request.GET.get("iss", issuer) != issuer:
        raise PublicError(
            f"This answer is not of {settings.OIDC.name}, so nobody was signed in. Sign in again.", code="oidc_issuer"
        )
    code = request.GET.get("code", "")
    if not code:
        raise _declined()
    tokens = provider.exchange(code, verifier=begun["verifier"], redirect_uri=begun["redirect_uri"])
    raw, access_token = tokens.get("id_token", ""), str(tokens.get("access_token") or "")
    said = id_tokens.read(raw, nonce=begun["nonce"], access_token=access_token)
    session_id = said.get("sid")
    signed_in_at = id_tokens.signed_in_at(said)
    if begun["for_user"] is not None and not begun["is_link"] and signed_in_at < begun["at"] - id_tokens.LEEWAY:
        raise _not_anew(is_told=bool(signed_in_at))
    return SignedIn(
        person=claims.person(_completed(said, access_token)),
        then=begun["then"],
        for_user=begun["for_user"],
        is_link=begun["is_link"],
        session_id=session_id if isinstance(session_id, str) else "",
        issued_at=int(said["iat"]),
        signed_in_at=signed_in_at,
        id_token=raw,
    )


def _declined() -> PublicError:
    return PublicError(
        f"{settings.OIDC.name} signed nobody in. Try again, or ask those who look after its accounts whether you may "
        "use this desk.",
        code="oidc_declined",
    )


def _not_anew(*, is_told: bool) -> PublicError:
    name = settings.OIDC.name
    if is_told:
        message = f"{name} did not ask you to sign in anew, so nothing was changed. Sign out there, then try again."
    else:
        message = (
            f"{name} does not say when you signed in there, so nothing was changed. Ask those who run this desk to "
            "have it send “auth_time”."
        )
    return PublicError(message, code="oidc_not_anew")


def _taken(request: HttpRequest) -> dict[str, Any]:
    """What the sign-in was begun with; a second time it is gone."""
    under_way = dict(request.session.get(UNDER_WAY, {}))
    state = request.GET.get("state", "")
    known = next((key for key in under_way if constant_time_compare(key, state)), None)
    begun = under_way.pop(known) if known else None
    request.session[UNDER_WAY] = under_way
    if begun is None or time.time() - begun["at"] > MAX_SECONDS:
        raise PublicError(
            "This sign-in was begun elsewhere, used already, or took too long, so nobody was signed in. Sign in again.",
            code="oidc_state",
        )
    found: dict[str, Any] = begun
    return found


def _completed(said: dict[str, Any], access_token: str) -> dict[str, Any]:
    """With what only the userinfo endpoint tells. The ID token goes first, and decides about whom it is."""
    if not (access_token and claims.needs_more(said)):
        return said
    more = provider.person_at(access_token)
    # OpenID Connect Core 5.3.2: else another person's answer could be slipped in.
    if more and more.get("sub") != said["sub"]:
        raise PublicError(
            f"What {settings.OIDC.name} sent tells of two people, so nobody was signed in. Sign in again.",
            code="oidc_subject",
        )
    # Never half from there and half from here: an address, and whether it is proved.
    if "email" not in said:
        said = {name: value for name, value in said.items() if name != "email_verified"}
    else:
        more.pop("email_verified", None)
    return {**more, **said}

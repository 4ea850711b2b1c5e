"""The company's server: what it says of itself, its keys, and the exchange of a code for tokens.

Each call is bounded in time and size, and no redirect is followed. The address is the operator's own setting, so it may
be a private one. Facts: OpenID Connect Discovery 1.0, RFC 6749, RFC 7636.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings

from upscaler import fetching
from upscaler.errors import PublicError

logger = logging.getLogger(__name__)

KEEP_SECONDS = 60 * 60
"""For which metadata and keys are not asked for again."""
NEW_KEYS_SECONDS = 30
"""Between two looks for keys because a token names an unknown one: anybody can make up such tokens."""
PAUSE_SECONDS = 5
"""For which a provider that did not answer is left alone, so that not everybody waits for it."""
MAX_ANSWER_BYTES = 1_000_000
CONNECT_TIMEOUT = 5
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

_lock = threading.Lock()
_kept: dict[str, tuple[float, Any]] = {}
_away_until: dict[str, float] = {}
_new_keys_at: dict[str, float] = {}


def metadata() -> dict[str, Any]:
    """What the provider says of itself, asked once an hour in each process. Raises PublicError."""
    address = f"{settings.OIDC.issuer.rstrip('/')}/.well-known/openid-configuration"
    found: dict[str, Any] = _kept_json(address)
    # Else one provider could speak for another. A slash at the end is a common slip in the setting.
    if str(found.get("issuer", "")).rstrip("/") != settings.OIDC.issuer.rstrip("/"):
        forget()
        raise _unusable(f"it calls itself {found.get('issuer')!r}, and OIDC_ISSUER says {settings.OIDC.issuer!r}")
    for name in ENDPOINTS:
        _checked(found.get(name), name)
    return found


def keys(*, anew: bool = False) -> list[dict[str, Any]]:
    """The provider's keys, as it lists them. With ``anew`` they are asked for again, if not just done. Raises
    PublicError."""
    address = metadata()["jwks_uri"]
    if anew and _may_look_again(address):
        with _lock:
            _kept.pop(address, None)
    listed = _kept_json(address).get("keys")
    if not isinstance(listed, list):
        raise _unusable("its list of keys is none")
    return [key for key in listed if isinstance(key, dict)]


def authorization_url(*, redirect_uri: str, state: str, nonce: str, verifier: str, again: bool) -> str:
    """Where a person signs in at the provider; ``again``: also if they are signed in there, and it shall say when that
    was (``auth_time``). Raises PublicError."""
    # OpenID Connect Core 3.1.2.1: whoever is asked with max_age has to say when.
    more = {"prompt": "login", "max_age": "0"} if again else {}
    endpoint = metadata()["authorization_endpoint"]
    with _session(redirect_uri=redirect_uri) as session:
        url, _ = session.create_authorization_url(endpoint, state=state, code_verifier=verifier, nonce=nonce, **more)
    return str(url)


def exchange(code: str, *, verifier: str, redirect_uri: str) -> dict[str, Any]:
    """The tokens that a code stands for, once. Raises PublicError."""
    endpoint = metadata()["token_endpoint"]

    def ask() -> dict[str, Any]:
        with _session(redirect_uri=redirect_uri) as session:
            return dict(session.fetch_token(endpoint, code=code, code_verifier=verifier))

    try:
        return _bounded(ask)
    except AuthlibBaseError as error:
        # By its code alone: its words could hold anything.
        logger.warning("OIDC: the provider refused a code: %.60s", error.error)
        if error.error == "invalid_client":
            raise _unusable("it refuses OIDC_CLIENT_ID or OIDC_CLIENT_SECRET") from None
        raise PublicError(
            f"{settings.OIDC.name} did not confirm this sign-in: it was used before, or took too long. Sign in again.",
            code="oidc_code",
        ) from None


def person_at(access_token: str) -> dict[str, Any]:
    """What the userinfo endpoint says about the person whose token this is; nothing without one. Raises PublicError."""
    endpoint = metadata().get("userinfo_endpoint")
    if not endpoint:
        return {}
    return _get_json(_checked(endpoint, "userinfo_endpoint"), {"Authorization": f"Bearer {access_token}"})


def end_session_endpoint() -> str | None:
    """Where people sign out at the provider; None where it has no such place, or does not answer."""
    try:
        endpoint = metadata().get("end_session_endpoint")
        return _checked(endpoint, "end_session_endpoint") if endpoint else None
    except PublicError:
        return None


def forget() -> None:
    """Ask for everything again the next time."""
    with _lock:
        for kept in (_kept, _away_until, _new_keys_at):
            kept.clear()


class _Session(OAuth2Session):
    """Authlib's, whose answers are bounded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Else a .netrc would replace the secret, and a proxy of the environment would see it.
        self.trust_env = False
        for scheme in ("http", "https"):
            self.mount(f"{scheme}://", fetching.WatchedAdapter())

    def request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:
        deadline = time.monotonic() + settings.OIDC.time_limit
        bounds = {"stream": True, "allow_redirects": False, "timeout": (CONNECT_TIMEOUT, settings.OIDC.time_limit)}
        with closing(super().request(method, url, *args, **{**options, **bounds})) as answer:
            content = bytearray()
            for chunk in fetching.chunks(answer, deadline):
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise requests.RequestException("too long an answer")
            # requests would read it without a limit.
            answer._content = bytes(content)
            return answer


def _session(**options: Any) -> _Session:
    methods = metadata().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return _Session(
        client_id=settings.OIDC.client_id,
        client_secret=settings.OIDC.client_secret,
        token_endpoint_auth_method=(
            "client_secret_post"
            if "client_secret_post" in methods and "client_secret_basic" not in methods
            else "client_secret_basic"
        ),
        scope=settings.OIDC.scopes,
        code_challenge_method="S256",
        **options,
    )


def _kept_json(address: str) -> Any:
    now = time.monotonic()
    with _lock:
        at, found = _kept.get(address, (0.0, None))
        if found is not None and now - at < KEEP_SECONDS:
            return found
    found = _get_json(address)
    with _lock:
        _kept[address] = (now, found)
    return found


def _get_json(address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    def ask() -> Any:
        with _Session() as session:
            answer = session.request("GET", address, withhold_token=True, headers=headers or {})
            if answer.status_code != 200:
                raise requests.RequestException(f"HTTP {answer.status_code}")
            return answer.json()

    found = _bounded(ask)
    if not isinstance(found, dict):
        raise _unusable("its answer is no JSON object")
    return found


def _bounded(ask: Any) -> Any:
    issuer = settings.OIDC.issuer
    if time.monotonic() < _away_until.get(issuer, 0.0):
        raise _away()
    try:
        return fetching.run_with_deadline(time.monotonic() + settings.OIDC.time_limit, ask)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        logger.warning("OIDC: the provider at %s can't be used: %s %.200s", issuer, type(error).__name__, error)
        with _lock:
            _away_until[issuer] = time.monotonic() + PAUSE_SECONDS
        raise _away() from None


def _may_look_again(address: str) -> bool:
    now = time.monotonic()
    with _lock:
        if now - _new_keys_at.get(address, float("-inf")) < NEW_KEYS_SECONDS:
            return False
        _new_keys_at[address] = now
        return True


def _checked(address: Any, name: str) -> str:
    # A provider with TLS that sends people or secrets elsewhere without it is none to trust.
    scheme = urlsplit(address).scheme if isinstance(address, str) else ""
    if scheme != "https" and not (scheme == "http" and settings.OIDC.issuer.startswith("http:")):
        raise _unusable(f"its {name} is {address!r}")
    return str(address)


def _away() -> PublicError:
    return PublicError(
        f"{settings.OIDC.name} does not answer at the moment. Wait a little, then try again.",
        code="oidc_away",
        permanent=False,
        retry_after=PAUSE_SECONDS,
    )


def _unusable(why: str) -> PublicError:
    logger.error("OIDC: the provider can't be used: %s", why)
    return PublicError(
        f"Signing in with {settings.OIDC.name} is not set up rightly. Tell those who run this desk: why stands in its "
        "log.",
        code="oidc_setup",
    )

"""A company's OpenID Connect provider on the loopback, that signs whatever a test tells it to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.test import Client
from joserfc import jws
from joserfc.jwk import RSAKey

from tests.support import webserver
from upscaler.accounts.oidc import provider
from upscaler.accounts.oidc.id_tokens import LOGOUT_EVENT

CLIENT_ID = "upscaler"
SECRET = "a-secret-of-the-client"


def new_key() -> RSAKey:
    """A key with a name of its own."""
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})


KEY = new_key()
"""Making one takes a while."""


@dataclass
class Provider:
    """Who is signed in there, and what it does wrong."""

    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: KEY)
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "anna-1"})
    """What the next ID token says about the person."""
    userinfo: dict[str, Any] | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    """What the next ID token says otherwise than it should; None takes a claim away."""
    sign: Callable[[dict[str, Any]], str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    answer: webserver.Answer | None = None
    """In place of every answer."""
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, address: str) -> dict[str, str]:
        """Sign in at the address that the desk leads to; the query that comes back."""
        parts = urlsplit(address)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert address.startswith(f"{self.issuer}/authorize?"), address
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert query["client_id"] == CLIENT_ID and len(query["state"]) > 20 and len(query["nonce"]) > 20
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.issuer}

    def token(self, said: dict[str, Any], key: Any = None, **header: Any) -> str:
        """These claims, signed."""
        key = key or self.key
        protected = {"alg": "RS256", "kid": key.kid, **header}
        algorithms = [protected["alg"]]
        return jws.serialize_compact(protected, json.dumps(said), key, algorithms=algorithms)

    def unsigned(self, said: dict[str, Any]) -> str:
        """With the algorithm “none”."""
        return ".".join([*(_encoded(json.dumps(part).encode()) for part in ({"alg": "none"}, said)), ""])

    def signed_with_public_key(self, said: dict[str, Any]) -> str:
        """With HS256, and the public key as the secret."""
        # By hand, since libraries refuse to.
        header = _encoded(json.dumps({"alg": "HS256", "kid": self.key.kid}).encode())
        signed = f"{header}.{_encoded(json.dumps(said).encode())}"
        mac = hmac.new(self.key.as_pem(private=False), signed.encode(), "sha256").digest()
        return f"{signed}.{_encoded(mac)}"

    def logout_token(self, **claims: Any) -> str:
        """What the provider sends when somebody signs out there."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": self.person["sub"],
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(8),
            "events": {LOGOUT_EVENT: {}},
            **claims,
        }
        return self.token({name: value for name, value in said.items() if value is not None}, typ="logout+jwt")

    def _answer(self, handler: BaseHTTPRequestHandler) -> webserver.Answer:
        path = urlsplit(handler.path).path
        self.asked.append(path)
        length = int(handler.headers.get("Content-Length") or 0)
        sent = {name: values[0] for name, values in parse_qs(handler.rfile.read(length).decode()).items()}
        if self.answer is not None:
            return self.answer
        if path == "/.well-known/openid-configuration":
            return _json(self._metadata())
        if path == "/keys":
            return _json({"keys": [{"kty": "unheard of", "kid": "x"}, self.key.as_dict(private=False)]})
        if path == "/token":
            return self._exchange(handler.headers.get("Authorization", ""), sent)
        if path == "/userinfo" and self.userinfo is not None:
            return _json(self.userinfo)
        return webserver.body(b"", 404)

    def _metadata(self) -> dict[str, Any]:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo" if self.userinfo is not None else None,
            "end_session_endpoint": f"{self.issuer}/end",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            **self.metadata,
        }
        return {name: value for name, value in said.items() if value is not None}

    def _exchange(self, authorization: str, sent: dict[str, str]) -> webserver.Answer:
        basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if authorization != f"Basic {basic}":
            return _json({"error": "invalid_client"}, 401)
        begun = self.codes.pop(sent.get("code", ""), None)
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = _encoded(digest)
        if begun is None or (begun["code_challenge"], begun["redirect_uri"]) != (challenge, sent["redirect_uri"]):
            return _json({"error": "invalid_grant"}, 400)
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
            **({"auth_time": now} if "max_age" in begun else {}),
            **self.person,
            **self.claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        token = (self.sign or self.token)(said)
        return _json({"access_token": "access", "token_type": "Bearer", "expires_in": 300, "id_token": token})


@contextmanager
def serving(**oidc: Any) -> Iterator[Provider]:
    """A provider, and a desk whose people sign in with it."""
    company = Provider()
    before = settings.OIDC
    provider.forget()
    with webserver.serving(company._answer) as host:
        company.issuer = f"http://{host}"
        settings.OIDC = replace(
            before, issuer=company.issuer, client_id=CLIENT_ID, client_secret=SECRET, name="Acme", **oidc
        )
        try:
            yield company
        finally:
            settings.OIDC = before
            provider.forget()


def sign_in(company: Provider, client: Client | None = None, query: str = "", **changed: str) -> tuple[Client, Any]:
    """A person's way through the provider and back; what the desk answers then. ``changed``: of what comes back."""
    client = client or Client()
    begun = client.get(f"/accounts/oidc/{query}")
    assert begun.status_code == 302, begun.content.decode()
    back = {**company.authorize(begun["Location"]), **changed}
    return client, client.get("/accounts/oidc/callback/", back)


def _json(said: Any, status: int = 200) -> webserver.Answer:
    return webserver.body(json.dumps(said).encode(), status, Content_Type="application/json")


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

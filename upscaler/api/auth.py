"""Who calls the API, with which token, and how often."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.security import HttpBearer
from ninja.throttling import AuthRateThrottle

from upscaler.accounts import guesses, rate_limit, tokens
from upscaler.errors import PublicError
from upscaler.logs import context
from upscaler.models import ApiToken

TOKEN_MISSING = (
    "A token is missing. Send it in the header “Authorization: Bearer <token>”; the desk's page Tokens makes one."
)
READ_ONLY = "This token may only look. To upload, submit or delete, make one on the page Tokens that may do everything."
TOO_MANY_WRONG = "Too many wrong tokens came from your address. Wait a minute, then send a right one."
LOOKING = ("GET", "HEAD", "OPTIONS")


class TokenAuth(HttpBearer):
    """`Authorization: Bearer <token>`; ``request.auth`` becomes the ApiToken."""

    def __init__(self, *, only_looks: bool = False) -> None:
        """``only_looks``: of a call that changes nothing, whatever its method."""
        super().__init__()
        self.only_looks = only_looks

    def __call__(self, request: HttpRequest) -> ApiToken:
        scheme, _, clear = request.headers.get(self.header, "").partition(" ")
        if scheme.lower() != self.openapi_scheme or not clear.strip():
            raise AuthenticationError(message=TOKEN_MISSING)
        return self.authenticate(request, clear.strip())

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken:
        try:
            found = tokens.find_token(token)
        except PublicError as refusal:
            if refusal.code == "token_unknown" and guesses.note(request, guesses.TOKEN):
                raise HttpError(429, TOO_MANY_WRONG) from None
            raise AuthenticationError(message=refusal.message) from None
        # Here and not call by call, so that a call that is added later is closed to it too.
        if found.read_only and not self.only_looks and request.method not in LOOKING:
            raise HttpError(403, READ_ONLY)
        context.add(team_id=found.team_id)
        return found


def token_of(request: HttpRequest) -> ApiToken:
    """The token of a call that `TokenAuth` has let in."""
    token: ApiToken = request.auth  # type: ignore[attr-defined]
    return token


@dataclass(frozen=True)
class Rate:
    """How many calls a token has left, and when it has all of them again."""

    most: int
    seconds: int
    """Of a window in which so many are allowed."""
    left: int
    opens_in: int
    """Seconds until the next window."""

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 has them, and as draft 06 had them, which many still read."""
        return {
            "RateLimit-Policy": f'"token";q={self.most};w={self.seconds}',
            "RateLimit": f'"token";r={self.left};t={self.opens_in}',
            "RateLimit-Limit": str(self.most),
            "RateLimit-Remaining": str(self.left),
            "RateLimit-Reset": str(self.opens_in),
        }


class TokenThrottle(AuthRateThrottle):
    """At most ``API_RATE`` calls per token in each window of that length, counted in the cache.

    Nothing is kept on the object: all threads share it.
    """

    def allow_request(self, request: HttpRequest) -> bool:
        return self.allows(request, request.auth.digest)  # type: ignore[attr-defined]

    def allows(self, request: HttpRequest, digest: str) -> bool:
        """Count a call with the token of that digest; whether it may be answered."""
        most, seconds = self._limit()
        # Not by its number: two desks may share one cache.
        key = f"api-rate-{digest[:32]}-{int(time.time() // seconds)}"
        count = rate_limit.count(key, seconds=2 * seconds)
        if count:  # Nothing is said of calls while nobody counts them.
            left, opens_in = max(0, most - count), math.ceil(self.wait())
            request.api_rate = Rate(most, seconds, left, opens_in)  # type: ignore[attr-defined]
        return count <= most

    def wait(self) -> float:
        _, seconds = self._limit()
        return seconds - time.time() % seconds

    def _limit(self) -> tuple[int, int]:
        return _limit_of(settings.API_RATE)


@cache
def _limit_of(rate: str) -> tuple[int, int]:
    most, seconds = AuthRateThrottle(rate).parse_rate(rate)
    return most or 1, seconds or 1

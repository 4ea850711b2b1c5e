"""From our requests to httpx's and back: the same for both transports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from upscaler_client.errors import UpscalerError
from upscaler_client.retrying import Policy
from upscaler_client.wire import Answer, Lost, Request

CONNECT, READ = 10.0, 60.0
"""Seconds."""
WITHOUT_KEYS = ("api.uwear.ai",)
"""Hosts that keep no Idempotency-Key."""
MAX_ERROR_BYTES = 100_000
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
Outcome = Answer | Lost


class Address:
    """Where the API is, and the token for it."""

    def __init__(self, url: str, token: str) -> None:
        """``url``: the desk's address, or the API's own. Raises UpscalerError for what is none."""
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UpscalerError(f"“{url}” is no address of a desk. Write it like https://desk.example.")
        path = parts.path.rstrip("/") or "/api/v1"
        self.base = f"{parts.scheme}://{parts.netloc}{path}"
        # A line end that was copied along would be refused as part of the token.
        self._token = token.strip()
        self.keeps_keys = parts.hostname not in WITHOUT_KEYS

    def of(self, path: str) -> str:
        """The whole address of a path of the API."""
        return path if path.startswith(("http://", "https://")) else f"{self.base}/{path}"

    def headers(self, address: str) -> dict[str, str]:
        """The token, for the desk's own host alone: a picture may lie elsewhere."""
        if _origin(address) != _origin(self.base):
            return {}
        return {"Authorization": f"Bearer {self._token}"}


def policy(address: Address, *, retries: int, keeps_keys: bool | None) -> Policy:
    """How requests to the address are sent again."""
    return Policy(retries=retries, keeps_keys=address.keeps_keys if keeps_keys is None else keeps_keys)


@contextmanager
def arguments(request: Request, address: Address) -> Iterator[dict[str, Any]]:
    """httpx's arguments for a request; files are open as long as the context."""
    url = address.of(request.path)
    found: dict[str, Any] = {
        "method": request.method,
        "url": url,
        "headers": {**address.headers(url), **request.headers},
        "timeout": httpx.Timeout(READ + request.waits, connect=CONNECT),
    }
    if request.key:
        found["headers"]["Idempotency-Key"] = request.key
    if request.query:
        found["params"] = dict(request.query)
    if request.body is not None:
        found["json"] = request.body
    if request.form:
        found["data"] = dict(request.form)
    if isinstance(request.file, Path):
        with _opened(request.file) as file:
            yield {**found, "files": {"file": (request.file.name, file)}}
    elif request.file is not None:
        yield {**found, "files": {"file": (request.file.name, request.file.content)}}
    else:
        yield found


def answer_of(response: httpx.Response, content: bytes = b"") -> Answer:
    """What came, in our shape."""
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, content)


def lost(error: httpx.TransportError | httpx.TooManyRedirects | httpx.DecodingError, request: Request) -> Lost:
    """What is known after a request without an answer."""
    was_sent = not isinstance(error, NOT_SENT)
    host = urlsplit(request.path).netloc or "the desk"
    reason = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "broke off the connection"
    if not was_sent:
        reason = "can't be reached. Is its address right, and is it running?"
    return Lost(f"{host[0].upper()}{host[1:]} {reason} ({str(error) or type(error).__name__})", was_sent)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise UpscalerError(f"“{path}” can't be read: {error.strerror or error}.") from None
    with file:
        yield file


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)

"""Connections that end with their time: whatever the other side does, no thread and no socket is left behind."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import Any, TypeVar

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from upscaler.fetching import addresses

T = TypeVar("T")

CHUNK = 1 << 16
GRACE = 5.0
"""Seconds for a call to end after its sockets have. Only looking up a name can take longer: nothing interrupts that."""
MAX_COOKIE = 4096
"""Characters, as browsers have it."""


class Watch:
    """The sockets of one call, to be ended all at once by another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._twins: list[socket.socket] = []
        self._is_over = False

    def add(self, sock: socket.socket) -> None:
        """Watch over a socket; one that is opened too late ends at once."""
        # A twin, because TLS takes the socket's number away from the object that was connected.
        twin = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._twins.append(twin)
            if self._is_over:
                _shut(twin)

    def end(self) -> None:
        """Shut all of them: whoever reads or writes stops with an error, also in the midst of a TLS handshake."""
        with self._lock:
            self._is_over = True
            for twin in self._twins:
                _shut(twin)

    def close(self) -> None:
        """Forget them; they live on where they are still in use."""
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins = []


_watches: ContextVar[tuple[Watch, ...]] = ContextVar("watches", default=())
"""Those of the call at hand, and of the calls that it is a part of."""


def run_with_deadline(deadline: float, ask: Callable[[], T]) -> T:
    """What ``ask`` gives, if it ends before ``deadline`` (of the monotonic clock).

    Raises requests.Timeout if it does not, and whatever ``ask`` raises. A read timeout starts anew with every byte, so
    a server that drips its headers could hold the worker for hours. ``ask`` therefore runs in a thread, and when its
    time is over the sockets of its `WatchedAdapter`s are shut, which ends it.
    """
    outcome: list[T] = []
    trouble: list[Exception] = []
    watch = Watch()
    watches = (*_watches.get(), watch)

    def run() -> None:
        _watches.set(watches)
        try:
            outcome.append(ask())
        except Exception as error:
            trouble.append(error)
        finally:
            watch.close()

    thread = threading.Thread(target=run, name="request", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if thread.is_alive():
        watch.end()
        thread.join(GRACE)
        raise requests.Timeout
    if trouble:
        raise trouble[0]
    return outcome[0]


def chunks(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """The body as it arrives, unpacked. Raises requests.Timeout once ``deadline`` has passed."""
    # `read1` gives what has arrived; waiting for a full chunk would put the deadline off with every byte.
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        if time.monotonic() > deadline:
            raise requests.Timeout
        yield chunk


def error_text(response: requests.Response, deadline: float, most: int) -> bytes:
    """At most ``most`` bytes of an answer that is an error, to find out which."""
    content = b""
    # Where it breaks off, the status alone says enough.
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError):
        for chunk in chunks(response, deadline):
            content += chunk
            if len(content) > most:
                break
    return content[:most]


class WatchedAdapter(HTTPAdapter):
    """What a session connects with, so that `run_with_deadline` can end it."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As in the library, with connections that are watched over."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class PublicAdapter(WatchedAdapter, IPFilterAdapter):
    """Connects to addresses of the internet alone, and to the very address that was checked.

    Raises InvalidIPAddress for any other.
    """

    def __init__(self, *, is_tls: bool) -> None:
        super().__init__(is_https_proto=is_tls)  # type: ignore[call-arg] # IPFilterAdapter's; it has no types.

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        """As in the library, which lets some private forms pass."""
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(*args, **kwargs)
        if not addresses.is_public(host_params["host"].strip("[]")):
            raise InvalidIPAddress(host_params["host"])
        return host_params, pool_kwargs


def session_for(normal: str, cookies: RequestsCookieJar) -> requests.Session:
    """A session for one hop to an address in its normal form, with the cookies of the hops before."""
    session = _OneHop()
    if addresses.is_allowed_private(normal):
        for scheme in ("http", "https"):
            session.mount(f"{scheme}://", WatchedAdapter())
    else:
        for scheme in ("http", "https"):
            session.mount(f"{scheme}://", PublicAdapter(is_tls=scheme == "https"))
    # A proxy named in the environment would resolve the host itself, past the address filter.
    session.trust_env = False
    session.cookies = cookies
    return session


def new_cookies() -> RequestsCookieJar:
    """An empty jar for one fetch, which sends each cookie only where a browser would."""
    return RequestsCookieJar(policy=_CookiePolicy(strict_domain=True))


class _OneHop(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: the library would read a redirect's whole body, and its address, although it is not to follow it."""


class _CookiePolicy(DefaultCookiePolicy):
    def set_ok(self, cookie: Cookie, request: Any) -> bool:
        return len(cookie.name) + len(cookie.value or "") <= MAX_COOKIE and super().set_ok(cookie, request)


class _WatchedConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        _watch_over(sock)
        return sock

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        # One that was kept open since an earlier call.
        if self.sock is not None:
            _watch_over(self.sock)
        super().putrequest(*args, **kwargs)


class _WatchedTLSConnection(_WatchedConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLSConnection


def _watch_over(sock: socket.socket) -> None:
    for watch in _watches.get():
        watch.add(sock)


def _shut(sock: socket.socket) -> None:
    # Already gone is what is wanted.
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)

"""A proxy on the loopback before a desk: it passes calls on, and fails as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import requests

from tests.support import webserver

Fault = Callable[[BaseHTTPRequestHandler, "requests.Response | None"], None]
NOT_PASSED_ON = ("connection", "transfer-encoding", "content-encoding", "server", "date")


@dataclass
class Proxy:
    """``faults``: for a method and the beginning of a path what befalls the next such calls, one after the other.

    ``None`` in a list lets a call through.
    """

    url: str = ""
    faults: dict[tuple[str, str], list[Fault | None]] = field(default_factory=dict)
    calls: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers of what came."""

    def count(self, method: str, path: str) -> int:
        return sum(call[0] == method and call[1].startswith(path) for call in self.calls)

    def _next(self, method: str, path: str) -> Fault | None:
        for (of, start), left in self.faults.items():
            if of == method and path.startswith(start) and left:
                return left.pop(0)
        return None


def before(answer: webserver.Answer) -> Fault:
    """The desk never hears of the call; this answer comes in its place."""

    def fault(handler: BaseHTTPRequestHandler, response: requests.Response | None) -> None:
        answer(handler)

    fault.is_passed_on = False  # type: ignore[attr-defined]
    return fault


def lost_answer(handler: BaseHTTPRequestHandler, response: requests.Response | None) -> None:
    """The desk does it, and its answer is lost on the way."""
    webserver.cut(handler)


def half_an_answer(handler: BaseHTTPRequestHandler, response: requests.Response | None) -> None:
    """The connection breaks in the middle of the content."""
    assert response is not None
    _head(handler, response)
    handler.wfile.write(response.content[: len(response.content) // 2])
    handler.close_connection = True


@contextmanager
def before_desk(url: str) -> Iterator[Proxy]:
    """A proxy before the desk at ``url``; the desk's links lead through it too."""
    proxy = Proxy()

    def take(handler: BaseHTTPRequestHandler) -> webserver.Answer:
        sent = {name.lower(): value for name, value in handler.headers.items()}
        proxy.calls.append((handler.command, handler.path, sent))
        content = handler.rfile.read(int(sent.get("content-length", 0)))
        fault = proxy._next(handler.command, handler.path)
        response = None
        if fault is None or getattr(fault, "is_passed_on", True):
            response = requests.request(
                handler.command,
                url + handler.path,
                data=content,
                headers={name: value for name, value in sent.items() if name != "connection"},
                timeout=60,
                allow_redirects=False,
            )
        return lambda handler: (fault or _pass_on)(handler, response)

    with webserver.serving(take) as host:
        proxy.url = f"http://{host}"
        yield proxy


def _pass_on(handler: BaseHTTPRequestHandler, response: requests.Response | None) -> None:
    assert response is not None
    _head(handler, response)
    handler.wfile.write(response.content)


def _head(handler: BaseHTTPRequestHandler, response: requests.Response) -> None:
    handler.send_response(response.status_code)
    for name, value in response.headers.items():
        if name.lower() not in NOT_PASSED_ON and name.lower() != "content-length":
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(response.content)))
    handler.end_headers()

"""A small web server on the loopback that answers as a test tells it to."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


def body(content: bytes, status: int = 200, **headers: str) -> Answer:
    """An answer with this content; header names with _ for -."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(content)), **given}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirect(location: str) -> Answer:
    """A redirect."""
    return body(b"", 302, Location=location)


def raw(answer: bytes) -> Answer:
    """These bytes, to the letter."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    return write


def needs_cookie(name: str, then: Answer, otherwise: Answer) -> Answer:
    """``then`` for who brings a cookie of this name and value (``name=value``)."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        sent = [part.strip() for part in handler.headers.get("Cookie", "").split(";")]
        (then if name in sent else otherwise)(handler)

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Bytes without end and without an announced length, until the other side hangs up."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(65536))
    except OSError:
        pass


def dripping_body(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, so that no read ever times out."""
    handler.send_response(200)
    handler.end_headers()
    _drip(handler, b"x")


def dripping_head(handler: BaseHTTPRequestHandler) -> None:
    """Headers that never end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    _drip(handler, b"X-Slow: 1\r\n")


def continuing(handler: BaseHTTPRequestHandler) -> None:
    """“Continue” without end, as fast as it is read."""
    with suppress(OSError):
        while True:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 500)


def dripping_continue(handler: BaseHTTPRequestHandler) -> None:
    """“Continue” without end, now and then."""
    _drip(handler, b"HTTP/1.1 100 Continue\r\n\r\n")


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Nothing at all, until the other side hangs up."""
    with suppress(OSError):
        handler.connection.recv(1)


def _drip(handler: BaseHTTPRequestHandler, drop: bytes) -> None:
    pause = threading.Event()
    try:
        while True:
            handler.wfile.write(drop)
            handler.wfile.flush()
            pause.wait(0.1)
    except OSError:
        pass


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """The connection is cut in the middle of the picture."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(bytes(500))
    handler.close_connection = True


def cut(handler: BaseHTTPRequestHandler) -> None:
    """The connection is closed without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


@contextmanager
def unreachable() -> Iterator[str]:
    """A ``host:port`` whose connections are never taken: the first fills the queue, the others wait for ever."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def serving(
    pages: dict[str, Answer] | Callable[[BaseHTTPRequestHandler], Answer],
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Serve ``pages`` by their path, or what a function makes of each request; gives the server's ``host:port``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if isinstance(pages, dict):
                pages.get(self.path.partition("?")[0], body(b"nothing here", 404))(self)
            else:
                pages(self)(self)

        do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A server between the desk and S3's, which lets the first part of a large upload through and cuts all that follow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "date", "server"}


class Cutter(ThreadingHTTPServer):
    """Forwards to ``to``, a ``host:port``."""

    daemon_threads = True

    def __init__(self, to: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.to = to
        self.passed: list[str] = []
        self.cut: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Cutter

    def forward(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if query.get("partNumber", ["1"])[0] != "1":
            self.server.cut.append(self.path)
            self.rfile.read(1000)
            self.close_connection = True
            self.connection.close()
            return
        if "partNumber" in query:
            self.server.passed.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = requests.request(
            self.command,
            f"http://{self.server.to}{self.path}",
            data=body,
            headers=dict(self.headers.items()),
            timeout=30,
            allow_redirects=False,
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(answer.content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def cutting(to: str) -> Iterator[Cutter]:
    """Such a server on a port of its own."""
    server = Cutter(to)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A line to a server of S3 that is cut off, says nothing, breaks off half-way or answers 503, as a test tells it to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

from tests.support import webserver
from tests.support.relay import SLICE, Address, Relay

Trouble = Literal["cut off", "silent", "half-way", "half-silent", "busy"]
TROUBLES: tuple[Trouble, ...] = ("cut off", "silent", "half-way", "busy")
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
END_OF_HEAD = b"\r\n\r\n"
HALF = 100
"""Bytes that come after a connection's first head, either way: too few for a picture."""


class BucketLine(Relay):
    """Passes everything on to ``bucket``, a ``host:port``, until `fail`."""

    def __init__(self, bucket: str, *, silent: str, busy: str) -> None:
        self._bucket = _address(bucket)
        self._elsewhere = {"silent": _address(silent), "busy": _address(busy)}
        self._trouble: Trouble | None = None
        super().__init__(self._bucket, connect=self._reach)

    def fail(self, trouble: Trouble) -> None:
        """From now on every call meets this; what is open now is cut."""
        self._trouble = trouble
        self.drop()

    def mend(self) -> None:
        """Pass everything on again."""
        self._trouble = None
        self.drop()

    def _reach(self, upstream: Address) -> socket.socket:
        if self._trouble == "cut off":
            raise ConnectionRefusedError
        return socket.create_connection(self._elsewhere.get(self._trouble or "", upstream))

    def _ways(self, client: socket.socket, server: socket.socket) -> tuple[Callable[[], None], Callable[[], None]]:
        if self._trouble == "half-way":
            return partial(_half, client, server), partial(_half, server, client)
        if self._trouble == "half-silent":
            return super()._ways(client, server)[0], partial(_half, server, client, is_open=True)
        return super()._ways(client, server)


def _half(source: socket.socket, target: socket.socket, *, is_open: bool = False) -> None:
    passed = b""
    while part := source.recv(SLICE):
        passed += part
        end = passed.find(END_OF_HEAD)
        most = len(passed) if end < 0 else end + len(END_OF_HEAD) + HALF
        target.sendall(part[: len(part) - max(0, len(passed) - most)])
        if len(passed) > most:
            break
    if is_open:
        # Nothing more comes from the client, until it gives up or the line is cut.
        target.recv(1, socket.MSG_PEEK)


def _address(host: str) -> Address:
    name, port = host.rsplit(":", 1)
    return name, int(port)


@contextmanager
def to_bucket(server: str) -> Iterator[BucketLine]:
    """Such a line to the server at ``host:port``."""
    busy = webserver.body(BUSY, 503, Content_Type="application/xml", Connection="close")
    with webserver.serving(lambda _: webserver.silent) as silent, webserver.serving(lambda _: busy) as full:
        line = BucketLine(server, silent=silent, busy=full)
        try:
            yield line
        finally:
            line.close()

"""A TCP proxy before PostgreSQL that cuts a client's line around a COMMIT, as a failover or a broken network does.

It reads the protocol's messages on the way (version 3, no TLS: connect with ``sslmode=disable``). A request is a
commit where it is the statement COMMIT, or where it changes rows outside a transaction, for then the server commits by
itself. Both the simple protocol (Query), in which Django and psycopg speak, and the extended one (Parse, Bind,
Execute, Sync) are understood. Several statements in one Query are taken for what the first of them is.

`CuttingProxy.cut` says which commits are cut, and when: ``AFTER`` the server has answered, so that the transaction is
committed and only the answer is lost; or ``BEFORE`` the request reaches the server, so that nothing is committed. The
client sees the very same in both.
"""

from __future__ import annotations

import itertools
import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from tests.support.relay import Address, Relay

When = Literal["AFTER", "BEFORE"]
AFTER: When = "AFTER"
BEFORE: When = "BEFORE"

CANCEL, TLS, GSS = 80877102, 80877103, 80877104
"""The codes of what may come in place of a startup message."""
FIRST_WORD = re.compile(rb"\s*(\w+)")
CHANGES_ROWS = (b"INSERT", b"UPDATE", b"DELETE", b"MERGE")


@dataclass(frozen=True)
class Commit:
    """One commit on its way through the proxy."""

    number: int
    """Counted from 1 since `CuttingProxy.cut` was called, over all clients."""
    sql: str
    """All statements of the transaction, one a line, values included where the client put them in."""


Which = Callable[[Commit], bool]


def every(commit: Commit) -> bool:
    """For `CuttingProxy.cut`: each commit."""
    return True


def nth(number: int) -> Which:
    """For `CuttingProxy.cut`: the ``number``-th commit from now on, and no other."""
    return lambda commit: commit.number == number


class CuttingProxy(Relay):
    """Listens at ``port`` of the loopback and passes everything on to ``upstream``, until `cut` arms it."""

    def __init__(self, upstream: Address) -> None:
        self._which: Which | None = None
        self._when: When = AFTER
        self._numbers = itertools.count(1)
        self._cuts: list[Commit] = []
        super().__init__(upstream)

    @property
    def cuts(self) -> list[Commit]:
        """What was cut since the last call of `cut`."""
        with self._lock:
            return list(self._cuts)

    def cut(self, which: Which, when: When = AFTER) -> None:
        """Cut the line of every commit from now on for which ``which`` is true. It is asked once for each commit."""
        with self._lock:
            self._which, self._when, self._cuts = which, when, []
            self._numbers = itertools.count(1)

    def pass_on(self) -> None:
        """Cut nothing any more. `cuts` stays."""
        with self._lock:
            self._which = None

    @contextmanager
    def cutting(self, which: Which, when: When = AFTER) -> Iterator[None]:
        """Cut inside the ``with`` block only."""
        self.cut(which, when)
        try:
            yield
        finally:
            self.pass_on()

    def is_cut(self, when: When, sql: bytes) -> bool:
        """Count a commit, where this is the side that decides, and say whether its line is cut now."""
        with self._lock:
            if self._which is None or self._when != when:
                return False
            commit = Commit(next(self._numbers), sql.decode(errors="replace"))
            if not self._which(commit):
                return False
            self._cuts.append(commit)
            return True

    def _ways(self, client: socket.socket, server: socket.socket) -> tuple[Callable[[], None], Callable[[], None]]:
        line = _Line(self, client, server)
        return line.to_server, line.to_client


@dataclass
class _Line:
    """One client's connection. Each direction has a thread; a client sends nothing while it waits for an answer."""

    proxy: CuttingProxy
    client: socket.socket
    server: socket.socket
    in_transaction: bool = False
    """What the server said last."""
    transaction: list[bytes] = field(default_factory=list)
    """Its statements so far."""
    request: bytes = b""
    """The statement that is being answered."""
    prepared: dict[bytes, bytes] = field(default_factory=dict)
    """The extended protocol's statements by their names."""
    bound: dict[bytes, bytes] = field(default_factory=dict)
    """And those that its portals stand for."""

    def to_server(self) -> None:
        self._start()
        while True:
            kind, message = _read(self.client)
            if self._sees(kind, message[5:]) and self._is_commit() and self.proxy.is_cut(BEFORE, self._sql()):
                return
            self.server.sendall(message)

    def to_client(self) -> None:
        held = b""
        failed = False
        while True:
            kind, message = _read(self.server)
            # The COMMIT of a transaction that failed earlier is answered with ROLLBACK.
            failed |= kind == b"E" or (kind == b"C" and message[5:].startswith(b"ROLLBACK"))
            if kind == b"Z":
                # Only here is the answer whole, and the commit done.
                if not failed and self._is_commit() and self.proxy.is_cut(AFTER, self._sql()):
                    return
                self._ends_request(message[5:6])
                failed = False
            held += message
            # A commit's answer may not go out before it is known whether it is cut; others need not wait.
            if kind == b"Z" or not self._is_commit():
                self.client.sendall(held)
                held = b""

    def _start(self) -> None:
        while True:
            head = _exactly(self.client, 8)
            length, code = struct.unpack("!II", head)
            if code not in (TLS, GSS):
                break
            self.client.sendall(b"N")
        self.server.sendall(head + _exactly(self.client, length - 8))
        if code == CANCEL:
            raise EOFError

    def _sees(self, kind: bytes, body: bytes) -> bool:
        """Note what a client's message says. Returns whether it begins a request."""
        if kind == b"Q":
            self.request = body.rstrip(b"\0")
        elif kind == b"P":
            name, sql, _ = body.split(b"\0", 2)
            self.prepared[name] = sql
            return False
        elif kind == b"B":
            portal, name, _ = body.split(b"\0", 2)
            self.bound[portal] = self.prepared.get(name, b"")
            return False
        elif kind == b"E":
            self.request = self.bound.get(body.split(b"\0", 1)[0], b"")
        else:
            return False
        self.transaction.append(self.request)
        return True

    def _is_commit(self) -> bool:
        word = FIRST_WORD.match(self.request)
        verb = word.group(1).upper() if word else b""
        return verb in (b"COMMIT", b"END") or (not self.in_transaction and verb in CHANGES_ROWS)

    def _sql(self) -> bytes:
        return b"\n".join(self.transaction)

    def _ends_request(self, status: bytes) -> None:
        self.in_transaction = status != b"I"
        self.request = b""
        if not self.in_transaction:
            self.transaction.clear()


def _read(source: socket.socket) -> tuple[bytes, bytes]:
    """One message: its kind, and all of its bytes."""
    head = _exactly(source, 5)
    return head[:1], head + _exactly(source, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        if not (part := source.recv(count - len(received))):
            raise EOFError
        received += part
    return bytes(received)

"""A line to a server that leads through the tests, so that it can be cut for all who use it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

SLICE = 65536
Address = tuple[str, int]


class Relay:
    """Listens at ``port`` of the loopback, or where ``listener`` does, and passes everything on to ``upstream``.

    ``connect`` opens the line to ``upstream``, where the usual one does not lead there. A subclass that reads what
    passes overrides `_ways`.
    """

    def __init__(
        self,
        upstream: Address,
        *,
        listener: socket.socket | None = None,
        connect: Callable[[Address], socket.socket] = socket.create_connection,
    ) -> None:
        self._connect = partial(connect, upstream)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def drop(self) -> int:
        """Cut every line that is open now. Returns how many there were."""
        with self._lock:
            cut, self._sockets = self._sockets, set()
        for end in cut:
            _hang_up(end)
        return len(cut) // 2

    def close(self) -> None:
        """Stop listening and cut every line."""
        # Its own thread stands in accept(), which only a shutdown ends.
        _hang_up(self._listener)
        self.drop()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            # Where upstream is far away, nobody else may wait for it.
            threading.Thread(target=self._open, args=(client,), daemon=True).start()

    def _open(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        for end in (client, server):
            # What is passed on piece by piece may not wait for the last one's receipt.
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets |= {client, server}
        for way in self._ways(client, server):
            threading.Thread(target=self._run, args=(way, client, server), daemon=True).start()

    def _ways(self, client: socket.socket, server: socket.socket) -> tuple[Callable[[], None], Callable[[], None]]:
        """What passes on what comes from the client, and what from the server; each has a thread of its own."""
        return partial(_pass_on, client, server), partial(_pass_on, server, client)

    def _run(self, way: Callable[[], None], client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError, EOFError):
            way()
        # One half without the other is of no use.
        for end in (client, server):
            _hang_up(end)
        with self._lock:
            self._sockets -= {client, server}


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    while part := source.recv(SLICE):
        target.sendall(part)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()

"""Connections that take their time, as an attacker's or a very bad line's do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

HEAD = "POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
KINDS: dict[str, tuple[bytes, bytes]] = {
    "silent": (b"", b""),
    "half a head": (HEAD.encode(), b"X-Slow: 1\r\n"),
    "a small body in drips": (f"{HEAD}Content-Length: 1000\r\n\r\n".encode(), b"a"),
    "a large body in drips": (f"{HEAD}Content-Length: 5000000\r\n\r\n".encode(), b"a"),
    "a body in chunks that does not end": (f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode(), b"1\r\na\r\n"),
}
"""What each kind sends at first, and then again and again."""


@contextlib.contextmanager
def held(
    port: int, first: bytes, drip: bytes = b"", *, count: int = 40, receive_buffer: int = 0
) -> Iterator[list[socket.socket]]:
    """``count`` open connections that have sent ``first``, send ``drip`` twice a second and read nothing."""
    connections = [_connected(port, first, receive_buffer) for _ in range(count)]
    stop = threading.Event()
    thread = threading.Thread(target=_drip, args=(connections, drip, stop), daemon=True)
    thread.start()
    try:
        yield connections
    finally:
        stop.set()
        thread.join()
        for connection in connections:
            connection.close()


def _connected(port: int, first: bytes, receive_buffer: int) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", port))
    connection.sendall(first)
    return connection


def _drip(connections: list[socket.socket], drip: bytes, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.send(drip)


def answer(connection: socket.socket, *, seconds: float, until: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """All that the server sends before it closes the connection. Raises TimeoutError where it does not."""
    connection.settimeout(seconds)
    received = b""
    while not until(received) and (data := connection.recv(65536)):
        received += data
    return received

"""The web server's connections: how long each part of a request may take."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config

from config import web_connections
from config.web_connections import Connection, Outgoing


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The desk's end of a connection, which takes little at once, and the client's."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    with ours, theirs:
        yield ours, theirs


def connection(ends: tuple[socket.socket, socket.socket], sent: bytes) -> Connection:
    made = Connection(Config(), ends[0], ("127.0.0.1", 1), ("127.0.0.1", 2))
    made.take(sent)
    return made


def body_of(length: int) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n".encode()


def test_a_head_has_ten_seconds(ends: Any) -> None:
    slow = connection(ends, b"GET / HTTP/1.1\r\nHost: here\r\n")
    assert slow.why_too_slow(slow.since + 9) == ""
    slow.take(b"X: y\r\n")
    assert slow.why_too_slow(slow.since + 11) == "The head of the request did not come within 10 seconds."


def test_a_body_that_drips_is_ended(ends: Any) -> None:
    slow = connection(ends, body_of(50_000_000))
    assert slow.why_too_slow(slow.body_since + 19) == ""
    assert slow.why_too_slow(slow.body_since + 21).startswith("The body came too slowly: it needs 4 kB a second")


def test_a_body_on_a_slow_line_has_its_time(ends: Any) -> None:
    slow = connection(ends, body_of(50_000_000))
    slow.take(b"x" * 4_096 * 580)
    assert slow.why_too_slow(slow.body_since + 599) == ""
    assert slow.why_too_slow(slow.body_since + 601) != ""


def test_the_fastest_body_ends_after_half_an_hour(ends: Any) -> None:
    slow = connection(ends, body_of(10**12))
    slow.incoming.size = 10**11
    assert slow.why_too_slow(slow.body_since + 1_790) == ""
    assert slow.why_too_slow(slow.body_since + 1_801).endswith("Try a better connection, or send less at once.")


@pytest.mark.parametrize("size", [10, 60_000, 100_000, 1_000_000, 20_000_000])
def test_what_a_client_does_not_take_waits_and_comes_whole(ends: Any, tmp_path: Any, size: int) -> None:
    ours, theirs = ends
    ours.setblocking(False)
    outgoing = Outgoing(ours)
    content = bytes(range(256)) * (size // 256) + b"end"
    (tmp_path / "picture").write_bytes(content)
    outgoing.sendall(b"head")
    outgoing.sendall(content)
    with (tmp_path / "picture").open("rb") as file:
        outgoing.sendfile(file, 0, len(content))
    outgoing.sendall(b"after")
    expected = b"head" + content + content + b"after"
    theirs.settimeout(5)
    received = b""
    while len(received) < len(expected):
        outgoing.flush()
        received += theirs.recv(1_000_000)
    assert received == expected
    assert outgoing.pending == 0


def test_an_answer_without_end_waits_for_its_client(ends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_connections, "STALLED_SECONDS", 0.05)
    monkeypatch.setattr(web_connections, "MAX_PENDING", 1_000_000)
    ours, _theirs = ends
    ours.setblocking(False)
    outgoing = Outgoing(ours)
    with pytest.raises(TimeoutError):
        for _ in range(1000):
            outgoing.sendall(b"x" * 100_000)
    assert outgoing.pending < 1_200_000


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_an_answer_whose_client_is_gone_is_over(ends: Any, size: int) -> None:
    ours, theirs = ends
    ours.setblocking(False)
    outgoing = Outgoing(ours)
    outgoing.sendall(bytes(size))
    assert outgoing.pending
    theirs.close()
    # Twice: the first may be in a thread that keeps it to itself, and the loop then asks what is left to be sent.
    for _ in range(2):
        with pytest.raises(OSError):
            outgoing.flush()

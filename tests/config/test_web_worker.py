"""The web server's connections: how long each part of a request may take."""

from __future__ import annotations

import errno
import gc
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, cast

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from config import web_connections, web_worker
from config.web_connections import Connection, Outgoing
from config.web_limiter import Limiter


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


def received_by(client: socket.socket, outgoing: Outgoing) -> bytes:
    client.settimeout(5)
    received = client.recv(1_000_000)
    while outgoing.pending:
        outgoing.flush()
        received += client.recv(1_000_000)
    client.setblocking(False)
    with suppress(BlockingIOError):
        received += client.recv(1_000_000)
    return received


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


@pytest.mark.parametrize(("each_second", "is_ended"), [(2_000, False), (1, True)])
def test_who_takes_an_answer_byte_by_byte_is_ended(
    ends: Any, each_second: int, is_ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    ends[0].setblocking(False)
    worker = web_worker.Worker(1, 1, [], None, 30, Config(), None)
    worker.poller, worker.nr_conns = selectors.DefaultSelector(), 1
    conn = connection(ends, body_of(0))
    conn.sock.sendall(bytes(1_000_000))
    with worker.poller:
        worker._send(conn)
        assert worker.watched
        for seconds in range(200):
            monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
            conn.sock.pending -= each_second
            worker.watched = {conn: ("send", time.monotonic()) for conn in worker.watched}
            worker.murder_pending()
        assert (worker.nr_conns == 0) == is_ended


@pytest.mark.parametrize("end", ["taken", "gone", "closed"])
def test_the_memory_of_all_clients_has_a_bound(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_connections, "ALL_IN_MEMORY", 300_000)
    monkeypatch.setattr(web_connections, "memory", web_connections.Memory())
    content = bytes(100_000)
    with ExitStack() as clients:
        waiting = []
        for _ in range(10):
            ours, theirs = map(clients.enter_context, socket.socketpair())
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
            ours.setblocking(False)
            waiting.append((Outgoing(ours), theirs))
            waiting[-1][0].sendall(content)
        assert 200_000 < web_connections.memory.taken <= 300_000
        for outgoing, theirs in waiting:
            if end == "taken":
                assert received_by(theirs, outgoing) == content
            elif end == "gone":
                theirs.close()
                with pytest.raises(OSError):
                    outgoing.flush()
            outgoing.close()
    assert web_connections.memory.taken == 0


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


def test_a_process_may_open_files_for_all_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = (1_024, 500_000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: asked.append(both))
    assert web_worker.connections_with_files(1_000) == 1_000
    [(soft, hard)] = asked
    assert 4_000 < soft < 5_000
    assert hard == 500_000


def test_where_it_may_not_it_takes_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, 1_024))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert 150 < web_worker.connections_with_files(1_000) < 250


@pytest.fixture
def listening() -> Iterator[Any]:
    """A worker, of two, that listens; ten clients wait to be accepted."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        config = Config()
        config.set("workers", 2)
        worker: Any = web_worker.Worker(1, 1, [listener], None, 30, config, None)  # type: ignore[list-item]
        worker.poller = opened.enter_context(selectors.DefaultSelector())
        worker.limiter = Limiter(opened.enter_context(ThreadPoolExecutor()), worker._work)
        worker.set_accept_enabled(True)
        for _ in range(10):
            opened.enter_context(socket.create_connection(listener.getsockname()))
        yield worker
        for conn in list(worker.watched):
            conn.sock.close()


def a_round(worker: Any) -> int:
    """A round of the loop as gunicorn's `run` has it; how many connections the worker has then."""
    if not worker._accepting:
        worker.set_accept_enabled(True)
    worker.wait_for_and_dispatch_events(timeout=0.0)
    return int(worker.nr_conns)


def test_who_has_a_few_connections_lets_others_take_the_next_first(
    listening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert [a_round(listening) for _ in range(6)] == [1, 2, 3, 4, 4, 4]
    now += web_worker.ACCEPT_PAUSE_SECONDS
    assert [a_round(listening) for _ in range(3)] == [5, 5, 5]
    # Another process takes the others.
    [listener] = listening.sockets
    for _ in range(5):
        listener.accept()[0].close()
    now += web_worker.ACCEPT_PAUSE_SECONDS
    assert a_round(listening) == 5
    with socket.create_connection(listener.getsockname()):
        assert a_round(listening) == 6


def test_the_only_process_takes_every_connection_at_once(listening: Any) -> None:
    listening.cfg.set("workers", 1)
    assert [a_round(listening) for _ in range(10)] == list(range(1, 11))


def test_a_process_that_stops_takes_what_waits_and_nobody_waits_after(listening: Any) -> None:
    address = listening.sockets[0].getsockname()
    assert a_round(listening) == 1
    listening.alive = False
    listening.set_accept_enabled(False)
    assert listening.nr_conns == 10
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    # gunicorn closes it once more at the end.
    listening.sockets[0].close()


class Loop:
    """What the loop was told by threads."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def defer(self, callback: Any, *args: Any) -> None:
        self.told.append((callback, *args))


@pytest.fixture
def answering(ends: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A worker with one connection, the requests of which it answers with nothing."""
    ends[0].setblocking(False)
    worker: Any = web_worker.Worker(1, 1, [], None, 30, Config(), Logger(Config()))  # type: ignore[arg-type]
    worker.nr_conns, worker.method_queue = 1, Loop()
    monkeypatch.setattr(worker, "handle", lambda conn: bool(next(conn.parser)))
    with selectors.DefaultSelector() as worker.poller:
        yield worker


REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


def test_a_connection_waits_for_its_next_request_without_the_loop(answering: Any, ends: Any) -> None:
    conn = connection(ends, REQUEST)
    answering._work(conn)
    assert answering.watched[conn][0] == "idle"
    assert answering.poller.get_map()
    assert answering.method_queue.told == []


@pytest.mark.parametrize("why", ["more has come", "not taken yet", "stopping"])
def test_what_is_more_than_that_is_left_to_the_loop(answering: Any, ends: Any, why: str) -> None:
    conn = connection(ends, REQUEST * 2 if why == "more has come" else REQUEST)
    if why == "not taken yet":
        conn.sock.sendall(bytes(1_000_000))
    answering.alive = why != "stopping"
    answering._work(conn)
    assert not answering.watched
    assert answering.method_queue.told == [(answering.finish_request, conn, True)]


def test_a_connection_that_cannot_be_waited_for_is_closed(
    answering: Any, ends: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "no more can be watched")

    monkeypatch.setattr(answering.poller, "register", full)
    conn = connection(ends, REQUEST)
    answering._work(conn)
    [(callback, *args)] = answering.method_queue.told
    callback(*args)
    assert (answering.nr_conns, answering.watched) == (0, {})
    assert ends[0].fileno() == -1


def test_a_connection_may_be_kept_while_the_loop_looks_for_what_takes_too_long() -> None:
    worker = web_worker.Worker(1, 1, [], None, 30, Config(), None)
    worker.watched = {cast(Connection, number): ("idle", time.monotonic()) for number in range(5_000)}

    def keep_another(phase: str, _info: dict[str, int]) -> None:
        # The collector may run what lets another thread in, whenever Python makes something that it looks after.
        worker.watched[cast(Connection, object())] = ("idle", time.monotonic())

    threshold = gc.get_threshold()
    gc.callbacks.append(keep_another)
    gc.set_threshold(100)
    try:
        worker.murder_pending()
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(keep_another)
    assert len(worker.watched) > 5_000

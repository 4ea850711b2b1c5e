"""Slow connections and bodies of every length, against the real web server."""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from config import web_connections
from tests.support import pictures, slow_connections
from tests.support.live_server import ON_ONE_QUEUE, Desk, until

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

SIGN_IN = "/accounts/login/"


def seconds_of_the_sign_in_page(desk: Desk) -> float:
    """Whoever waited behind slow connections would wait for `HEAD_SECONDS`: none of them is ended sooner."""
    started = time.monotonic()
    assert requests.get(desk.url + SIGN_IN, timeout=30).status_code == 200
    return time.monotonic() - started


def exchange(desk: Desk, *parts: bytes) -> bytes:
    """What the desk answers to bytes that are sent in pieces, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", desk.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        return slow_connections.answer(connection, seconds=30)


def web_processes(desk: Desk) -> list[int]:
    """Those that answer."""
    assert desk.web is not None
    children = Path(f"/proc/{desk.web.pid}/task/{desk.web.pid}/children")
    return sorted(map(int, children.read_text().split()))


@contextmanager
def few_files(process: int) -> Iterator[int]:
    """Within it the process may open thirty files more than it has open; how many that are."""
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    last = max(map(int, os.listdir(f"/proc/{process}/fd")))
    resource.prlimit(process, resource.RLIMIT_NOFILE, (last + 30, before[1]))
    try:
        yield last + 30
    finally:
        resource.prlimit(process, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("kind", slow_connections.KINDS)
def test_forty_slow_connections_hold_nobody_up(desk: Desk, kind: str) -> None:
    with slow_connections.held(desk.port, *slow_connections.KINDS[kind]):
        assert max(seconds_of_the_sign_in_page(desk) for _ in range(3)) < web_connections.HEAD_SECONDS


def test_forty_clients_that_read_nothing_of_a_large_answer_hold_nobody_up(desk: Desk) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (2000, 2000, 3), dtype="uint8")
    content = pictures.encoded(Image.fromarray(noise), "PNG")
    link = desk.api("post", "uploads", desk.token(), files={"file": ("a.png", content)}).json()["image_url"]
    head = f"GET {link.removeprefix(desk.url)} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    with slow_connections.held(desk.port, head, receive_buffer=4096) as connections:
        assert max(seconds_of_the_sign_in_page(desk) for _ in range(3)) < web_connections.HEAD_SECONDS
        # Whoever reads in the end gets it whole.
        answer = slow_connections.answer(connections[0], seconds=60)
    assert answer.partition(b"\r\n\r\n")[2] == content


def test_a_desk_without_a_file_left_goes_on(desk: Desk) -> None:
    processes = web_processes(desk)
    with ExitStack() as limits:
        most = {process: limits.enter_context(few_files(process)) for process in processes}
        with slow_connections.held(desk.port, b"", count=300):
            until(
                lambda: all(len(os.listdir(f"/proc/{one}/fd")) >= most[one] - 2 for one in processes),
                what="no file is left",
            )
        assert requests.get(desk.url + SIGN_IN, timeout=30).status_code == 200
    assert web_processes(desk) == processes


def test_600_mb_for_the_sign_in_page_are_refused_before_they_come(desk: Desk) -> None:
    head = f"POST {SIGN_IN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 600000000\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", desk.port)) as connection:
        connection.sendall(head)
        answer = slow_connections.answer(connection, seconds=5).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert "This request has 600.0 MB, larger than the limit of 66 kB here." in answer


def test_a_client_that_sends_all_before_it_reads_sees_why_it_was_refused(desk: Desk) -> None:
    answer = requests.post(desk.url + SIGN_IN, data=os.urandom(30_000_000), timeout=30)
    assert (answer.status_code, "larger than the limit of 66 kB here" in answer.text) == (413, True)


def test_an_upload_without_a_token_is_refused_before_it_comes(desk: Desk) -> None:
    answer = exchange(
        desk, b"POST /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 40000000\r\n\r\n"
    ).decode()
    assert answer.startswith("HTTP/1.1 401 ")
    assert "A token is missing." in answer


def test_a_client_that_asks_first_is_told_to_go_on_only_where_its_body_is_taken(desk: Desk) -> None:
    head = (
        "POST /api/v1/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nConnection: close\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n"
    )
    assert exchange(desk, f"{head}\r\n".encode()).startswith(b"HTTP/1.1 401 ")
    with socket.create_connection(("127.0.0.1", desk.port)) as connection:
        connection.sendall(f"{head}Authorization: Bearer {desk.token()}\r\n\r\n".encode())
        go_on = slow_connections.answer(connection, seconds=10, until=lambda data: data.endswith(b"\r\n\r\n"))
        assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"x" * 100_000)
        assert slow_connections.answer(connection, seconds=10).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("path", [SIGN_IN, "/api/v1/uploads"])
def test_a_body_in_chunks_is_told_how_to_come(desk: Desk, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = exchange(desk, head, b"3\r\nabc\r\n0\r\n\r\n").decode()
    assert answer.startswith("HTTP/1.1 411 ")
    assert "Send it with a Content-Length." in answer


def test_a_body_that_ends_too_early_is_told_so(desk: Desk) -> None:
    with socket.create_connection(("127.0.0.1", desk.port)) as connection:
        connection.sendall(
            b"POST /api/v1/generation-upscale HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n\r\n{}"
        )
        connection.shutdown(socket.SHUT_WR)
        answer = slow_connections.answer(connection, seconds=10).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert answer.endswith('{"detail": "The body ended before the length that was announced."}')


def test_an_upload_in_many_small_pieces_is_taken(desk: Desk) -> None:
    body = requests.Request(
        "POST",
        f"{desk.url}/api/v1/uploads",
        files={"file": ("a.png", pictures.encoded(pictures.photograph(), "PNG"))},
        headers={"Authorization": f"Bearer {desk.token()}", "Connection": "close"},
    ).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "127.0.0.1", **body.headers}.items())
    whole = f"POST /api/v1/uploads HTTP/1.1\r\n{head}\r\n".encode() + bytes(body.body or b"")
    assert len(whole) > 100_000
    pieces = [whole[i : i + 1] for i in range(600)] + [whole[i : i + 1000] for i in range(600, len(whole), 1000)]
    assert exchange(desk, *pieces).startswith(b"HTTP/1.1 201 ")


def test_several_requests_sent_at_once_are_answered_in_turn(desk: Desk) -> None:
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    post = b"POST /api/v1/generation-upscale HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
    last = b"GET /nothing-here HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = exchange(desk, get + post + get + last)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"401", b"200", b"404"]


def test_what_follows_a_refused_body_is_no_request(desk: Desk) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = f"POST {SIGN_IN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 70000\r\n\r\n".encode()
    answer = exchange(desk, head, inner * 1000)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_head_that_is_too_large_is_told_so(desk: Desk) -> None:
    answer = exchange(desk, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-Long: abc\r\n" * 8000)
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        (f"GET /api/v1/credits?{'x' * 9000} HTTP/1.1", "X: y", b"414"),
        ("GET /api/v1/credits HTTP/1.1", "Transfer-Encoding: nonsense", b"411"),
        ("GET /api/v1/credits HTTP/1.1", "Transfer-Encoding: gzip", b"400"),
        ("GET /api/v1/credits HTTP/1.1", f"X: {'y' * 9000}", b"431"),
        ("GET /api/v1/credits HTTP/1.1", "X Y: z", b"400"),
        ("GET /api/v1/credits HTTP/9.9", "X: y", b"400"),
        ("GET /api/v1/credits HTTP/1.1", "Content-Length: -5", b"400"),
        ("GET /api/v1/credits HTTP/1.1", "Content-Length: 5\r\nContent-Length: 6", b"400"),
        ("GET /api/v1/credits HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked", b"400"),
        ("GET /api/v1/cr\0edits HTTP/1.1", "X: y", b"400"),
    ],
)
def test_what_is_no_request_is_answered_to_a_program_in_json(
    desk: Desk, request_line: str, header: str, status: bytes
) -> None:
    answer = exchange(desk, f"{request_line}\r\nHost: 127.0.0.1\r\n{header}\r\n\r\nhello".encode("latin-1"))
    assert answer.split(b" ")[1] == status
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]

"""A web server that is told to stop."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from config import web_connections
from tests.support import slow_connections
from tests.support.live_server import Desk, until

pytestmark = pytest.mark.processes


def test_connections_that_nobody_uses_do_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    desk = Desk("embedded", tmp_path)
    try:
        desk.set_up()
        desk.start_web()
        with (
            slow_connections.held(desk.port, b"", count=3),
            slow_connections.held(desk.port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", count=3) as kept,
        ):
            for connection in kept:
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
            # Less than a connection without a request is waited for, as long as the server runs.
            desk.stop_web(seconds=web_connections.HEAD_SECONDS)
        assert "SIGKILL" not in desk.log.read_text()
    finally:
        desk.close()


class Clients:
    """Each asks for a page by a connection of its own, again and again until the server takes none any more."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = 0
        self.cut_off: list[OSError] = []
        self.threads = [threading.Thread(target=self._ask) for _ in range(30)]

    def _ask(self) -> None:
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), 30)
            except OSError:
                return
            with connection:
                try:
                    connection.sendall(b"GET /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    assert connection.recv(15) == b"HTTP/1.1 200 OK"
                except OSError as error:
                    self.cut_off.append(error)
                self.answered += 1


def test_whoever_got_through_to_a_server_that_stops_gets_an_answer(tmp_path: Path) -> None:
    desk = Desk("embedded", tmp_path)
    try:
        desk.set_up()
        desk.start_web()
        clients = Clients(desk.port)
        for thread in clients.threads:
            thread.start()
        until(lambda: clients.answered >= 30, what="all ask")
        desk.stop_web(seconds=30)
        for thread in clients.threads:
            thread.join(30)
        assert clients.cut_off == []
    finally:
        desk.close()


def test_calls_that_wait_keep_nobody_from_a_thread_and_are_answered_as_the_server_stops(tmp_path: Path) -> None:
    desk = Desk("embedded", tmp_path)
    desk.environment |= {"WEB_CONCURRENCY": "1", "API_MAX_WAITING": "3"}
    answers: list[requests.Response] = []
    try:
        desk.set_up()
        desk.start_web()
        token = desk.token()
        # Nobody works on it: there is no worker.
        body: dict[str, Any] = {"image_url": "https://shop.example/a.jpg", "model_name": "recraft"}
        number = desk.api("post", "generation-upscale", token, json=body).json()["generation_id"]
        call = f"generation/{number}?wait=60"
        threads = [
            threading.Thread(target=lambda: answers.append(desk.api("get", call, token, timeout=120)))
            for _ in range(30)
        ]
        for thread in threads:
            thread.start()
        # Three wait; all others are answered at once, and pages find a thread.
        until(lambda: len(answers) == 27, what="27 of 30 are answered")
        assert all("Preference-Applied" not in answer.headers for answer in answers)
        assert requests.get(f"{desk.url}/accounts/login/", timeout=5).ok
        desk.stop_web(seconds=10)
        for thread in threads:
            thread.join(10)
        assert [answer.json()["status"] for answer in answers] == ["Created"] * 30
        assert "SIGKILL" not in desk.log.read_text()
    finally:
        desk.close()

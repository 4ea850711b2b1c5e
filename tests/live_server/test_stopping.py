"""A web server that is told to stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import web_connections
from tests.support import slow_connections
from tests.support.live_server import Desk

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

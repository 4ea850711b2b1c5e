"""The Python client against a whole desk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from upscaler_client import Client

from tests.support import faulty_proxy, pictures
from tests.support.faulty_proxy import Proxy
from tests.support.live_server import Desk


@pytest.fixture
def token(desk: Desk) -> str:
    """Of a team of its own, with 200 credits."""
    return desk.token_of_new_team()


@pytest.fixture
def client(desk: Desk, token: str) -> Iterator[Client]:
    with Client(desk.url, token) as client:
        yield client


@pytest.fixture
def proxy(desk: Desk) -> Iterator[Proxy]:
    with faulty_proxy.before_desk(desk.url) as proxy:
        yield proxy


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small picture in a file of its own."""
    path = tmp_path / "48220_red.jpg"
    path.write_bytes(pictures.jpeg((24, 20)))
    return path

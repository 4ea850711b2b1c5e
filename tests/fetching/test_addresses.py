"""The table of addresses: what each comes to, and that nothing is left behind by any."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.fetching import addresses as table
from tests.support import webserver
from upscaler import fetching
from upscaler.errors import PublicError
from upscaler.fetching import addresses, share_links

PLACE = "server.test"


@pytest.mark.parametrize("given", table.READ)
def test_how_an_address_is_read(given: str) -> None:
    expected = table.READ[given]
    try:
        read = addresses.checked(given)
    except PublicError as error:
        assert len(error.message) > 30
        read = error.code
    assert read == expected
    if expected.startswith("http"):
        assert addresses.normal_form(read) == read, "what is in its normal form stays so"


@pytest.mark.parametrize("given", table.SHARED)
def test_a_share_link_s_file_is_asked_for(given: str) -> None:
    assert share_links.direct(addresses.checked(given)) == table.SHARED[given]


@pytest.fixture
def leads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to this machine."""
    look_up = socket.getaddrinfo

    def here(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        return look_up("127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", here)


@pytest.mark.usefixtures("leads_here")
@pytest.mark.parametrize("about", table.SERVED)
def test_what_comes_of_an_address(about: str, tmp_path: Path) -> None:
    case, target = table.SERVED[about], tmp_path / "picture"
    with webserver.serving(case.pages) as server:
        port = server.rpartition(":")[2]
        host = f"{case.host or '127.0.0.1'}:{port}"
        allowed = addresses.normal_form(f"http://{host}").split("/")[2]
        with override_settings(
            FETCH_ALLOW_HOSTS=[allowed], FETCH_TIME_LIMIT=1 if case.outcome == "fetch_timeout" else 20
        ):
            try:
                outcome = fetching.fetch(f"http://{host}{case.path}", target, max_bytes=5_000_000)
            except PublicError as error:
                outcome = error.code
                assert len(error.message) > 30
                assert case.words in error.message
                assert error.retry_after == case.retry_after
                assert case.is_permanent in (None, error.permanent)
            else:
                assert target.read_bytes() == table.PICTURE
    assert outcome == case.outcome
    assert [thread for thread in threading.enumerate() if thread.name == "request"] == []


def test_the_table_is_long_enough() -> None:
    assert len(table.READ) + len(table.SHARED) + len(table.SERVED) >= 150


@pytest.mark.usefixtures("leads_here")
def test_a_cookie_stays_in_its_fetch_and_with_its_host(tmp_path: Path) -> None:
    sent: list[str | None] = []

    def noted(handler: Any) -> webserver.Answer:
        sent.append(handler.headers.get("Cookie"))
        port = handler.server.server_port
        if handler.path == "/a":
            return webserver.body(b"", 302, Location=f"http://b.shop.example:{port}/b", Set_Cookie="id=1")
        return webserver.body(table.PICTURE)

    with webserver.serving(noted) as server:
        port = server.rpartition(":")[2]
        with override_settings(FETCH_ALLOW_HOSTS=[f"a.shop.example:{port}", f"b.shop.example:{port}"]):
            for _ in range(2):
                fetching.fetch(f"http://a.shop.example:{port}/a", tmp_path / "x", max_bytes=10**6)
    assert sent == [None] * 4


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "::127.0.0.1", "fec0::1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:127.0.0.1"]
)
def test_a_public_name_that_leads_to_a_private_form_is_not_opened(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    with pytest.raises(PublicError) as refused:
        fetching.fetch("http://rebind.example/a.jpg", tmp_path / "x", max_bytes=1000)
    assert refused.value.code == "url_private"


def test_ports_that_a_setting_names_are_open() -> None:
    with override_settings(FETCH_ALLOW_PORTS=[80, 443, 8443]):
        fetching.check_url("https://shop.example:8443/a.jpg")

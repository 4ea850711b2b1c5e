"""How files begin: no more than is needed, from servers of every kind, and none of the operator's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import webserver
from tests.support.feed_pages import ranged
from upscaler.errors import PublicError
from upscaler.fetching.beginnings import Beginning, Visitor

CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    visitor = Visitor("tests")
    yield visitor
    visitor.close()


def read(visitor: Visitor, url: str, *, enough: int = 100, seconds: float = 20) -> Beginning:
    def needed(content: bytes) -> int:
        return 0 if len(content) >= enough else enough

    return visitor.read(url, first=100, needed=needed, most=200_000, deadline=time.monotonic() + seconds)


def test_a_range_is_asked_for_and_no_more(visitor: Visitor, settings: Any) -> None:
    log: list[str] = []
    with webserver.serving({"/a.jpg": ranged(CONTENT, log)}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        found = read(visitor, f"http://{host}/a.jpg")
        assert (found.content, found.size, found.is_whole) == (CONTENT[:100], len(CONTENT), False)
        more = read(visitor, f"http://{host}/a.jpg", enough=5000)
        assert more.content == CONTENT[:5000]
        all_of_it = visitor.read(
            f"http://{host}/a.jpg", first=100, needed=lambda _: 10**9, most=200_000, deadline=time.monotonic() + 20
        )
        assert all_of_it.content == CONTENT[:200_000]
    assert log[:3] == ["bytes=0-99", "bytes=0-99", "bytes=100-4999"] and len(log) == 5
    assert visitor.requests == 5 and visitor.bytes == 100 + 5000 + 200_000


def test_a_server_without_ranges_is_read_until_it_is_enough(visitor: Visitor, settings: Any) -> None:
    with webserver.serving({"/a.jpg": webserver.body(CONTENT), "/endless": webserver.endless}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        found = read(visitor, f"http://{host}/a.jpg")
        assert found.content == CONTENT[: len(found.content)] and 100 <= len(found.content) < len(CONTENT)
        assert found.size == len(CONTENT)
        endless = read(visitor, f"http://{host}/endless", enough=10**9)
        assert 200_000 <= len(endless.content) < 300_000 and endless.size is None


def test_a_file_that_is_shorter_is_whole(visitor: Visitor, settings: Any) -> None:
    pages = {"/a.jpg": webserver.body(b"short"), "/b.jpg": ranged(b"short")}
    with webserver.serving(pages) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        for path in pages:
            assert read(visitor, f"http://{host}{path}") == Beginning(b"short", 5, "", True)


REFUSED = {
    "gone": (webserver.body(b"", 404), "fetch_refused"),
    "broken": (webserver.body(b"", 500), "fetch_status"),
    "cut": (webserver.cut, "fetch_unreachable"),
    "to a private host": (webserver.redirect("http://192.168.0.4/a.jpg"), "url_private"),
    "to a port of the desk": (webserver.redirect("http://shop.example:5432/"), "url_port"),
    "round and round": (webserver.redirect("/x"), "fetch_redirects"),
    "another part": (webserver.body(b"x" * 50, 206, Content_Range="bytes 50-99/100"), "fetch_unreachable"),
    "a part of nothing": (webserver.body(b"x" * 50, 206), "fetch_unreachable"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_brings_nothing_says_why(case: str, visitor: Visitor, settings: Any) -> None:
    answer, code = REFUSED[case]
    with webserver.serving({"/x": answer}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        with pytest.raises(PublicError) as refused:
            read(visitor, f"http://{host}/x")
    assert refused.value.code == code


@pytest.mark.parametrize("answer", [webserver.dripping_body, webserver.dripping_head, webserver.silent])
def test_a_byte_now_and_then_is_ended_with_its_time(answer: webserver.Answer, visitor: Visitor, settings: Any) -> None:
    with webserver.serving({"/x": answer}) as host:
        settings.FETCH_ALLOW_HOSTS = [host]
        with pytest.raises(PublicError) as refused:
            read(visitor, f"http://{host}/x", seconds=0.5)
    assert refused.value.code == "fetch_timeout"


def test_a_private_address_is_never_asked(visitor: Visitor) -> None:
    log: list[str] = []
    with webserver.serving({"/x": ranged(CONTENT, log)}) as host:
        with pytest.raises(PublicError) as refused:
            read(visitor, f"http://{host}/x")
    assert (refused.value.code, log) == ("url_private", [])

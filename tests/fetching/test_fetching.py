"""Fetching a picture that a URL names: what is fetched, what is refused, and what each failure costs (nothing)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from tests.conftest import Person
from tests.support import pictures, webserver
from upscaler import fetching
from upscaler.errors import PublicError
from upscaler.models import Upscale
from upscaler.processing import worker_step

PRIVATE = [
    "http://127.0.0.1:1/a.jpg",
    "http://10.0.0.1/a.jpg",
    "http://[::1]/a.jpg",
    "http://0.0.0.0/a",
    "http://2130706433/",
]


def order(person: Person, url: str) -> Upscale:
    answer = person.api("post", "generation-upscale", {"image_url": url, "model_name": "recraft"})
    assert answer.status_code == 200, answer.content
    return Upscale.objects.get(pk=answer.json()["generation_id"])


def work_off(upscale: Upscale) -> Upscale:
    """Let the worker take steps until the upscale has ended; retries come without their pauses."""
    for _ in range(django_settings.MAX_FAILURES + 2):
        Upscale.objects.filter(pk=upscale.pk).update(not_before=None)
        worker_step.step(upscale.pk)
        upscale.refresh_from_db()
        if upscale.is_final:
            return upscale
    raise AssertionError(f"still {upscale.status}")


def test_a_url_ends_in_an_enlarged_picture(owner: Person) -> None:
    with webserver.serving({"/season/shirt%20red.jpg": webserver.body(pictures.jpeg())}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            upscale = work_off(order(owner, f"http://{host}/season/shirt%20red.jpg"))
    assert upscale.status == "Done", upscale.error_message
    assert (upscale.source, upscale.source_name, upscale.result_name) == ("url", "shirt red.jpg", "shirt red.jpg")
    assert (upscale.source_width, upscale.source_height) == (48, 40)
    assert (upscale.result_width, upscale.result_height) == (192, 160)


def test_a_redirect_is_followed(owner: Person) -> None:
    pages = {"/old": webserver.redirect("/new.jpg"), "/new.jpg": webserver.body(pictures.jpeg())}
    with webserver.serving(pages) as host, override_settings(FETCH_ALLOW_HOSTS=[host]):
        assert work_off(order(owner, f"http://{host}/old")).status == "Done"


FAULTS: dict[str, tuple[webserver.Answer, str, int]] = {
    # the answer, the code that is kept, tries made
    "404": (webserver.body(b"", 404), "fetch_refused", 1),
    "403": (webserver.body(b"", 403), "fetch_refused", 1),
    "500": (webserver.body(b"", 500), "fetch_status", 3),
    "503": (webserver.body(b"", 503), "fetch_status", 3),
    "no picture": (webserver.body(b"<html>Sign in</html>"), "not_a_picture", 1),
    "empty": (webserver.body(b""), "empty", 1),
    "truncated": (webserver.body(pictures.jpeg((300, 300))[:5000]), "damaged", 1),
    "cut": (webserver.hang_up, "fetch_unreachable", 3),
    "endless": (webserver.endless, "too_large", 1),
    "too large": (webserver.body(b"", 200, Content_Length="51000000"), "too_large", 1),
    "an announced size that is no number": (webserver.body(b"", 200, Content_Length="²"), "empty", 1),
    "into the private network": (webserver.redirect("http://169.254.169.254/latest/meta-data/"), "url_private", 1),
    "to another scheme": (webserver.redirect("file:///etc/passwd"), "url_parsing", 1),
    "to nonsense": (webserver.redirect("http://["), "url_parsing", 1),
    "in circles": (webserver.redirect("/fault"), "fetch_redirects", 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_fetch_is_said_and_refunded(fault: str, owner: Person) -> None:
    answer, code, tries = FAULTS[fault]
    with webserver.serving({"/fault": answer}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host], MAX_FAILURES=3, MAX_UPLOAD_BYTES=1_000_000):
            upscale = work_off(order(owner, f"http://{host}/fault"))
    assert (upscale.status, upscale.error_code, upscale.attempt) == ("Error", code, tries)
    assert len(upscale.error_message) > 30
    assert owner.balance == 100


def test_a_host_that_is_not_there(owner: Person) -> None:
    with webserver.serving({}) as host:
        pass
    with override_settings(FETCH_ALLOW_HOSTS=[host], MAX_FAILURES=2):
        upscale = work_off(order(owner, f"http://{host}/a.jpg"))
    assert (upscale.status, upscale.error_code) == ("Error", "fetch_unreachable")
    assert owner.balance == 100


@pytest.mark.parametrize("slow", [webserver.dripping_body, webserver.dripping_head])
def test_a_host_that_drips_is_given_up(slow: webserver.Answer, tmp_path: Path) -> None:
    with webserver.serving({"/slow": slow}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host], FETCH_TIME_LIMIT=1):
            with pytest.raises(PublicError, match="did not answer in time"):
                fetching.fetch(f"http://{host}/slow", tmp_path / "x", max_bytes=10**12)


@pytest.mark.parametrize("tail", ["\\@{allowed}/x.jpg", "@{allowed}/x.jpg", " @{allowed}/x.jpg", "#@{allowed}/x.jpg"])
def test_an_allowed_host_opens_no_door_to_others(tail: str, tmp_path: Path) -> None:
    with webserver.serving({"/x.jpg": webserver.body(pictures.jpeg()), "/": webserver.body(pictures.jpeg())}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=["cdn.internal:80"]):
            with pytest.raises(PublicError):
                fetching.fetch(f"http://{host}{tail.format(allowed='cdn.internal')}", tmp_path / "x", max_bytes=10**6)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/%00%0D%0Ashirt.jpg", "shirt.jpg"),
        ("https://a.example/", "a.example"),
        ("https://a.example/%00", "a.example"),
        ("https://a.example/b/c%20d.jpg?e=f.png", "c d.jpg"),
    ],
)
def test_the_name_of_a_picture_from_the_web(url: str, name: str, owner: Person) -> None:
    assert order(owner, url).source_name == name


@pytest.mark.parametrize("url", PRIVATE)
def test_private_addresses_are_not_opened(url: str, tmp_path: Path) -> None:
    with pytest.raises(PublicError) as refused:
        fetching.fetch(url, tmp_path / "x", max_bytes=1000)
    assert refused.value.code in ("url_private", "url_parsing")


def test_a_public_name_that_leads_into_the_private_network_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(PublicError) as refused:
        fetching.fetch("http://rebind.example/a.jpg", tmp_path / "x", max_bytes=1000)
    assert refused.value.code == "url_private"


def test_a_result_too_large_to_make_is_refunded(owner: Person) -> None:
    with webserver.serving({"/a.jpg": webserver.body(pictures.jpeg())}) as host:
        with override_settings(FETCH_ALLOW_HOSTS=[host], MAX_RESULT_PIXELS=1000):
            upscale = work_off(order(owner, f"http://{host}/a.jpg"))
    assert upscale.error_code == "result_too_large"
    assert owner.balance == 100


def test_a_url_on_the_page(owner: Person, upload: Callable[..., Any]) -> None:
    answer = owner.submit(image_url="https://shop.example/a/b/dress.png?size=s")
    assert answer.status_code == 302
    upscale = Upscale.objects.get()
    assert (upscale.source, upscale.source_name) == ("url", "dress.png")

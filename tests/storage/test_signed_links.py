"""Signed links: which are this desk's own, where another desk has the same key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from tests.conftest import Person
from tests.support import pictures
from upscaler.models import DeskIdentity, Upscale, desk_identity
from upscaler.storage import signed_links

HERE = "http://testserver"


def upload_link(person: Person) -> str:
    """The link of a new upload, as a program gets it."""
    file = SimpleUploadedFile("shirt.jpg", pictures.jpeg())
    headers = {"Authorization": f"Bearer {person.token}"}
    answer = Client().post("/api/v1/uploads", {"file": file}, headers=headers)
    assert answer.status_code == 201, answer.content
    return answer.json()["image_url"]


def old_link(person: Person, host: str = HERE) -> str:
    """The same link as a desk made it before it had an identity."""
    link = signed_links.find_link(upload_link(person))
    assert link is not None
    picture = link.picture
    facts = [picture.path, picture.thumbnail, picture.width, picture.height, picture.file_size, picture.digest]
    expires = int((timezone.now() + timedelta(hours=1)).timestamp())
    content = [facts, "shirt.jpg", person.team.pk, expires, None]
    signed = signing.dumps(content, salt="upscaler.links", compress=True)
    return host + reverse("signed-file", args=[signed, "picture.jpg"])


def order(person: Person, link: str) -> Any:
    return person.api("post", "generation-upscale", {"image_url": link, "model_name": "recraft"})


@pytest.fixture
def become_another_desk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on this is a desk with the same key and another database."""

    def become() -> None:
        monkeypatch.setattr(signed_links, "desk_identity", lambda: "another")

    return become


def test_each_desk_has_one_identity_of_its_own(db: None) -> None:
    desk_identity.cache_clear()
    try:
        assert desk_identity() == desk_identity() == DeskIdentity.objects.get().identity
        assert len(desk_identity()) == 32
        assert DeskIdentity().identity != DeskIdentity().identity
    finally:
        # The next test's database may have another row.
        desk_identity.cache_clear()


def test_a_link_is_one_s_own_whatever_the_desk_is_called(owner: Person) -> None:
    path = urlsplit(upload_link(owner)).path
    for host in (HERE, "https://upscaler.example.com", "http://10.0.0.1:8000", "http://shop.example"):
        answer = order(owner, host + path)
        assert answer.status_code == 200, answer.content
        assert Upscale.objects.get(pk=answer.json()["generation_id"]).source == "upload"


def test_another_desk_s_link_is_a_plain_web_address_although_the_keys_are_the_same(
    owner: Person, become_another_desk: Callable[[], None]
) -> None:
    path = urlsplit(upload_link(owner)).path
    become_another_desk()
    answer = order(owner, f"https://upscaler.example.com{path}")
    assert answer.status_code == 200, answer.content
    upscale = Upscale.objects.get(pk=answer.json()["generation_id"])
    assert (upscale.source, upscale.source_file.name) == ("url", "")
    # On this machine it is refused like any address there, and under this desk's own name, which is no public one.
    assert order(owner, f"http://127.0.0.1:8001{path}").json()["detail"][0]["type"] == "url_private"
    assert order(owner, HERE + path).json()["detail"][0]["type"] == "url_parsing"
    assert Client().get(path).status_code == 404


def test_the_page_takes_another_desk_s_link_for_a_plain_web_address_too(
    owner: Person, become_another_desk: Callable[[], None]
) -> None:
    path = urlsplit(upload_link(owner)).path
    assert owner.submit(image_url=HERE + path).status_code == 302
    assert Upscale.objects.latest("pk").source == "upload"
    become_another_desk()
    assert owner.submit(image_url=f"https://upscaler.example.com{path}").status_code == 302
    assert Upscale.objects.latest("pk").source == "url"


@pytest.mark.parametrize(
    ("public_url", "host", "source"),
    [
        ("", HERE, "upload"),
        ("", "http://TESTSERVER:80", "upload"),
        ("", "https://upscaler.example.com", "url"),
        ("https://upscaler.example.com", "https://upscaler.example.com", "upload"),
        ("https://upscaler.example.com", "https://upscaler.example.com:443", "upload"),
        ("https://upscaler.example.com", "https://upscaler.example.com:8443", "url"),
        ("https://upscaler.example.com", HERE, "upload"),
    ],
)
def test_a_link_from_before_is_one_s_own_at_one_s_own_host(
    public_url: str, host: str, source: str, owner: Person
) -> None:
    link = old_link(owner, host)
    with override_settings(PUBLIC_URL=public_url, FETCH_ALLOW_PORTS=[80, 443, 8443]):
        by_program = order(owner, link)
        # Another model, because the same order once more would be offered and not made again.
        by_page = owner.submit(image_url=link, model_name="topaz")
    assert by_program.status_code == 200, by_program.content
    assert by_page.status_code == 302
    assert list(Upscale.objects.values_list("source", flat=True)) == [source, source]


def test_a_link_from_before_still_opens_its_picture(owner: Person) -> None:
    assert Client().get(urlsplit(old_link(owner)).path).getvalue() == pictures.jpeg()


@pytest.mark.parametrize("host", ["", "http:", "http://", "http://testserver:x", "http://["])
def test_where_no_host_is_known_a_link_from_before_is_nobody_s(host: str, owner: Person) -> None:
    link = urlsplit(old_link(owner)).path
    assert signed_links.find_link(host + link) is None
    assert signed_links.find_link(f"http://upscaler.example.com{link}") is None


def test_a_link_from_before_counts_as_one_s_own_at_the_same_port_only(owner: Person) -> None:
    link = urlsplit(old_link(owner)).path
    for host, port, is_own in (
        ("desk.example", 80, True),
        ("desk.example:80", 80, True),
        ("desk.example", 8001, False),
    ):
        found = signed_links.find_link(f"http://desk.example:{port}{link}", host=host)
        assert (found is not None) == is_own, (host, port)

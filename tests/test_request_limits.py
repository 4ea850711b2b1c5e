"""The first gate: how much of a body is taken, and of whom."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client, RequestFactory

from tests.conftest import Person
from upscaler import request_limits
from upscaler.accounts import tokens
from upscaler.api.auth import READ_ONLY

pytestmark = pytest.mark.django_db


class Unread:
    """A body that nobody may read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = readlines = __iter__ = read


def post(client: Client, path: str, length: int, **extra: Any) -> Any:
    """A POST that announces ``length`` bytes, of which none may be read."""
    extra.setdefault("CONTENT_TYPE", "multipart/form-data; boundary=b")
    return client.generic("POST", path, CONTENT_LENGTH=str(length), **{"wsgi.input": Unread(), **extra})


def bearer(person: Person, **options: Any) -> dict[str, str]:
    _, clear = tokens.issue(team=person.team, user=person.user, name="gate", **options)
    return {"HTTP_AUTHORIZATION": f"Bearer {clear}"}


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/forgotten/", "/", "/admin/", "/files/x/y.png"])
def test_who_is_not_signed_in_sends_little(client: Client, path: str) -> None:
    answer = post(client, path, 600_000_000)
    assert answer.status_code == 413
    assert "This request has 600.0 MB, larger than the limit of 66 kB here." in answer.content.decode()
    assert "Sign in first." in answer.content.decode()


def test_a_made_up_session_is_nobody(client: Client) -> None:
    client.cookies["sessionid"] = "a" * 32
    assert post(client, "/", 70_000).status_code == 413


def test_the_submit_page_takes_its_pictures_and_no_more(owner: Person, settings: Any) -> None:
    settings.MAX_FILES, settings.MAX_UPLOAD_BYTES, settings.MAX_ARCHIVE_BYTES = 3, 10_000_000, 20_000_000
    answer = post(owner.client, "/", 31_000_001)
    assert answer.status_code == 413
    assert "larger than the limit of 31.0 MB here. Send at most 3 pictures of at most 10 MB each at once." in (
        answer.content.decode()
    )
    with pytest.raises(AssertionError, match="the body was read"):
        post(owner.client, "/", 31_000_000)


def test_a_draft_takes_one_picture_or_one_archive_at_a_time(owner: Person, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES, settings.MAX_ARCHIVE_BYTES = 10_000_000, 20_000_000
    answer = post(owner.client, "/drafts/1/files/", 21_000_001)
    assert (answer.status_code, "a ZIP 20 MB" in answer.json()["message"]) == (413, True)
    with pytest.raises(AssertionError, match="the body was read"):
        post(owner.client, "/drafts/1/files/", 21_000_000)
    assert post(owner.client, "/drafts/1/order/", 3_000_000).status_code == 413
    assert post(Client(), "/drafts/1/files/", 70_000).status_code == 401


def test_other_pages_take_what_a_form_needs(owner: Person) -> None:
    assert post(owner.client, "/team/switch/", 3_000_000).status_code == 413
    with pytest.raises(AssertionError, match="the body was read"):
        post(owner.client, "/team/switch/", 2_000_000)


def test_an_upload_without_a_token_is_refused_unread(client: Client) -> None:
    answer = post(client, "/api/v1/uploads", 70_000)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"].startswith("A token is missing.")


def test_an_upload_with_a_wrong_token_is_refused_unread(client: Client) -> None:
    answer = post(client, "/api/v1/uploads", 70_000, HTTP_AUTHORIZATION="Bearer up_wrong")
    assert answer.status_code == 401


def test_an_upload_with_a_token_that_may_only_look_is_refused_unread(client: Client, owner: Person) -> None:
    answer = post(client, "/api/v1/uploads", 70_000, **bearer(owner, read_only=True))
    assert (answer.status_code, answer.json()["detail"]) == (403, READ_ONLY)


def test_an_upload_is_as_large_as_a_picture_may_be(client: Client, owner: Person) -> None:
    answer = post(client, "/api/v1/uploads", 50_200_000, **bearer(owner))
    assert answer.status_code == 413
    assert answer.json()["detail"] == (
        "This request has 50.2 MB, larger than the limit of 50.1 MB here. For one picture the limit is 50 MB; save it "
        "smaller, for example as JPEG."
    )
    with pytest.raises(AssertionError, match="the body was read"):
        post(client, "/api/v1/uploads", 50_000_000, **bearer(owner))


def test_an_order_through_the_api_is_small(client: Client, owner: Person) -> None:
    answer = post(client, "/api/v1/generation-upscale", 3_000_000, CONTENT_TYPE="application/json", **bearer(owner))
    assert answer.status_code == 413
    assert "Pictures go to /api/v1/uploads" in answer.json()["detail"]


@pytest.mark.parametrize("call", ["batches", "quotes"])
def test_a_batch_may_be_as_large_as_its_items(call: str, client: Client, owner: Person) -> None:
    answer = post(client, f"/api/v1/{call}", 20_100_000, CONTENT_TYPE="application/json", **bearer(owner))
    assert answer.status_code == 413
    assert answer.json()["detail"].endswith("larger than the limit of 20.1 MB here. Send fewer items at once.")
    with pytest.raises(AssertionError, match="the body was read"):
        post(client, f"/api/v1/{call}", 20_000_000, CONTENT_TYPE="application/json", **bearer(owner))
    small = post(client, f"/api/v1/{call}/1/cancel", 3_000_000, CONTENT_TYPE="application/json", **bearer(owner))
    assert small.status_code == 413


def test_what_may_only_look_may_send_a_large_quote_and_no_batch(client: Client, owner: Person) -> None:
    token = bearer(owner, read_only=True)
    answer = post(client, "/api/v1/batches", 3_000_000, CONTENT_TYPE="application/json", **token)
    assert (answer.status_code, answer.json()["detail"]) == (403, READ_ONLY)
    with pytest.raises(AssertionError, match="the body was read"):
        post(client, "/api/v1/quotes", 3_000_000, CONTENT_TYPE="application/json", **token)


@pytest.mark.parametrize("path", ["/accounts/login/", "/api/v1/uploads"])
def test_a_body_in_chunks_is_told_how_to_come(client: Client, path: str) -> None:
    answer = post(client, path, 0, HTTP_TRANSFER_ENCODING="chunked")
    assert answer.status_code == 411
    assert "Send it with a Content-Length." in answer.content.decode()


@pytest.mark.parametrize("length", ["abc", "-5", "9" * 5000, ""])
def test_a_length_that_is_none_is_no_body(client: Client, length: str) -> None:
    assert client.generic("POST", "/accounts/login/", CONTENT_LENGTH=length).status_code in (200, 413)


def test_the_web_server_asks_the_same_gate(owner: Person, client: Client) -> None:
    environ = RequestFactory().generic("POST", "/", CONTENT_LENGTH="900000").environ
    assert not request_limits.may_send(environ)
    cookie = owner.client.cookies["sessionid"].value
    assert request_limits.may_send({**environ, "HTTP_COOKIE": f"sessionid={cookie}"})
    upload = {**environ, "PATH_INFO": "/api/v1/uploads"}
    assert not request_limits.may_send(upload)
    assert request_limits.may_send({**upload, **bearer(owner)})


def test_a_full_disk_under_a_form_is_said(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", full)
    picture = SimpleUploadedFile("shirt.png", b"x" * 2_000_000)
    answer = owner.submit(image=picture)
    assert answer.status_code == 503
    assert "The desk’s storage is full" in answer.content.decode()
    assert owner.balance == 100


@pytest.mark.parametrize("path", ["/nothing-here", "/", "/accounts/login/", "/upscales/1/"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=", b"x"),
        (f"multipart/form-data; boundary={'b' * 300}", b"x"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(3000))),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 60_000),
    ],
)
def test_a_form_that_can_t_be_read_is_no_fault_of_the_desk(path: str, kind: str, body: bytes, owner: Person) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = owner.client.cookies
    browser.cookies["csrftoken"] = "k" * 32
    answer = browser.generic("POST", path, body, content_type=kind)
    assert 400 <= answer.status_code < 500

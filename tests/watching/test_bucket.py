"""A prefix in S3, against a server that speaks its protocol."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
import requests
from django.test import override_settings
from moto.server import ThreadedMotoServer

from tests.conftest import Person
from tests.support import pictures
from tests.watching.conftest import Watched, result_of
from upscaler.errors import PublicError
from upscaler.models import Upscale, WatchedFile, WatchedFolder
from upscaler.watching import bucket_place, s3_client
from upscaler.watching.places import FileChanged

FORM = {
    "name": "DAM",
    "bucket": "shop",
    "path": "incoming",
    "region": "eu-central-1",
    "access_key_id": "KEY",
    "secret_key": "SEC/RET",
    "put_to": "/finished",
    "template": "{name}",
    "model_name": "recraft",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


class Dam(Watched):
    """A bucket in place of the disk."""

    def __init__(self, head: Person, server: str) -> None:
        self.head, self.server, self._count = head, server, 0
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=f"http://{server}",
            region_name="us-east-1",
            aws_access_key_id="KEY",
            aws_secret_access_key="SEC/RET",
        )
        self.s3.create_bucket(Bucket="shop")

    def begin(self, **data: Any) -> WatchedFolder:
        form = {**FORM, "endpoint": f"http://{self.server}", **data}
        answer = self.head.client.post("/watched-folders/new/s3/", form)
        assert answer.status_code == 302, answer.content.decode()
        return WatchedFolder.objects.latest("pk")

    def drop(self, name: str, content: bytes | None = None) -> bytes:
        self._count += 1
        content = pictures.jpeg() + b"%d" % self._count if content is None else content
        self.s3.put_object(Bucket="shop", Key=f"incoming/{name}", Body=content)
        return content

    def put(self, folder: str = "finished") -> dict[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket="shop", Prefix=f"{folder}/").get("Contents", ())
        return {
            one["Key"].removeprefix(f"{folder}/"): self.s3.get_object(Bucket="shop", Key=one["Key"])["Body"].read()
            for one in listed
        }


@pytest.fixture
def dam(head: Person, server: str) -> Iterator[Dam]:
    requests.post(f"http://{server}/moto-api/reset", timeout=10)
    with override_settings(FETCH_ALLOW_HOSTS=[server]):
        yield Dam(head, server)


def test_what_comes_into_the_bucket_is_ordered_at_the_first_look_and_comes_back_once(dam: Dam) -> None:
    dam.begin()
    dam.drop("summer & 50%/a ü.jpg")
    dam.drop("b.jpg")
    dam.s3.put_object(Bucket="shop", Key="finished/b.jpg", Body=b"theirs")
    dam.look()
    assert set(dam.states().values()) == {"ordered"}
    dam.enlarge()
    dam.look(2)
    by_name = {upscale.source_name: result_of(upscale) for upscale in Upscale.objects.all()}
    expected = {"summer & 50%/a ü.jpg": by_name["a ü.jpg"], "b.jpg": b"theirs", "b (2).jpg": by_name["b.jpg"]}
    assert dam.put() == expected
    head = dam.s3.head_object(Bucket="shop", Key="finished/b (2).jpg")
    assert head["ContentType"] == "image/jpeg"
    # A new version of the object is a new picture.
    dam.drop("b.jpg")
    dam.look()
    assert Upscale.objects.count() == 3


def test_a_kill_after_the_upload_puts_it_no_second_time(dam: Dam, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    dam.begin(put_to="done")
    dam.drop("a.jpg")
    dam.look()
    dam.enlarge()
    put = bucket_place.BucketPlace.put

    def dying(*args: Any) -> None:
        put(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(bucket_place.BucketPlace, "put", dying)
        with pytest.raises(Killed):
            dam.look()
    WatchedFolder.objects.update(lease_until=None)
    dam.look(2)
    assert dam.put("incoming/done") == {"a.jpg": result_of(Upscale.objects.get())}
    assert WatchedFile.objects.count() == 1


def test_an_object_that_changes_between_look_and_reading_is_not_taken(dam: Dam) -> None:
    folder = dam.begin()
    dam.drop("a.jpg")
    with bucket_place.opened(folder) as place:
        [found] = place.files()
        dam.drop("a.jpg")
        with pytest.raises(FileChanged), place.open(found):
            pass


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bucket": "nowhere"}, "There is no bucket of this name"),
        ({"endpoint": "http://127.0.0.1:9"}, "could not be reached"),
    ],
)
def test_what_the_server_answers_is_said_in_words(dam: Dam, wrong: dict[str, str], says: str) -> None:
    with override_settings(FETCH_ALLOW_HOSTS=[dam.server, "127.0.0.1:9"]):
        folder = dam.begin(**wrong)
        dam.look()
    folder.refresh_from_db()
    assert says in folder.problem and folder.failures == 1
    assert says in dam.head.client.get("/watched-folders/").content.decode()


def test_a_server_that_moves_into_a_private_network_is_asked_nothing(dam: Dam) -> None:
    folder = dam.begin()
    dam.drop("a.jpg")
    with override_settings(FETCH_ALLOW_HOSTS=[]):
        dam.look()
    folder.refresh_from_db()
    assert "does not open the server’s address" in folder.problem
    # By name too, whatever it was when it was typed.
    WatchedFolder.objects.update(endpoint="http://localtest.me")
    with override_settings(FETCH_ALLOW_HOSTS=[]), pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.getaddrinfo", lambda *args, **kwargs: [(2, 1, 6, "", ("127.0.0.1", 80))])
        dam.look()
    folder.refresh_from_db()
    assert "private network" in folder.problem
    assert not Upscale.objects.exists()


def test_a_server_that_lists_for_ever_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        def list_objects_v2(self, **asked: Any) -> dict[str, Any]:
            now[0] += 10
            return {"IsTruncated": True, "NextContinuationToken": "more"}

    now = [0.0]
    monkeypatch.setattr(bucket_place.time, "monotonic", lambda: now[0])
    place = bucket_place.BucketPlace(Endless(), "b", (), put_parts=("done",), left_out="")
    monkeypatch.setattr(place, "_timed", lambda call: call())
    with pytest.raises(PublicError, match="did not end within 4 minutes"):
        list(place.files())


def test_an_answer_of_a_server_that_never_ends_is_not_kept(dam: Dam) -> None:
    """Lists and errors are read whole; files are not."""

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    sent.append(self.wfile.write(b"<Key>" * 100_000))

        def log_message(self, *args: Any) -> None:
            pass

    sent: list[int] = []
    folder = dam.begin()
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_port}"
        WatchedFolder.objects.update(endpoint=f"http://{host}")
        with override_settings(FETCH_ALLOW_HOSTS=[host]):
            dam.look()
        server.shutdown()
    folder.refresh_from_db()
    assert "far too long" in folder.problem and folder.failures == 1
    assert sum(sent) < 4 * s3_client.MAX_ANSWER_BYTES

"""Pictures in S3: a whole upscale against a server that speaks its protocol, with links that are fetched for real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client, override_settings
from django.utils import timezone
from moto.server import ThreadedMotoServer

from config.environment import s3_options
from tests.conftest import Person
from tests.support import cut_uploads, pictures, vendor
from tests.support.vendor import follow
from upscaler.health import checks
from upscaler.models import Upscale, media_storage
from upscaler.storage import cleanup

STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server's ``host:port``."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


def keeping_at(url: str) -> override_settings:
    options = s3_options(url)
    return override_settings(
        STORAGES={**STATIC, "default": {"BACKEND": "upscaler.storage.s3.S3Storage", "OPTIONS": options}}
    )


@pytest.fixture
def bucket(server: str) -> Iterator[Any]:
    """A fresh bucket in which the desk keeps its pictures."""
    requests.post(f"http://{server}/moto-api/reset", timeout=10)
    with keeping_at(f"s3+http://KEY:SEC%2FRET@{server}/pictures/desk"):
        storage: Any = media_storage()
        storage.bucket.create()
        yield storage.bucket


def keys(bucket: Any) -> set[str]:
    return {item.key for item in bucket.objects.all()}


def content_of(answer: Any) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_the_vendor_fetches_an_upload_from_s3_without_a_public_address(
    bucket: Any, owner: Person, outsider: Person, upload: Callable[..., Any]
) -> None:
    sent, fetched = pictures.jpeg(), []

    with vendor.running() as uwear, override_settings(PUBLIC_URL=""):
        uwear.on_accept = lambda: fetched.append(requests.get(uwear.bodies[-1]["image_url"], timeout=10))
        assert checks.remote_engine_can_fetch_uploads() == []
        assert owner.submit(image=upload("shirt.jpg", sent)).status_code == 302
        upscale = follow(Upscale.objects.get())

        assert upscale.status == "Done", upscale.error_message
        assert [(answer.status_code, answer.content) for answer in fetched] == [(200, sent)]
        link = urlsplit(uwear.bodies[0]["image_url"])
        assert link.path.startswith("/pictures/desk/sources/")
        assert parse_qs(link.query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert parse_qs(link.query)["X-Amz-Expires"] == [str(48 * 60 * 60)]
        assert "SEC" not in link.query
        # Without its signature the address serves nobody.
        assert requests.get(link._replace(query="").geturl(), timeout=10).status_code == 403

        assert content_of(owner.client.get(f"/upscales/{upscale.pk}/download/")) != sent
        assert content_of(owner.client.get(f"/upscales/{upscale.pk}/source/")) == sent
        assert outsider.client.get(f"/upscales/{upscale.pk}/download/").status_code == 404
        assert Client().get("/readyz").json()["media"] == "ok"
    folders = {key.split("/")[1] for key in keys(bucket)}
    assert folders == {"sources", "thumbnails", "results", "previews"}


@pytest.mark.engine
def test_the_local_engine_reads_and_writes_s3(bucket: Any, owner: Person, done: Callable[..., Upscale]) -> None:
    upscale = done()
    download = owner.client.get(f"/upscales/{upscale.pk}/download/")
    assert len(content_of(download)) == upscale.result_bytes == int(download.headers["Content-Length"])
    [result] = owner.api("get", f"generation/{upscale.pk}").json()["generation_results"]
    assert len(content_of(Client().get(urlsplit(result["image_url"]).path))) == upscale.result_bytes
    bucket.objects.filter(Prefix="desk/results/").delete()
    assert owner.client.get(f"/upscales/{upscale.pk}/download/").status_code == 404


def test_files_that_nobody_ordered_are_removed_from_s3(bucket: Any, owner: Person, order: Any, upload: Any) -> None:
    assert cleanup.remove_orphans() == 0
    order()
    kept = keys(bucket)
    headers = {"Authorization": f"Bearer {owner.token}"}
    assert owner.client.post("/api/v1/uploads", {"file": upload()}, headers=headers).status_code == 201
    assert len(keys(bucket)) == len(kept) + 2
    assert cleanup.remove_orphans(timezone.now() + timedelta(hours=47)) == 0
    assert cleanup.remove_orphans(timezone.now() + timedelta(hours=49)) == 2
    assert keys(bucket) == kept


def test_a_bucket_that_is_not_there_is_named_and_nothing_is_charged(
    server: str, owner: Person, upload: Callable[..., Any]
) -> None:
    with keeping_at(f"s3+http://KEY:SECRET@{server}/no-such-bucket"):
        answer = owner.submit(image=upload())
        assert answer.status_code == 422
        assert "Nothing was charged" in answer.content.decode()
        ready = Client().get("/readyz")
        assert (ready.status_code, "can’t be written: look at" in ready.json()["media"]) == (503, True)
    assert owner.balance == 100


def test_an_upload_that_breaks_off_half_way_leaves_nothing_and_costs_nothing(
    server: str, bucket: Any, owner: Person, upload: Callable[..., Any]
) -> None:
    """Large files go to S3 in parts."""
    large = pictures.jpeg() + bytes(20_000_000)
    with cut_uploads.cutting(server) as line:
        port = line.server_address[1]
        with keeping_at(f"s3+http://KEY:SECRET@127.0.0.1:{port}/pictures/desk"):
            answer = owner.submit(image=upload("large.jpg", large))
            headers = {"Authorization": f"Bearer {owner.token}"}
            program = owner.client.post("/api/v1/uploads", {"file": upload("large.jpg", large)}, headers=headers)
    assert line.passed
    assert line.cut
    assert (answer.status_code, "Nothing was charged" in answer.content.decode()) == (422, True)
    assert program.status_code == 503
    assert not Upscale.objects.exists()
    assert owner.balance == 100
    assert {key for key in keys(bucket) if key.startswith("desk/sources/")} == set()
    assert list(bucket.multipart_uploads.all()) == []
    assert owner.submit(image=upload("large.jpg", large)).status_code == 302
    assert owner.balance == 99


def test_the_address_is_taken_apart() -> None:
    assert s3_options("s3://AK:a%2Fb%40c@s3.eu-central-1.amazonaws.com/shop/desk/one") == {
        "access_key": "AK",
        "secret_key": "a/b@c",
        "endpoint_url": "https://s3.eu-central-1.amazonaws.com",
        "bucket_name": "shop",
        "location": "desk/one",
        "region_name": "eu-central-1",
    }
    own = s3_options("s3+http://AK:s@[::1]:9000/shop?region=home")
    assert (own["endpoint_url"], own["location"], own["region_name"]) == ("http://[::1]:9000", "", "home")


def test_tiles_are_cut_from_a_picture_in_s3_and_go_with_it(
    bucket: Any, owner: Person, done: Callable[..., Upscale], settings: Any, tmp_path: Path
) -> None:
    settings.TILE_CACHE_DIR = tmp_path
    upscale = done()
    about = owner.client.get(f"/upscales/{upscale.pk}/tiles/after/").json()
    assert (about["width"], about["height"]) == (upscale.result_width, upscale.result_height)
    assert owner.client.get(f"{about['url']}0/0/0/").content.startswith(b"\xff\xd8")
    Upscale.objects.filter(pk=upscale.pk).update(deleted_at=timezone.now())
    cleanup.remove_deleted()
    assert not keys(bucket) and not list(tmp_path.rglob("*.tiles"))

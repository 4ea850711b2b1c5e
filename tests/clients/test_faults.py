"""The Python client while the way to the desk is bad: nothing is charged twice, and files are whole or not there."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from upscaler_client import (
    AsyncClient,
    Client,
    Item,
    LinkExpired,
    MaybeTaken,
    TooManyCalls,
    Unavailable,
    UpscalerError,
)

from tests.support import webserver
from tests.support.async_work import run_async
from tests.support.faulty_proxy import Fault, Proxy, before, half_an_answer, lost_answer
from tests.support.live_server import ON_ONE_QUEUE, Desk

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

ORDER, BATCH = ("POST", "/api/v1/generation-upscale"), ("POST", "/api/v1/batches")
AWAY = before(webserver.body(b"<html>nginx</html>", 502, Content_Type="text/html"))
BUSY = before(webserver.body(b'{"detail": "Too many calls."}', 429, Retry_After="7"))
NOT_TODAY = before(webserver.body(b'{"detail": "Full.", "code": "upload_quota"}', 429, Retry_After="9000"))
GONE = before(webserver.body(b'{"detail": "This link ran out."}', 410))


@pytest.fixture
def pauses() -> list[float]:
    """What the client would have waited; it does not."""
    return []


@pytest.fixture
def client(proxy: Proxy, token: str, pauses: list[float]) -> Iterator[Client]:
    with Client(proxy.url, token, sleep=pauses.append, retries=3) as client:
        yield client


def order(client: Client, picture: Path, **options: Any) -> int:
    return client.order(picture, model="recraft", **options).generation_id


@pytest.mark.parametrize("faults", [[lost_answer], [AWAY], [BUSY], [lost_answer, AWAY, BUSY]])
def test_an_order_whose_answer_is_lost_is_charged_once(
    client: Client, proxy: Proxy, picture: Path, faults: list[Fault]
) -> None:
    proxy.faults[ORDER] = list(faults)
    number = order(client, picture)
    assert proxy.count(*ORDER) == len(faults) + 1
    assert len({headers["idempotency-key"] for _, path, headers in proxy.calls if path == ORDER[1]}) == 1
    assert [row.generation_id for row in client.generations()] == [number]
    assert client.credits().balance == 199


def test_a_batch_whose_answer_is_lost_is_charged_once(client: Client, proxy: Proxy, picture: Path) -> None:
    proxy.faults[BATCH] = [lost_answer]
    taken = client.order_batch([Item(client.upload(picture))] * 2, model="recraft")
    assert proxy.count(*BATCH) == 2
    assert [batch.batch_id for batch in client.batches()] == [taken.batch_id]
    assert client.credits().balance == 198


def test_asyncio_sends_it_again_too(desk: Desk, proxy: Proxy, token: str, picture: Path) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def work() -> None:
        async with AsyncClient(proxy.url, token, sleep=sleep) as client:
            proxy.faults[ORDER] = [lost_answer, BUSY]
            await client.order(picture, model="recraft")
            assert (await client.credits()).balance == 199

    run_async(work())
    assert len(pauses) == 2 and pauses[1] == 7


def test_pauses_grow_and_keep_to_what_the_desk_advises(client: Client, proxy: Proxy, pauses: list[float]) -> None:
    credits = ("GET", "/api/v1/credits")
    proxy.faults[credits] = [AWAY, BUSY, AWAY]
    assert client.credits().balance == 200
    assert 0.3 < pauses[0] < 0.7 and pauses[1] == 7 and 1.3 < pauses[2] < 2.7
    proxy.faults[credits] = [AWAY] * 4
    with pytest.raises(Unavailable) as refused:
        client.credits()
    assert refused.value.status == 502 and "address of the desk" in refused.value.message
    assert len(pauses) == 6


def test_a_pause_of_hours_is_the_callers(client: Client, proxy: Proxy, picture: Path, pauses: list[float]) -> None:
    proxy.faults["POST", "/api/v1/uploads"] = [NOT_TODAY]
    with pytest.raises(TooManyCalls) as refused:
        client.upload(picture)
    assert (refused.value.code, refused.value.retry_after, pauses) == ("upload_quota", 9000, [])


def test_without_keys_an_order_is_never_sent_again(proxy: Proxy, token: str, picture: Path) -> None:
    with Client(proxy.url, token, keeps_keys=False, sleep=lambda seconds: None) as client:
        for fault in (lost_answer, AWAY):
            proxy.faults[ORDER] = [fault]
            before = proxy.count(*ORDER)
            with pytest.raises(MaybeTaken, match="look at the list"):
                order(client, picture)
            assert proxy.count(*ORDER) == before + 1
        # Refused before it was looked at, so that it certainly was not taken.
        proxy.faults[ORDER] = [BUSY]
        order(client, picture)
        assert client.credits().balance == 198
    assert Client("https://api.uwear.ai", "key")._policy.keeps_keys is False


def test_a_zip_goes_on_where_it_broke(client: Client, proxy: Proxy, picture: Path, tmp_path: Path) -> None:
    with Client(proxy.url, client._address._token) as patient:
        taken = client.order_batch([Item(client.upload(picture))] * 2, model="recraft")
        patient.follow_batch(taken.batch_id)
    path = f"/api/v1/batches/{taken.batch_id}/results.zip"
    proxy.faults["GET", path] = [half_an_answer, half_an_answer, AWAY]
    target = tmp_path / "a.zip"
    client.results_zip(taken.batch_id, target)
    asked = [headers.get("range") for _, called, headers in proxy.calls if called == path]
    half = target.stat().st_size // 2
    assert asked[:2] == [None, f"bytes={half}-"] and asked[2] == asked[3] and len(asked) == 4
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 3
    whole = target.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []

    # The process ends in the middle, and the next one goes on.
    target.unlink()
    proxy.faults["GET", path] = [half_an_answer] + [AWAY] * 4
    with pytest.raises(UpscalerError):
        client.results_zip(taken.batch_id, target)
    assert not target.exists()
    with Client(proxy.url, client._address._token) as later:
        later.results_zip(taken.batch_id, target)
    assert proxy.calls[-1][2]["range"] == f"bytes={half}-"
    assert target.read_bytes() == whole


def test_a_result_that_breaks_off_begins_anew(client: Client, proxy: Proxy, picture: Path, tmp_path: Path) -> None:
    with Client(proxy.url, client._address._token) as patient:
        done = patient.follow(order(client, picture))
    path = "/files/"
    proxy.faults["GET", path] = [half_an_answer]
    target = client.download(done.results[0], tmp_path / "large.jpg")
    assert proxy.count("GET", path) == 2
    assert target.read_bytes()[-2:] == b"\xff\xd9"
    proxy.faults["GET", path] = [GONE]
    with pytest.raises(LinkExpired, match="ran out"):
        client.download(done.results[0], target)
    assert target.read_bytes()[-2:] == b"\xff\xd9"
    with pytest.raises(UpscalerError, match="folder"):
        client.download(done.results[0], tmp_path / "none" / "a.jpg")


def test_the_token_goes_to_the_desk_alone(client: Client, proxy: Proxy, tmp_path: Path) -> None:
    came: list[str | None] = []

    def take(handler: Any) -> webserver.Answer:
        came.append(handler.headers.get("Authorization"))
        return webserver.body(b"picture")

    with webserver.serving(take) as elsewhere:
        client.download(f"http://{elsewhere}/a.jpg", tmp_path / "a.jpg")
        proxy.faults["GET", "/files/"] = [before(webserver.redirect(f"http://{elsewhere}/b.jpg"))]
        client.download(f"{proxy.url}/files/x/b.jpg", tmp_path / "b.jpg")
    assert came == [None, None]
    assert (tmp_path / "b.jpg").read_bytes() == b"picture"
    assert proxy.calls[-1][2]["authorization"].startswith("Bearer ups_")

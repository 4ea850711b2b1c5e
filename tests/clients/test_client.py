"""Each function of the Python client, over the real API and workers."""

from __future__ import annotations

import asyncio
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from PIL import Image
from upscaler_client import (
    AsyncClient,
    Client,
    Item,
    NotAllowed,
    NotAuthenticated,
    NotEnoughCredits,
    NotFound,
    Picture,
    Refused,
    StillRunning,
    UpscaleFailed,
    UpscalerError,
    Webhook,
    WebhookInvalid,
    operations,
)

from tests.support import pictures, webserver
from tests.support.async_work import run_async
from tests.support.live_server import ON_ONE_QUEUE, Desk, until

pytestmark = [pytest.mark.processes, ON_ONE_QUEUE]

EVERY_SETTING = {
    "enhance_model": "Standard V2",
    "upscale_factor": "2x",
    "face_enhancement": True,
    "subject_detection": "Auto",
    "face_enhancement_creativity": 0.8,
}


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def small(name: str = "a.png", size: tuple[int, int] = (24, 20)) -> Picture:
    return Picture(pictures.encoded(pictures.photograph(size=size), "PNG"), name)


def test_a_file_comes_back_enlarged_in_one_call(client: Client, picture: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    done = client.upscale(
        picture,
        tmp_path / "large.jpg",
        model="topaz",
        settings=EVERY_SETTING,
        sku="48220",
        on_change=lambda now: seen.append(now.status),
    )
    assert size_of(tmp_path / "large.jpg") == (48, 40)
    assert (done.status, done.credits, done.sku, done.name) == ("Done", 3, "48220", "48220_red.jpg")
    assert seen[-1] == "Done" and set(seen) <= {"Created", "Ongoing", "Done"}
    left = client.credits()
    assert (left.balance, left.storage_quota) == (197, None)
    assert left.storage_bytes >= picture.stat().st_size + (tmp_path / "large.jpg").stat().st_size
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_address_and_an_earlier_result_are_sources_too(client: Client, tmp_path: Path) -> None:
    link = client.upload(small())
    first = client.follow(client.order(link, model="recraft", result_format="WEBP").generation_id)
    [result] = first.results
    assert (result.width, result.height) == (96, 80) and result.available
    assert client.result(result.generation_result_id) == result
    assert client.download(result, tmp_path / "a.webp") == tmp_path / "a.webp"
    assert (tmp_path / "a.webp").read_bytes()[8:12] == b"WEBP"
    second = client.upscale(
        result.generation_result_id, tmp_path / "b.webp", model="topaz", settings={"upscale_factor": "2x"}
    )
    assert second.results[0].width == 192


def test_a_batch_from_its_price_to_its_zip(client: Client, tmp_path: Path) -> None:
    items = [
        Item(client.upload(small(size=(20 + n, 20))), sku=f"K{n}", name=f"K{n} front.png", reference=f"PIM-{n}")
        for n in range(3)
    ]
    quote = client.quote(items, model="recraft")
    assert (quote.total, quote.credits, quote.balance_after, quote.already_made) == (3, 3, 197, 0)
    taken = client.order_batch(items, model="recraft", name="Autumn", reference="season-47")
    assert (taken.total, taken.credits, len(taken.generation_ids)) == (3, 3, 3)
    ended = client.follow_batch(taken.batch_id)
    assert (ended.status, ended.done, ended.failed, ended.name) == ("Done", 3, 0, "Autumn")
    there: list[tuple[int, int | None]] = []
    client.results_zip(taken.batch_id, tmp_path / "a.zip", on_bytes=lambda size, of: there.append((size, of)))
    assert there[-1] == ((tmp_path / "a.zip").stat().st_size,) * 2
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {name for name in archive.namelist() if name.endswith(".png")} == {f"K{n} front.png" for n in range(3)}
        assert "manifest.csv" in archive.namelist()
    assert client.quote(items, model="recraft").already_made == 3
    assert [batch.batch_id for batch in client.batches(name="autumn")] == [taken.batch_id]
    assert [batch.reference for batch in client.batches(reference="season-47")] == ["season-47"]
    [third] = client.generations(reference="PIM-2")
    assert (third.reference, third.sku, third.review, third.fidelity) == ("PIM-2", "K2", "none", None)
    assert [one.reference for one in client.results(reference="PIM-2", review="none")] == ["PIM-2"]
    cancelled = client.cancel_batch(taken.batch_id)
    assert cancelled.is_over


def test_what_is_deleted_is_gone(client: Client) -> None:
    ended = client.follow(client.order(client.upload(small()), model="recraft").generation_id)
    assert client.delete(ended.generation_id) is True
    with pytest.raises(NotFound):
        client.generation(ended.generation_id)
    # As after an answer that was lost.
    assert client.delete(ended.generation_id) is False


def test_lists_give_each_row_once_over_all_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    link = client.upload(small())
    taken = client.order_batch([Item(link, sku="K1"), Item(link), Item(link)], model="recraft")
    client.follow_batch(taken.batch_id)
    monkeypatch.setattr(operations, "PAGE", 2)
    expected = sorted(taken.generation_ids, reverse=True)
    rows = client.generations(batch_id=taken.batch_id)
    first = next(rows)
    # What comes in meanwhile moves those that were seen to the next page.
    client.follow(client.order(link, model="recraft").generation_id)
    assert [first.generation_id, *(row.generation_id for row in rows)] == expected
    assert len(list(client.generations(status="Done"))) == 4
    assert [row.sku for row in client.results(sku="K1")] == ["K1"]
    with pytest.raises(Refused) as refused:
        list(client.generations(more={"colour": "red"}))
    assert refused.value.code == "extra_forbidden"


def test_asyncio_has_the_same_functions(desk: Desk, token: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with AsyncClient(desk.url, token) as client:
            picture = tmp_path / "a.png"
            picture.write_bytes(small().content)
            done, credits = await asyncio.gather(
                client.upscale(picture, tmp_path / "large.png", model="recraft"), client.credits()
            )
            assert (done.status, credits.balance) in (("Done", 200), ("Done", 199))
            assert size_of(tmp_path / "large.png") == (96, 80)
            taken = await client.order_batch([Item(await client.upload(small()))], model="recraft")
            assert (await client.follow_batch(taken.batch_id)).done == 1
            assert zipfile.is_zipfile(await client.results_zip(taken.batch_id, tmp_path / "a.zip"))
            assert len([row async for row in client.generations()]) == 2
            with pytest.raises(NotFound):
                await client.download(f"{desk.url}/files/none/a.png", tmp_path / "none.png")
            with pytest.raises(NotFound):
                await client.generation(10**9)

    run_async(work())
    public = {name for name in vars(Client) if not name.startswith("_")} - {"close"}
    assert public == {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose"}


def test_a_file_is_judged_for_a_shop(client: Client) -> None:
    judged = client.check_for_channel(small(), "amazon")
    assert judged.channel == "amazon" and not judged.passed and all(judged.failures)


def test_errors_have_kinds_with_the_desks_code_and_message(desk: Desk, client: Client, tmp_path: Path) -> None:
    link = client.upload(small())
    with pytest.raises(Refused) as refused:
        client.order(link, model="topaz", settings={"upscale_factor": "3x"})  # type: ignore[typeddict-item]
    assert (refused.value.status, refused.value.code) == (422, "enum")
    assert refused.value.problems[0].place == ("body", "generation_settings", "upscale_factor")
    assert "2x, 4x, 6x" in refused.value.message
    with pytest.raises(NotEnoughCredits, match="credits"):
        client.order_batch([Item(link)] * 201, model="recraft")
    with pytest.raises(NotFound):
        client.generation(10**9)
    with pytest.raises(NotAuthenticated):
        Client(desk.url, "ups_wrong").credits()
    looking = desk.manage("issue_token", "--team", "demo", "--user", "demo", "--name", "r", "--read-only")
    with pytest.raises(NotAllowed):
        Client(desk.url, looking.splitlines()[-1]).upload(small())
    with pytest.raises(UpscalerError, match="can't be read"):
        client.upload(tmp_path / "none.jpg")
    with pytest.raises(UpscalerError, match="no address"):
        Client("desk.example", "ups_1")
    assert client.credits().balance == 200


def test_a_failed_upscale_says_why_and_leaves_no_file(desk: Desk, client: Client, tmp_path: Path) -> None:
    with webserver.serving({"/a.jpg": webserver.body(b"nothing", 404)}, port=desk.shop_port) as host:
        with pytest.raises(UpscaleFailed, match="404"):
            client.upscale(f"http://{host}/a.jpg", tmp_path / "a.jpg", model="recraft")
    assert list(tmp_path.iterdir()) == [] and client.credits().balance == 200


def test_waiting_ends_when_it_is_told_to(desk: Desk, client: Client) -> None:
    desk.kill_worker()
    try:
        taken = client.order(small(), model="recraft")
        with pytest.raises(StillRunning):
            client.follow(taken.generation_id, timeout=1.5)
    finally:
        desk.start_worker()
    assert client.follow(taken.generation_id).status == "Done"


def test_a_webhook_is_believed_by_either_of_two_secrets(desk: Desk, client: Client, tmp_path: Path) -> None:
    came: list[tuple[bytes, dict[str, str]]] = []

    def take(handler: BaseHTTPRequestHandler) -> webserver.Answer:
        came.append((handler.rfile.read(int(handler.headers["Content-Length"])), dict(handler.headers)))
        return webserver.body(b"")

    secret = "whsec_" + "c2VjcmV0IG9mIGEgd2ViaG9vaywgbG9uZyBlbm91Z2g="
    with webserver.serving(take, port=desk.shop_port) as host:
        taken = client.order(
            small(), model="recraft", webhook_url=f"http://{host}/hook", webhook_secret=secret,
            webhook_events=["generation.completed"],
        )  # fmt: skip
        until(lambda: came, what="the desk tells of the end")
    body, headers = came[0]
    event = Webhook("another secret", secret).verify(body, headers)
    assert event.type == "generation.completed" and event.batch is None and event.timestamp is not None
    assert event.generation is not None and event.generation.generation_id == taken.generation_id
    client.download(event.generation.results[0], tmp_path / "a.png")
    assert size_of(tmp_path / "a.png") == (96, 80)
    with pytest.raises(WebhookInvalid):
        Webhook("another secret").verify(body, headers)
    with pytest.raises(WebhookInvalid):
        Webhook(secret).verify(body.replace(b"Done", b"Fake"), headers)
    for broken in ({}, {**headers, "webhook-signature": "nonsense"}, {**headers, "webhook-timestamp": "1"}):
        with pytest.raises(WebhookInvalid):
            Webhook(secret).verify(body, {name.lower(): value for name, value in broken.items()})

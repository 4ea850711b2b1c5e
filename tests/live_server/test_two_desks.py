"""Two whole desks: the Uwear engine of one is pointed at the other, which serves the same contract.

In either of the vendor's interfaces. In the newer one the first desk is told which models the other has.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from moto.server import ThreadedMotoServer
from PIL import Image

from tests.support import pictures, services_available, webserver
from tests.support.live_server import Desk, until
from upscaler import upscaling_models

pytestmark = pytest.mark.processes

CHANGED = {
    "as they are": {},
    "upscale_factor": {"upscale_factor": "2x"},
    "enhance_model": {"enhance_model": "Standard V2"},
    "subject_detection": {"subject_detection": "Auto"},
    "face_enhancement": {"face_enhancement": True},
    "face_enhancement_creativity": {"face_enhancement": True, "face_enhancement_creativity": 0.8},
}
SMALL = (24, 20)


@dataclass
class Pair:
    """The desk that people use, and the one that stands in for the vendor."""

    desk: Desk
    vendor: Desk
    token: str
    vendor_token: str
    key: str

    def balances(self) -> tuple[int, int]:
        return self.desk.balance(self.token), self.vendor.balance(self.vendor_token)

    def order(self, **body: Any) -> int:
        answer = self.desk.api("post", "generation-upscale", self.token, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["generation_id"]

    def done(self, number: int) -> dict[str, Any]:
        """The upscale's one result on the desk, once it is there."""
        row = self.desk.wait_for(self.token, number, "Done", "Error")
        assert row["error"] is None, row["error"]
        [result] = row["generation_results"]
        return result

    def picture(self, result: dict[str, Any]) -> Image.Image:
        return Image.open(io.BytesIO(requests.get(result["image_url"], timeout=30).content))


@contextmanager
def paired(
    folders: pytest.TempPathFactory, mode: str = "embedded", s3: str = "", dialect: str = "legacy"
) -> Iterator[Pair]:
    """Two desks on this queue. ``s3``: where the first keeps its pictures, without a public address of its own."""
    vendor = Desk(mode, folders.mktemp("vendor"))
    desk = Desk(mode, folders.mktemp("desk"))
    try:
        # One key, as where a .env was copied: to each the other's links are plain web addresses all the same.
        assert vendor.environment["SECRET_KEY"] == desk.environment["SECRET_KEY"]
        reachable = [f"127.0.0.1:{desk.port}", f"127.0.0.1:{desk.shop_port}", *([s3] if s3 else [])]
        vendor.environment["FETCH_ALLOW_HOSTS"] += "," + ",".join(reachable)
        vendor.set_up()
        vendor.start_web()
        vendor.start_worker()
        key = vendor.token()
        desk.environment |= {
            "ENGINE": "uwear",
            "UWEAR_DIALECT": dialect,
            "UWEAR_MODELS": "recraft,topaz" if dialect == "current" else "",
            "UWEAR_API_URL": vendor.url if dialect == "current" else f"{vendor.url}/api/v1",
            "UWEAR_API_KEY": f"{key}\n",
            "UWEAR_CONCURRENCY": "4",
            "UWEAR_BREAKER_FAILURES": "1",
            "PUBLIC_URL": "" if s3 else desk.url,
            "MEDIA_URL_S3": f"s3+http://KEY:SECRET@{s3}/pictures/desk" if s3 else "",
            "FETCH_ALLOW_HOSTS": f"127.0.0.1:{vendor.port},127.0.0.1:{desk.port},127.0.0.1:{desk.shop_port}",
        }
        desk.set_up()
        desk.start_web()
        desk.start_worker()
        yield Pair(desk, vendor, desk.token(), vendor.token(), key)
        for one in (desk, vendor):
            assert "OK: the ledger is right" in one.manage("check_ledger")
            assert key not in one.log.read_text()
    finally:
        desk.close()
        vendor.close()


@pytest.fixture(scope="module", params=["legacy", "current"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with paired(tmp_path_factory, dialect=request.param) as pair:
        yield pair


def an_upload_ends_done(pair: Pair) -> None:
    """As a program sends it: one charge on both desks, and the file is the first desk's own."""
    before = pair.balances()
    number = pair.desk.submit(pair.token, pictures.jpeg(SMALL), model_name="recraft")
    result = pair.done(number)
    assert pair.picture(result).size == (96, 80)
    assert pair.balances() == (before[0] - 1, before[1] - 1)


@pytest.mark.skipif(
    not (services_available.postgres() and services_available.rabbitmq()),
    reason="PostgreSQL or RabbitMQ does not answer",
)
def test_an_upload_over_the_cluster_queue(tmp_path_factory: pytest.TempPathFactory) -> None:
    with paired(tmp_path_factory, "cluster") as pair:
        an_upload_ends_done(pair)


def test_an_upload_that_is_kept_in_s3(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        assert requests.put(f"http://{host}:{port}/pictures", timeout=10).ok
        with paired(tmp_path_factory, s3=f"{host}:{port}") as pair:
            an_upload_ends_done(pair)
            assert not (pair.desk.folder / "media").exists()
    finally:
        server.stop()


def test_an_upload_on_the_page_ends_done_with_the_file_kept(pair: Pair) -> None:
    before = pair.balances()
    browser = pair.desk.sign_in()
    content = pictures.jpeg(SMALL)
    sent = pair.desk.post(browser, "/", {"model_name": "recraft"}, files={"image": ("shirt.jpg", content)})
    assert "/batches/" in sent.url, sent.text
    number = max(row["generation_id"] for row in pair.desk.api("get", "generations", pair.token).json()["data"])
    result = pair.done(number)
    assert pair.picture(result).size == (96, 80)
    assert pair.balances() == (before[0] - 1, before[1] - 1)
    page = browser.get(f"{pair.desk.url}/upscales/{number}/", timeout=30).text
    assert "Your picture is ready" in page
    assert "<dd>Uwear</dd>" in page
    # The file is the desk's own: the one at the vendor may go.
    download = browser.get(f"{pair.desk.url}/upscales/{number}/download/", timeout=30)
    assert Image.open(io.BytesIO(download.content)).size == (96, 80)
    assert list((pair.desk.folder / "media" / "results").rglob("*.jpg"))


@pytest.mark.parametrize("source", ["upload", "url", "result", "the vendor's result"])
def test_every_source_with_both_models(pair: Pair, source: str) -> None:
    before = pair.balances()
    content = pictures.jpeg(SMALL)
    with webserver.serving({"/shirt.jpg": webserver.body(content)}, pair.desk.shop_port) as host:
        reference: dict[str, Any]
        width, spent = 24, [4, 4]
        if source == "upload":
            link = pair.desk.api("post", "uploads", pair.token, files={"file": ("shirt.jpg", content)})
            reference = {"image_url": link.json()["image_url"]}
        elif source == "url":
            reference = {"image_url": f"http://{host}/shirt.jpg"}
        else:
            maker = pair.desk if source == "result" else pair.vendor
            token = pair.token if source == "result" else pair.vendor_token
            url = {"image_url": f"http://{host}/shirt.jpg", "model_name": "recraft"}
            made = maker.api("post", "generation-upscale", token, json=url).json()["generation_id"]
            [result] = maker.wait_for(token, made, "Done", "Error")["generation_results"]
            reference = {"generation_result_id": result["generation_result_id"]}
            width, spent = 96, ([5, 5] if source == "result" else [4, 5])
        numbers = [
            pair.order(**reference, model_name="recraft"),
            pair.order(**reference, model_name="topaz", generation_settings={"upscale_factor": "2x"}),
        ]
        sizes = [pair.picture(pair.done(number)).width for number in numbers]
    assert sizes == [4 * width, 2 * width]
    assert pair.balances() == (before[0] - spent[0], before[1] - spent[1])


def test_topaz_with_each_setting_changed(pair: Pair) -> None:
    """The vendor gets the settings in full, and the ids of results are its own."""
    before = pair.balances()
    link = pair.desk.api("post", "uploads", pair.token, files={"file": ("shirt.jpg", pictures.jpeg(SMALL))})
    image_url = link.json()["image_url"]
    numbers = {
        name: pair.order(image_url=image_url, model_name="topaz", generation_settings=changed)
        for name, changed in CHANGED.items()
    }
    for name, number in numbers.items():
        complete = {**upscaling_models.MODELS["topaz"].defaults, **CHANGED[name]}
        result = pair.done(number)
        at_vendor = pair.vendor.api("get", f"generation-result/{result['generation_result_id']}", pair.vendor_token)
        generation = pair.vendor.generation(pair.vendor_token, at_vendor.json()["generation_id"])
        assert json.loads(generation["payload"])["generation_settings"] == complete
        assert pair.picture(result).width == 24 * int(complete["upscale_factor"][0])
        own = pair.desk.generation(pair.token, number)
        assert json.loads(own["payload"])["generation_settings"] == complete
    spent = 3 * len(CHANGED)
    assert pair.balances() == (before[0] - spent, before[1] - spent)


def test_the_vendor_s_webhook_is_taken_as_a_hint(pair: Pair) -> None:
    if pair.desk.environment["UWEAR_DIALECT"] == "legacy":
        pytest.skip("the older interface has no webhooks")
    number = pair.desk.submit(pair.token, pictures.jpeg(SMALL), model_name="recraft")
    pair.done(number)
    words = f"upscale {number}: a hint came"
    until(lambda: words in pair.desk.log.read_text(), what="the other desk tells of the end")


def test_the_vendor_goes_and_comes_back(pair: Pair) -> None:
    """Its web server is away while pictures are submitted: a banner says so, and nothing fails."""
    before = pair.balances()
    assert pair.vendor.web is not None
    pair.vendor.web.terminate()
    pair.vendor.web.wait(timeout=30)
    browser = pair.desk.sign_in()
    try:
        link = pair.desk.api("post", "uploads", pair.token, files={"file": ("shirt.jpg", pictures.jpeg(SMALL))})
        number = pair.order(image_url=link.json()["image_url"], model_name="recraft")
        banner = "your upscales wait"
        until(lambda: banner in browser.get(f"{pair.desk.url}/history/", timeout=30).text, what="the banner shows")
        assert pair.desk.generation(pair.token, number)["status"] == "Ongoing"
    finally:
        pair.vendor.start_web()
    pair.done(number)
    assert banner not in browser.get(f"{pair.desk.url}/history/", timeout=30).text
    assert pair.balances() == (before[0] - 1, before[1] - 1)


def test_the_probe_names_what_the_vendor_serves_and_spends_nothing(pair: Pair) -> None:
    before = pair.balances()
    said = pair.desk.manage("uwear_probe")
    assert said.splitlines()[-1] == "OK: every call that this desk needs is there. Nothing was spent."
    assert pair.key not in said
    assert pair.balances() == before

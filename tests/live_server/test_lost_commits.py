"""A whole desk whose database's answers are lost: to each submit's COMMIT, and to each one that says Done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from tests.support import pictures, services_available, webserver
from tests.support.cutting_proxy import Commit, CuttingProxy
from tests.support.live_server import Desk, until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        not (services_available.postgres() and services_available.rabbitmq()),
        reason="PostgreSQL or RabbitMQ does not answer",
    ),
]

PAGE, API, WEB = 3, 2, 2
"""How many pictures are ordered on each way: an upload on the page, one through the API, an address."""
FILES = ("source_file", "source_thumbnail", "result_file", "result_thumbnail", "before_preview", "after_preview")
SUBMIT = 'INSERT INTO "upscaler_upscale"'
FINISH = re.compile(r"""UPDATE "upscaler_upscale" SET .*"status" = 'Done'""")


@pytest.fixture
def proxy() -> Iterator[CuttingProxy]:
    address = urlsplit(services_available.POSTGRES_URL)
    proxy = CuttingProxy((address.hostname or "127.0.0.1", address.port or 5432))
    yield proxy
    proxy.close()


@pytest.fixture
def desk(proxy: CuttingProxy, tmp_path: Path) -> Iterator[Desk]:
    """A desk that knows its database by the proxy's port."""
    desk = Desk("cluster", tmp_path)
    address = urlsplit(desk.environment["DATABASE_URL"])
    host = f"{address.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"
    desk.environment["DATABASE_URL"] = address._replace(netloc=host, query="sslmode=disable").geturl()
    try:
        desk.set_up()
        desk.start_web()
        desk.start_worker()
        yield desk
    finally:
        desk.close()


def rows(desk: Desk) -> list[dict[str, Any]]:
    """All upscales, asked past the proxy."""
    url = services_available.POSTGRES_URL.rpartition("/")[0] + f"/{desk.database}"
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute("SELECT * FROM upscaler_upscale ORDER BY id").fetchall()


def is_cut(commit: Commit) -> bool:
    return SUBMIT in commit.sql or bool(FINISH.search(commit.sql))


def order_all(desk: Desk, token: str, shop: str) -> list[requests.Response]:
    """One order each, and one repeat of each of the API's; the answers to the first."""
    browser = desk.sign_in()
    answers = []
    for number in range(PAGE):
        files = {"image": (f"page {number}.jpg", pictures.jpeg() + b"%d" % number)}
        answers.append(desk.post(browser, "/", {"model_name": "recraft"}, files=files))
    for number in range(API + WEB):
        link = f"http://{shop}/{number}.jpg"
        if number < API:
            files = {"file": (f"api {number}.jpg", pictures.jpeg() + b"api %d" % number)}
            link = desk.api("post", "uploads", token, files=files).json()["image_url"]
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"key {number}"}
        body = {"image_url": link, "model_name": "recraft"}
        for turn in range(2):
            answer = requests.post(f"{desk.url}/api/v1/generation-upscale", json=body, headers=headers, timeout=30)
            answers += [answer] if turn == 0 else []
    return answers


def test_every_upscale_has_its_files_and_its_price(desk: Desk, proxy: CuttingProxy) -> None:
    token = desk.token()
    before = desk.balance(token)
    shop = {f"/{number}.jpg": webserver.body(pictures.jpeg()) for number in range(API + WEB)}
    with webserver.serving(shop, desk.shop_port) as host:
        proxy.cut(is_cut)
        answers = order_all(desk, token, host)
        total = PAGE + API + WEB
        assert len(rows(desk)) == total, [answer.status_code for answer in answers]
        until(lambda: all(row["status"] in ("Done", "Error") for row in rows(desk)), what="all end", seconds=240)
        proxy.pass_on()

    ended = rows(desk)
    media = Path(desk.environment["MEDIA_ROOT"])
    broken = {row["id"]: gone for row in ended if (gone := [name for name in FILES if not _is_there(media, row[name])])}
    assert broken == {}, f"{len(broken)} of {total} upscales name files that are not there"
    assert [row["status"] for row in ended] == ["Done"] * total
    # Each was cut once at its submit and once at its end.
    assert sum(SUBMIT in commit.sql for commit in proxy.cuts) == total
    assert sum(SUBMIT not in commit.sql for commit in proxy.cuts) == total
    assert desk.balance(token) == before - total
    assert "OK: the ledger is right" in desk.manage("check_ledger")
    assert [answer.status_code for answer in answers] == [200] * PAGE + [503] * (API + WEB)
    for answer in answers[:PAGE]:
        assert "/batches/" in answer.url
        assert "Your picture is on the way." in answer.text
    for answer in answers[PAGE:]:
        assert "may have been taken all the same" in answer.text
        assert "Nothing was charged" not in answer.text


def _is_there(media: Path, name: str) -> bool:
    return bool(name) and (media / name).is_file()

"""A folder of a thousand pictures in Chromium with workers that are killed, and five thousand items over the API."""

from __future__ import annotations

import csv
import io
import os
import random
import re
import statistics
import struct
import sys
import threading
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from PIL import Image

from bench import report
from bench.web_servers import drawn_anew

# A bench may be run without what only tests need.
sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import ARGUMENTS, DESKTOP
from tests.support import pictures, services_available
from tests.support.live_server import Desk, descendants, until

GOOD, HOSTILE, KILLS = 1_000, 50, 5
ITEMS = 5_000
LOOKS = 20
"""How often each page is asked for; the 95th of a hundred is then the second slowest."""


def run() -> str:
    parts = []
    for mode in ("embedded", "cluster"):
        if mode == "cluster" and not (services_available.postgres() and services_available.rabbitmq()):
            parts.append("### PostgreSQL and RabbitMQ\n\n**Not measured: they do not answer.**")
            continue
        title = {"embedded": "SQLite, one machine", "cluster": "PostgreSQL and RabbitMQ"}[mode]
        with TemporaryDirectory() as folder, _desk(mode, Path(folder)) as desk:
            rows = []
            for row in chain(_folder_in_chromium(desk, Path(folder)), _items_over_the_api(desk)):
                report.progress(" | ".join(row))
                rows.append(row)
        parts.append(f"### {title}\n\n{report.table(['what', 'measured', 'goal'], rows)}")
    about = (
        "`make bench PART=batches`: whole desks in processes of their own, real pictures of 24 to 40 pixels a side, "
        "the local engine, and headless Chromium. Memory is the largest resident size of one web process."
    )
    return "\n\n".join([about, *parts])


@contextmanager
def _desk(mode: str, folder: Path) -> Iterator[Desk]:
    place = folder / "run" / mode
    place.mkdir(parents=True)
    desk = Desk(mode, place)
    try:
        desk.set_up()
        desk.start_web()
        desk.start_worker()
        desk.manage("grant_credits", "--team", "demo", "--note", "For the bench", str(GOOD + 3 * ITEMS))
        yield desk
    finally:
        desk.close()


# --- The folder -----------------------------------------------------------------------------------


def _folder_in_chromium(desk: Desk, folder: Path) -> Iterator[list[str]]:
    from playwright.sync_api import sync_playwright

    path = services_available.chromium()
    if path is None:
        yield ["a folder in Chromium", "**not measured: there is no Chromium here**", ""]
        return
    top = _folder(folder / "Autumn")
    token = desk.token()
    before = desk.balance(token)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_context(**DESKTOP).new_page()
        page.set_default_timeout(600_000)
        page.goto(f"{desk.url}/accounts/login/")
        page.get_by_label("User name").fill("demo")
        page.get_by_label("Password").fill("upscale-demo")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{desk.url}/")
        began = time.monotonic()
        page.locator("#id_folder").set_input_files(top)
        page.locator("#chosen-title", has_text=f"{GOOD + HOSTILE:,} chosen pictures").wait_for()
        page.locator("#cost[data-settled]").wait_for(state="attached")
        report.progress(f"{desk.mode}: all are on the desk after {time.monotonic() - began:.0f} s")
        yield [f"{GOOD + HOSTILE:,} files of a folder sent and looked at", f"{time.monotonic() - began:.0f} s", ""]
        counted = re.findall(r"[\d,]+ (?:will be sent|can|is|are)[^,.]*", page.locator("#cost").inner_text())
        yield ["the list says", "; ".join(counted), f"{GOOD:,} are sent"]
        page.get_by_test_id("submit").click()
        page.wait_for_url(re.compile("/batches/"))
        number = int(page.url.rstrip("/").rpartition("/")[2])
        browser.close()
    yield ["clicks from the sign-in", "choose a folder, its dialogue, send", "3"]
    began = time.monotonic()
    _with_kills(desk, lambda: _counts(desk, token, number))
    seconds = time.monotonic() - began
    yield [f"{GOOD:,} enlarged, the workers killed {KILLS} times", f"{seconds:.0f} s", "all end"]
    yield from _accounts(desk, token, number, before)


def _folder(top: Path) -> Path:
    """``GOOD`` small pictures of all sizes and ``HOSTILE`` files of ten bad kinds, in nested folders."""
    chance = random.Random(12)
    for number in range(GOOD):
        place = top / f"{number % 10}" / ("white" if number % 3 else "red")
        place.mkdir(parents=True, exist_ok=True)
        size = (24 + number % 17, 24 + number % 13)
        picture = pictures.photograph("coffee").resize((120, 90)).crop((number % 60, number % 40, 120, 90)).resize(size)
        ending, kind = (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"))[number % 3]
        picture.putpixel((0, 0), (number % 256, number // 256, chance.randrange(256)))
        picture.save(place / f"{48_000 + number}_look_{number % 5}.{ending}", kind)
    for number in range(HOSTILE):
        (top / f"bad {number:02}.jpg").write_bytes(_hostile(number))
    return top


def _hostile(number: int) -> bytes:
    whole = pictures.jpeg((48, 36))
    head = b"\x89PNG\r\n\x1a\n"
    body = b"IHDR" + struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = head + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    frames = io.BytesIO()
    moving = [Image.new("L", (9, 9), 4 * shade) for shade in range(60)]
    moving[0].save(frames, "GIF", save_all=True, append_images=moving[1:])
    kinds = [
        b"",
        b"This is no picture at all",
        whole[:150],
        whole[2:],
        bomb,
        frames.getvalue(),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"%PDF-1.7\n%\xe2\xe3",
        b"\xff\xd8\xff" + b"\xff\xe0\x00\x02" * 60_000,
        b"II*\0\x08\0\0\0" + b"\xff" * 400,
    ]
    # Of each kind several, that differ: the same again would be told as a duplicate.
    return kinds[number % len(kinds)] + (b"%d" % number if number % len(kinds) else b"")


def _with_kills(desk: Desk, counts: Callable[[], dict[str, int]]) -> None:
    """Wait for the end of a batch, and kill all workers each time when some more of it is done."""
    for turn in range(KILLS):
        at = (turn + 1) * GOOD // (KILLS + 2)

        def is_there(at: int = at) -> bool:
            return counts()["Done"] >= at

        until(is_there, what=f"{at} are done", seconds=1800)
        desk.kill_worker()
        desk.start_worker()
        report.progress(f"{desk.mode}: killed at {at}")
    until(lambda: not counts()["Created"] + counts()["Ongoing"], what="the batch ends", seconds=3600)


def _counts(desk: Desk, token: str, number: int) -> dict[str, int]:
    found: dict[str, int] = desk.api("get", f"batches/{number}", token, timeout=120).json()["counts"]
    return found


def _accounts(desk: Desk, token: str, number: int, before: int) -> Iterator[list[str]]:
    """Hold the ZIP, its manifest, the ledger and the batch's figures against one another."""
    web = _Memory(desk)
    with web:
        began = time.monotonic()
        answer = desk.api("get", f"batches/{number}/results.zip", token, stream=True, timeout=600)
        stream = answer.iter_content(1 << 16)
        content = io.BytesIO(next(stream))
        first = time.monotonic() - began
        content.seek(0, os.SEEK_END)
        for part in stream:
            content.write(part)
        seconds = time.monotonic() - began
    yield [
        f"ZIP of {GOOD:,} results, {len(content.getvalue()) / 1e6:.0f} MB",
        f"first byte after {first:.2f} s, all in {seconds:.1f} s, memory grew by {web.growth:.0f} MB",
        "1 s, 50 MB",
    ]
    with zipfile.ZipFile(content) as archive:
        lines = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
        files = {line["file"] for line in lines if line["file"]}
        wrong = 0
        for line in lines:
            if line["file"]:
                with Image.open(io.BytesIO(archive.read(line["file"]))) as picture:
                    wrong += f"{picture.width} × {picture.height}" != line["result size"]
        is_whole = sorted(archive.namelist()) == sorted(["manifest.csv", *files])
    statuses = Counter(line["status"] for line in lines)
    charged = sum(int(line["credits"]) for line in lines)
    yield ["rows of the manifest", f"{len(lines):,}: {dict(statuses)}; files as named: {is_whole}", f"{GOOD:,} ready"]
    yield ["results of another size than the manifest's", str(wrong), "0"]
    spent = before - desk.balance(token)
    yield ["credits: the manifest's sum, the balance's fall", f"{charged:,} and {spent:,}", "equal"]
    yield ["`check_ledger`", desk.manage("check_ledger").strip().splitlines()[-1], "OK"]


# --- Five thousand --------------------------------------------------------------------------------


def _items_over_the_api(desk: Desk) -> Iterator[list[str]]:
    token = desk.token()
    few = _links(desk, token, 50)
    desk.stop_worker()
    small = _order(desk, token, few[:50], "few")[0]
    pages_before = _pages(desk, small)
    many = [{"image_url": few[number % len(few)]["image_url"], "sku": f"{number:05}"} for number in range(ITEMS)]
    with _Memory(desk) as web:
        began = time.monotonic()
        number, seconds = _order(desk, token, many, "many")
        assert time.monotonic() - began >= seconds
    yield [
        f"{ITEMS:,} items over the API",
        f"{seconds:.1f} s, web {web.largest:.0f} MB",
        "30 s, 300 MB for each process",
    ]
    pages_after = _pages(desk, number)
    for name, before in pages_before.items():
        yield [
            f"{name}: p95 with 50 and with {ITEMS:,} items",
            f"{before * 1000:.0f} and {pages_after[name] * 1000:.0f} ms: {pages_after[name] / before:.2f} times",
            "1.5 times",
        ]
    desk.start_worker()
    other = desk.token_of_new_team()
    began = time.monotonic()
    one = desk.submit(other, pictures.jpeg((24, 20)) + os.urandom(8), model_name="recraft")
    until(lambda: desk.generation(other, one)["status"] != "Created", what="another team's picture begins", seconds=300)
    yield [
        f"another team's picture begins, {ITEMS:,} waiting",
        f"after {time.monotonic() - began:.1f} s",
        "at hand + 1",
    ]
    began = time.monotonic()
    answer = desk.api("post", f"batches/{number}/cancel", token, timeout=300)
    assert answer.ok, answer.text
    yield [f"{ITEMS:,} cancelled and refunded", f"{time.monotonic() - began:.1f} s", ""]
    yield ["`check_ledger`", desk.manage("check_ledger").strip().splitlines()[-1], "OK"]


def _links(desk: Desk, token: str, count: int) -> list[dict[str, str]]:
    found = []
    for number in range(count):
        files = {"file": (f"{number}.jpg", pictures.jpeg((24, 20)) + b"%d" % number)}
        found.append({"image_url": desk.api("post", "uploads", token, files=files).json()["image_url"]})
    return found


def _order(desk: Desk, token: str, items: list[dict[str, str]], key: str) -> tuple[int, float]:
    body = {"model_name": "recraft", "name": key, "items": items}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"bench {key}"}
    began = time.monotonic()
    answer = requests.post(f"{desk.url}/api/v1/batches", json=body, headers=headers, timeout=600)
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()["batch_id"], time.monotonic() - began


def _pages(desk: Desk, batch: int) -> dict[str, float]:
    browser = desk.sign_in()
    found = {}
    for name, path in {"batch page": f"/batches/{batch}/", "history": "/history/"}.items():
        times = []
        for _ in range(LOOKS + 2):
            began = time.monotonic()
            assert browser.get(desk.url + path, headers=drawn_anew(), timeout=60).ok
            times.append(time.monotonic() - began)
        found[name] = statistics.quantiles(times[2:], n=20)[-1]
    return found


class _Memory:
    """The resident memory of the desk's web processes while something is done: megabytes."""

    def __init__(self, desk: Desk) -> None:
        assert desk.web is not None
        self._pids = [desk.web.pid, *descendants(desk.web.pid)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.first: dict[int, float] = {}
        self.most: dict[int, float] = {}

    def __enter__(self) -> _Memory:
        self.first = self._now()
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def largest(self) -> float:
        """Of the largest process."""
        return max(self.most.values())

    @property
    def growth(self) -> float:
        """Of the process that grew most."""
        return max(self.most[pid] - self.first[pid] for pid in self.first)

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            for pid, now in self._now().items():
                self.most[pid] = max(now, self.most.get(pid, 0.0))

    def _now(self) -> dict[int, float]:
        found = {}
        for pid in self._pids:
            text = Path(f"/proc/{pid}/status").read_text()
            found[pid] = int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1000  # type: ignore[index]
        return found

"""How many calls and pages a second the desk answers, against a bare Django view that takes turns with it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from PIL import Image

from bench import desk_databases as databases
from bench import report
from bench.web_servers import desk_server, drawn_anew, server

SIZES = tuple(int(size) for size in os.environ.get("LOAD_SIZES", "1000,100000").split(","))
SECONDS = float(os.environ.get("LOAD_SECONDS", "1"))
"""Of each turn."""
ROUNDS = int(os.environ.get("LOAD_ROUNDS", "9"))
KINDS = tuple(os.environ.get("LOAD_DATABASES", "SQLite,PostgreSQL").split(","))
WEB_PROCESSES = 2
CONNECTIONS = 32
ITEMS = 5_000
POLLED = 50
"""Upscales whose status is asked for in turns: programs ask for the same ones again and again."""
LOOKS = 40
SCRIPT = Path(__file__).with_name("requests.lua")
HISTORY, LAST_PAGE = "history page", "API list, last page to first"
GOALS = {"status poll": 0.6, "single submit": 0.15, HISTORY: 0.2}
"""At least so much of the bare view."""
ITEMS_GOAL, LAST_PAGE_GOAL, P95_GOAL = 200, 2.0, 1.5


@dataclass(frozen=True)
class Asked:
    """One kind of request; ``paths`` take turns."""

    paths: list[str]
    headers: dict[str, str]
    method: str = "GET"
    body: bytes | None = None
    is_anew: bool = False
    """Whether no answer may be one that was kept."""


@dataclass(frozen=True)
class Answered:
    """How requests of one kind went."""

    per_second: float
    p95_ms: float
    failed: int


def run() -> str:
    """Measure all; Markdown."""
    if shutil.which("wrk") is None:
        return "**Not measured: there is no `wrk` here, which asks (`apt-get install wrk`).**"
    parts = []
    for kind in KINDS:
        if kind == "PostgreSQL" and not databases.postgres_answers():
            parts.append(f"### {kind}\n\n**Not measured: no PostgreSQL answers at `TEST_POSTGRES_URL`.**")
            continue
        found = {size: _measured(kind, size) for size in SIZES}
        parts.append(f"### {kind}\n\n{_table(found)}")
    about = (
        "`make bench PART=load`; `LOAD_SIZES=1000,1000000 LOAD_SECONDS=5 LOAD_ROUNDS=5 LOAD_DATABASES=PostgreSQL` "
        f"before it measures others. gunicorn with {WEB_PROCESSES} processes serves the desk, and gunicorn with as "
        "many a Django project that has one view, which answers three fields as JSON, and neither middleware nor "
        f"database. They take turns of {SECONDS:g} s, {ROUNDS} times, with {CONNECTIONS} connections of `wrk` on the "
        "same machine, so that web server, database and `wrk` share its cores; the medians of all turns count. What is "
        "only read is asked for a second before it counts, so pages and polls are of what has not changed since. No "
        "worker runs. Submits are of one picture, uploaded before or sent along, which the desk looks at. A live poll "
        "is of a history in which nothing changed, as a browser asks again. Answers in ms are of one connection, "
        f"{LOOKS} of them: the 95th of a hundred; and drawn anew each time."
    )
    return "\n\n".join([about, *parts])


def _measured(kind: str, size: int) -> dict[str, Any]:
    of_desk = databases.environment(kind, size) | {"API_RATE": "100000000/min", "LOG_LEVEL": "INFO"}
    with TemporaryDirectory() as folder:
        of_desk |= {"STATIC_ROOT": f"{folder}/static", "WEB_CONCURRENCY": f"{WEB_PROCESSES}"}
        try:
            databases.fill(kind, size, of_desk)
            databases.manage(of_desk, "collectstatic", "--noinput", "--verbosity", "0")
            facts = json.loads(_python(of_desk, "-m", "bench.load_facts"))
            bare = ["bench.bare", "--workers", f"{WEB_PROCESSES}", "--threads", "24", "--log-level", "warning"]
            with desk_server(of_desk) as desk_url, server(bare, dict(os.environ), "/") as bare_url:
                report.progress(f"{kind}, {size:,}: measuring")
                return _asked(desk_url, bare_url, facts, Path(folder))
        finally:
            databases.drop(kind, size)


def _asked(desk: str, bare_url: str, facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    token = {"Authorization": f"Bearer {facts['token']}"}
    browser = {"Cookie": facts["cookie"]}
    found: dict[str, Any] = {}
    # As a browser and a desk that have had their first pages already.
    for _ in range(2 * WEB_PROCESSES):
        page = requests.get(f"{desk}/history/", headers=browser, timeout=60)
        page.raise_for_status()
    [cookie] = page.cookies.items()
    browser["Cookie"] += "; {}={}".format(*cookie)
    found["p95 ms"] = _p95(f"{desk}/history/", browser)
    first = f"{desk}/api/v1/generations?items_per_page=100"
    pages = requests.get(first, headers=token, timeout=60).json()["max_page"]
    last = f"{first}&page={pages}"
    found["pages"] = pages
    found[LAST_PAGE] = _median(last, token) / _median(first, token)
    image_url = _upload(desk, token, 0)
    batch, found["items per second"] = _order_many(desk, token)
    form, content_type = _form()
    order = json.dumps({"model_name": "recraft", "image_url": image_url}).encode()
    kinds = {
        "status poll": Asked([f"/api/v1/generation/{number}" for number in facts["results"][:POLLED]], token),
        "single submit": Asked(
            ["/api/v1/generation-upscale"], token | {"Content-Type": "application/json"}, "POST", order
        ),
        "single submit with its file": Asked(
            ["/api/v1/generation-upscale"], token | {"Content-Type": content_type}, "POST", form
        ),
        HISTORY: Asked(["/history/"], browser),
        f"{HISTORY}, drawn anew": Asked(["/history/"], browser, is_anew=True),
        "batch page": Asked([f"/batches/{batch}/"], browser),
    }
    found_in_turn = _in_turn(desk, bare_url, kinds, browser, folder)
    # One turn says little: how connections and threads fall out makes it two times quicker or slower.
    bare = statistics.median(base.per_second for turns in found_in_turn.values() for _, base in turns)
    for name, turns in found_in_turn.items():
        per_second = statistics.median(answered.per_second for answered, _ in turns)
        found[name] = {
            "per second": per_second,
            "share": per_second / bare,
            "failed": sum(answered.failed for answered, _ in turns),
        }
    return found | {"bare": bare}


def _in_turn(
    desk: str, bare_url: str, kinds: Mapping[str, Asked], browser: dict[str, str], folder: Path
) -> dict[str, list[tuple[Answered, Answered]]]:
    """Of each kind the turns of the desk, each with the bare view's around it."""
    turns: dict[str, list[tuple[Answered, Answered]]] = {}
    for _ in range(ROUNDS):
        for name in (*kinds, "live poll, nothing new"):
            # What has nothing new must be looked at after the last order.
            asked = kinds.get(name) or _live(desk, browser)
            base = _wrk(bare_url, Asked(["/"], {}), folder)
            if asked.method == "GET":
                # What the orders of the turn before have changed is drawn anew, by every thread at once.
                _wrk(desk, asked, folder, seconds=1)
            answered = _wrk(desk, asked, folder)
            turns.setdefault(name, []).append((answered, base))
            report.progress(f"{name}: {answered.per_second:.0f} of {base.per_second:.0f} a second")
    return turns


def _live(desk: str, browser: dict[str, str]) -> Asked:
    """What the history's page asks again and again, as the address on it says and with what it was last told."""
    page = requests.get(f"{desk}/history/?status=Done", headers=browser, timeout=60).text
    [path] = re.findall(r'hx-get="([^"]+)"', page)
    path = path.replace("&amp;", "&") + "&live=1"
    told = requests.get(desk + path, headers=browser, timeout=60).text
    [seen] = re.findall(r'name="seen" value="([^"]+)"', told)
    return Asked([f"{path}&seen={seen}"], browser)


def _wrk(url: str, asked: Asked, folder: Path, seconds: float = SECONDS) -> Answered:
    paths, body = folder / "paths", folder / "body"
    paths.write_text("\n".join(asked.paths) + "\n")
    body.write_bytes(asked.body or b"")
    headers = [part for name, value in asked.headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "30s", *headers]
    last = [str(body)] if asked.body else ["anew"] if asked.is_anew else []
    command += ["-s", str(SCRIPT), url, "--", asked.method, str(paths), *last]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    return Answered((said["requests"] - said["failed"]) / said["seconds"], said["p95_ms"], said["failed"])


def _picture(number: int) -> bytes:
    content = io.BytesIO()
    Image.linear_gradient("L").resize((48 + number, 40)).convert("RGB").save(content, "JPEG")
    return content.getvalue()


def _form() -> tuple[bytes, str]:
    """An order with its file, and its content type."""
    prepared = requests.Request(
        "POST", "http://desk/", data={"model_name": "recraft"}, files={"file": ("shirt.jpg", _picture(0))}
    ).prepare()
    assert isinstance(prepared.body, bytes)
    return prepared.body, prepared.headers["Content-Type"]


def _upload(desk: str, token: dict[str, str], number: int) -> str:
    files = {"file": (f"{number}.jpg", _picture(number))}
    answer = requests.post(f"{desk}/api/v1/uploads", headers=token, files=files, timeout=60)
    return str(answer.json()["image_url"])


def _order_many(desk: str, token: dict[str, str]) -> tuple[int, float]:
    """A batch of ``ITEMS``: its number, and how many of them were ordered a second."""
    uploaded = [_upload(desk, token, number) for number in range(50)]
    items = [{"image_url": uploaded[number % 50], "sku": f"{number:05}"} for number in range(ITEMS)]
    body = {"model_name": "recraft", "name": "Many", "items": items}
    began = time.monotonic()
    answer = requests.post(f"{desk}/api/v1/batches", json=body, headers=token, timeout=600)
    seconds = time.monotonic() - began
    return answer.json()["batch_id"], ITEMS / seconds


def _median(url: str, headers: dict[str, str]) -> float:
    return statistics.median(_times(url, headers, LOOKS // 4))


def _p95(url: str, headers: dict[str, str]) -> float:
    return statistics.quantiles(_times(url, headers, LOOKS), n=20)[-1]


def _times(url: str, headers: dict[str, str], looks: int) -> list[float]:
    """Milliseconds of each, after two to warm up."""
    times = []
    with requests.Session() as session:
        for _ in range(looks + 2):
            began = time.monotonic()
            session.get(url, headers=headers | drawn_anew(), timeout=60).raise_for_status()
            times.append(1000 * (time.monotonic() - began))
    return times[2:]


def _table(found: Mapping[int, Mapping[str, Any]]) -> str:
    """One row of each kind, the sizes side by side; goals are judged at the largest."""
    largest = found[max(found)]
    rows: list[list[str]] = []
    for name, of_largest in largest.items():
        if not isinstance(of_largest, dict):
            continue
        goal = GOALS.get(name)
        judged = f"{goal:.0%}: {report.verdict(of_largest['share'], goal)}" if goal else ""
        rows.append([name, *(_share(of_size[name]) for of_size in found.values()), judged])
    rows.append(["the bare view", *(f"{of_size['bare']:.0f}/s" for of_size in found.values()), ""])
    rate = largest["items per second"]
    rows.append(
        [
            f"a batch of {ITEMS:,}, rows ordered",
            *(f"{of_size['items per second']:.0f}/s" for of_size in found.values()),
            f"{ITEMS_GOAL}/s: {report.verdict(rate, ITEMS_GOAL)}",
        ]
    )
    rows.append(
        [
            LAST_PAGE,
            *(f"{of_size[LAST_PAGE]:.2f} times, {of_size['pages']:,} pages" for of_size in found.values()),
            f"{LAST_PAGE_GOAL:g} times: {report.verdict(largest[LAST_PAGE], LAST_PAGE_GOAL, at_most=True)}",
        ]
    )
    ratio = largest["p95 ms"] / found[min(found)]["p95 ms"]
    rows.append(
        [
            f"{HISTORY}, p95",
            *(f"{of_size['p95 ms']:.0f} ms" for of_size in found.values()),
            f"{P95_GOAL:g} times: {ratio:.2f}, {report.verdict(ratio, P95_GOAL, at_most=True)}",
        ]
    )
    return report.table(["what", *(f"{size:,} upscales" for size in found), "goal"], rows)


def _share(of_kind: Mapping[str, Any]) -> str:
    failed = f", **{of_kind['failed']} failed**" if of_kind["failed"] else ""
    return f"{of_kind['per second']:.0f}/s, {of_kind['share']:.0%}{failed}"


def _python(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

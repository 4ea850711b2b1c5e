"""How the memory of each of the desk's processes goes over an hour of work."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import requests

from bench import report
from bench.live_page import LivePage
from bench.whole_desk import in_each_mode, whole_desk
from tests.support import pictures
from tests.support.live_server import Desk, command_of, descendants

MINUTES = float(os.environ.get("MEMORY_MINUTES", "60"))
MODES = tuple(os.environ.get("MEMORY_MODES", "embedded").split(","))
EVERY = 10.0
"""Seconds between two orders."""
SIZES = ((64, 80), (96, 120), (160, 128), (200, 260), (320, 240))
MODELS = ("recraft", "recraft", "recraft", "topaz")
PAGES = ("/", "/history/?layout=list", "/history/?q=7", "/history/?status=Done", "/history/?group=batch")
BATCH_EVERY, BATCH_SIZE = 60, 5
"""Orders between two batches over the API, and their rows."""


@dataclass
class Process:
    """One process that lived from the first sample on, or came later."""

    role: str
    minutes: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    pss: list[float] = field(default_factory=list)


def run() -> str:
    """Work for ``MINUTES``; Markdown."""
    about = (
        "`make bench PART=memory`, an hour; `MEMORY_MINUTES=20 MEMORY_MODES=embedded,cluster` "
        f"before it measures others. A whole desk with the local engine: a new picture of one of {len(SIZES)} sizes is "
        f"ordered every {EVERY:g} s, one in four with topaz, every {BATCH_EVERY} orders also a batch of {BATCH_SIZE}; "
        "its status is asked for each second until it ends, a browser polls the history every 2 s, and opens a page "
        "with each order. Once a minute the kernel says what each process has: RSS counts all its pages, PSS those it "
        "shares with others in parts. The slope is that of the line through the PSS of the second half. Processes "
        "that came and went, each for one picture, are not in the table."
    )
    return "\n\n".join([about, *in_each_mode(MODES, _measured)])


def _measured(mode: str) -> str:
    with whole_desk(mode, credits=1_000_000) as desk:
        desk.start_worker()
        traffic = Traffic(desk)
        processes: dict[int, Process] = {}
        began = time.monotonic()
        sampled = -60.0
        while (passed := time.monotonic() - began) < 60 * MINUTES:
            if passed - sampled >= 60:
                sampled = passed
                _sample(desk, passed / 60, processes)
                report.progress(f"{mode}, minute {passed / 60:.0f}: {_told(processes)}; {traffic.told()}")
            traffic.turn()
        _sample(desk, (time.monotonic() - began) / 60, processes)
        return f"{report.table(HEAD, _rows(processes))}\n\n{traffic.told()}."


class Traffic:
    """What a few people and one program do, in turns of ``EVERY`` seconds."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._token = desk.token()
        self._browser = desk.sign_in()
        self._numbers = count()
        self._history = LivePage(self._browser, desk.url, "/history/")
        self.orders = self.polls = self.pages = self.failed = 0

    def turn(self) -> None:
        """Order, follow it, look at a page."""
        until = time.monotonic() + EVERY
        number = next(self._numbers)
        try:
            self._order(number, until)
        except (requests.RequestException, AssertionError) as error:
            self.failed += 1
            report.progress(f"a call failed: {error}")
        time.sleep(max(0.0, until - time.monotonic()))

    def _order(self, number: int, until: float) -> None:
        pixels = pictures.photograph("coffee").resize(SIZES[number % len(SIZES)])
        pixels.putpixel((0, 0), (number % 256, number // 256 % 256, 9))
        content = pictures.encoded(pixels)
        order = self._desk.submit(self._token, content, f"{number}.jpg", model_name=MODELS[number % len(MODELS)])
        self.orders += 1
        if number % BATCH_EVERY == BATCH_EVERY - 1:
            self._batch(content)
        self._open(PAGES[number % len(PAGES)])
        self._history.open()
        self.pages += 1
        is_open = True
        while is_open and time.monotonic() < until:
            is_open = self._desk.generation(self._token, order)["status"] in ("Created", "Ongoing")
            self.polls += 1
            self._history.poll()
            self.polls += 1
            time.sleep(1)
        self._open(f"/upscales/{order}/")

    def _batch(self, content: bytes) -> None:
        items = []
        for place in range(BATCH_SIZE):
            files = {"file": (f"{place}.jpg", content + b"%d" % place)}
            link = self._desk.api("post", "uploads", self._token, files=files).json()["image_url"]
            items.append({"image_url": link, "sku": f"{place}"})
        body = {"model_name": "recraft", "name": "Five", "items": items}
        answer = self._desk.api("post", "batches", self._token, json=body)
        assert answer.ok, answer.text
        self.orders += BATCH_SIZE
        self._open(f"/batches/{answer.json()['batch_id']}/")

    def _open(self, path: str) -> None:
        answer = self._browser.get(self._desk.url + path, timeout=60)
        assert answer.ok, f"{path} answers {answer.status_code}"
        self.pages += 1

    def told(self) -> str:
        """What was done so far, as a sentence without its full stop."""
        return (
            f"{self.orders:,} pictures were ordered, {self.pages:,} pages opened, {self.polls:,} polls answered, "
            f"{self.failed:,} calls failed"
        )


HEAD = ["process", "MB after 1 minute: RSS, PSS", "half-way", "at the end", "most", "slope of PSS, MB an hour"]


def _sample(desk: Desk, minute: float, processes: dict[int, Process]) -> None:
    assert desk.web is not None
    assert desk.worker is not None
    for root in (desk.web.pid, desk.worker.pid):
        for pid in (root, *descendants(root)):
            try:
                said = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            sizes = {name: int(kilobytes) / 1000 for name, kilobytes in re.findall(r"(\w+):\s+(\d+) kB", said)}
            if "Rss" not in sizes:
                continue
            process = processes.setdefault(pid, Process(_role(pid, is_root=pid == root)))
            process.minutes.append(minute)
            process.rss.append(sizes["Rss"])
            process.pss.append(sizes["Pss"])


def _role(pid: int, *, is_root: bool) -> str:
    command = command_of(pid)
    if "gunicorn" in command:
        return "web server, parent" if is_root else "web process"
    if "runworker" in command:
        return "workers' parent"
    if found := re.search(r"queue_worker (\w+)", command):
        return f"{found[1]} worker"
    if "engines.local" in command:
        return "local engine"
    return "reader of pictures" if "sandbox" in command else "other"


def _rows(processes: Mapping[int, Process]) -> Iterator[list[str]]:
    last = max(process.minutes[-1] for process in processes.values())
    for _, process in sorted(processes.items()):
        # The first sample is of a process that may not have had its first picture yet.
        if process.minutes[-1] < last or last - process.minutes[0] < last / 2 or len(process.minutes) < 3:
            continue
        middle = len(process.minutes) // 2
        yield [
            process.role,
            *(f"{process.rss[place]:.0f}, {process.pss[place]:.0f}" for place in (1, middle, -1)),
            f"{max(process.rss):.0f}, {max(process.pss):.0f}",
            f"{60 * _slope(process.minutes[middle:], process.pss[middle:]):+.1f}",
        ]


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    return statistics.linear_regression(xs, ys).slope if len(xs) > 1 else 0.0


def _told(processes: Mapping[int, Process]) -> str:
    return ", ".join(f"{process.role} {process.pss[-1]:.0f}" for _, process in sorted(processes.items()))

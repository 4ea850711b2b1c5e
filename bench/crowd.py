"""What fifty open pages ask of the desk, how soon they are answered, and what is left for others."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from bench import report
from bench.live_page import LivePage
from bench.web_servers import drawn_anew
from bench.whole_desk import in_each_mode, order_many, web_seconds, whole_desk
from tests.support.live_server import Desk

BROWSERS = int(os.environ.get("CROWD_BROWSERS", "50"))
SECONDS = float(os.environ.get("CROWD_SECONDS", "60"))
"""Of each turn."""
MODES = tuple(os.environ.get("CROWD_MODES", "embedded,cluster").split(","))
BATCH = 2_000
"""Pictures that are worked on while the crowd looks: more than are done meanwhile."""


@dataclass
class Heard:
    """How the requests of one turn went."""

    polls: list[float] = field(default_factory=list)
    """Milliseconds of each."""
    unchanged: int = 0
    failed: int = 0
    others: list[float] = field(default_factory=list)
    """Milliseconds of another person's pages, one after the other."""
    web_seconds: float = 0.0
    """Of one core, that the web server used."""


def run() -> str:
    """Measure all; Markdown."""
    about = (
        f"`make bench PART=crowd`. {BROWSERS} browsers, each signed in by itself, have the history or an open batch "
        "open and ask what `static/js/live.js` asks, when it asks: every 2 s where something is unfinished, else every "
        "10 s. Programs over HTTP do so, with the cookies and headers of htmx. Another person opens the history again "
        f"and again meanwhile. Turns of {SECONDS:g} s: nobody else looks; the crowd looks and nothing is at work; the "
        f"crowd looks at a batch of {BATCH:,} that the workers enlarge, half of it at the batch's page. All share the "
        "machine, the programs that ask too. Cores are those that the web server's processes used."
    )
    return "\n\n".join([about, *in_each_mode(MODES, _measured)])


def _measured(mode: str) -> str:
    with whole_desk(mode, credits=2 * BATCH) as desk:
        token = desk.token()
        order_many(desk, token, 30)
        desk.start_worker()
        _until_all_ended(desk, token)
        sessions = [desk.sign_in() for _ in range(BROWSERS + 1)]
        turns = {"nobody else": _turn(desk, sessions, [])}
        turns["crowd, nothing at work"] = _turn(desk, sessions, ["/history/"] * BROWSERS)
        [batch] = order_many(desk, token, BATCH)
        pages = ["/history/" if number % 2 else f"/batches/{batch}/" for number in range(BROWSERS)]
        turns["crowd, a batch at work"] = _turn(desk, sessions, pages)
        turns["nobody else, a batch at work"] = _turn(desk, sessions, [])
    head = ["turn", "polls/s", "of them unchanged", "poll, p95", "failed", "others: pages/s", "page, p95", "cores"]
    return report.table(head, [_row(name, heard) for name, heard in turns.items()])


def _turn(desk: Desk, sessions: list[requests.Session], pages: list[str]) -> Heard:
    heard, lock, end = Heard(), threading.Lock(), threading.Event()
    browsers = [
        threading.Thread(target=_browse, args=(LivePage(session, desk.url, page), place / len(pages), heard, lock, end))
        for place, (session, page) in enumerate(zip(sessions[1:], pages, strict=False))
    ]
    for browser in browsers:
        browser.start()
    # Until each has opened its page.
    end.wait(10.0 if pages else 1.0)
    with lock:
        heard.polls, heard.unchanged, heard.failed = [], 0, 0
    with _web_seconds(desk, heard):
        _look(sessions[0], desk.url, heard)
    with lock:
        end.set()
    for browser in browsers:
        browser.join()
    return heard


def _browse(page: LivePage, share: float, heard: Heard, lock: threading.Lock, end: threading.Event) -> None:
    """Ask until the end; ``share`` spreads the browsers over the seconds, as people come when they like."""
    end.wait(5 * share)
    page.open()
    while (pause := page.pause) is not None and not end.wait(pause):
        began = time.monotonic()
        try:
            changed = page.poll()
        except requests.RequestException:
            with lock:
                heard.failed += 1
            continue
        with lock:
            if not end.is_set():
                heard.polls.append(1000 * (time.monotonic() - began))
                heard.unchanged += not changed


def _look(session: requests.Session, url: str, heard: Heard) -> None:
    """Another person's pages."""
    until = time.monotonic() + SECONDS
    while (began := time.monotonic()) < until:
        session.get(f"{url}/history/", headers=drawn_anew(), timeout=60).raise_for_status()
        heard.others.append(1000 * (time.monotonic() - began))


@contextmanager
def _web_seconds(desk: Desk, heard: Heard) -> Iterator[None]:
    before = web_seconds(desk)
    yield
    heard.web_seconds = web_seconds(desk) - before


def _until_all_ended(desk: Desk, token: str) -> None:
    """Until nothing is at work any more."""
    while desk.api("get", "generations?status=Created&items_per_page=1", token).json()["total_count"]:
        time.sleep(0.5)
    while desk.api("get", "generations?status=Ongoing&items_per_page=1", token).json()["total_count"]:
        time.sleep(0.5)


def _row(name: str, heard: Heard) -> list[str]:
    polls = len(heard.polls)
    return [
        name,
        f"{polls / SECONDS:.1f}" if polls else "",
        f"{heard.unchanged / polls:.0%}" if polls else "",
        f"{statistics.quantiles(heard.polls, n=20)[-1]:.0f} ms" if polls > 1 else "",
        f"{heard.failed}",
        f"{len(heard.others) / SECONDS:.1f}",
        f"{statistics.quantiles(heard.others, n=20)[-1]:.0f} ms",
        f"{heard.web_seconds / SECONDS:.2f}",
    ]

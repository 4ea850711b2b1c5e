"""One run: clients order while things break, then all is put right, and what came of it is looked at."""

from __future__ import annotations

import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import proof
from tests.chaos.buckets import BucketDesk, BucketFaults
from tests.chaos.clients import Book, Client
from tests.chaos.desks import ChaosDesk
from tests.chaos.faults import Faults
from tests.chaos.hosts import HostFaults, HostsDesk, left_folders
from tests.chaos.outside import Outside, outside
from tests.support.live_server import until

BUCKET, HOSTS = "bucket", "hosts"
MODES = ("embedded", "cluster", BUCKET, HOSTS)
CLIENTS = 6
ENDPOINT = """
from django.contrib.auth import get_user_model
from upscaler import credits
from upscaler.models import Team, WebhookEndpoint
from upscaler.webhooks import signing
team = Team.objects.get(slug="demo")
credits.grant(team=team, amount=100000, note="For a run")
WebhookEndpoint.objects.create(team=team, created_by=get_user_model().objects.get(username="demo"), url="{url}",
    events=["generation.completed", "generation.failed"], secret=signing.new_secret(), site="{site}")
"""
OPEN = "SELECT count(*) FROM upscaler_upscale WHERE status NOT IN ('Done', 'Error')"
UNTOLD = "SELECT count(*) FROM upscaler_webhookdelivery WHERE due_at IS NOT NULL"
ENDED = "SELECT engine, status, count(*) FROM upscaler_upscale GROUP BY engine, status ORDER BY engine, status"
FAILED = "SELECT id FROM upscaler_upscale WHERE status = 'Error' AND retry_of_id IS NULL ORDER BY id"
CODES = "SELECT error_code, count(*) FROM upscaler_upscale WHERE status = 'Error' GROUP BY error_code"
RETRIES = 20
"""Failed ones that are tried again on the page."""


@dataclass
class Report:
    """What a run came to."""

    mode: str
    upscales: int
    seconds: float
    kills: int
    done: dict[str, int]
    """What was done to the desk, and how often."""
    resumed: list[float]
    """Seconds from the loss of a worker to the next one's claim."""
    answers: dict[str, int]
    ended: dict[str, int]
    too_late: int
    """Attempts whose upscale another worker had by the time they wanted to write."""
    problems: list[str]

    @property
    def median(self) -> float:
        return statistics.median(self.resumed) if self.resumed else 0.0

    @property
    def p95(self) -> float:
        return sorted(self.resumed)[int(0.95 * (len(self.resumed) - 1))] if self.resumed else 0.0


def run(mode: str, folder: Path, *, upscales: int, least_kills: int, pause: float, seed: int) -> Report:
    """Order ``upscales`` on a desk of this ``mode`` while things break, every ``pause`` seconds one of them.

    It goes on until there were ``least_kills``. The folder takes all files. The same ``seed`` draws the same things,
    but no two runs meet at the same moments.
    """
    chance = random.Random(seed)
    desk = _desk(mode, folder)
    with outside(random.Random(seed + 1)) as world:
        try:
            desk.meet(world)
            desk.set_up()
            desk.manage("shell", "-c", ENDPOINT.format(url=f"http://{world.hooks}/hooks", site=desk.url))
            desk.start_web()
            desk.start_worker()
            report = _run(desk, world, chance, upscales, least_kills, pause, seed)
            report.mode = mode
            return report
        finally:
            desk.close()


def _desk(mode: str, folder: Path) -> ChaosDesk:
    if mode == HOSTS:
        return HostsDesk(folder)
    return BucketDesk(folder) if mode == BUCKET else ChaosDesk(mode, folder)


def _faults_of(desk: ChaosDesk) -> type[Faults]:
    if isinstance(desk, HostsDesk):
        return HostFaults
    return BucketFaults if isinstance(desk, BucketDesk) else Faults


def _run(
    desk: ChaosDesk, world: Outside, chance: random.Random, upscales: int, least_kills: int, pause: float, seed: int
) -> Report:
    book, token = Book(upscales), desk.token()
    clients = [Client(number, desk.urls, token, world.shop, book, seed + number) for number in range(CLIENTS)]
    faults = _faults_of(desk)(desk, chance, pause=pause)
    began = time.monotonic()
    faults.start()
    for client in clients:
        client.start()
    _say(
        lambda: f"{len(book.ordered)} ordered, {desk.rows(OPEN)[0][0]} open, {faults.kills} kills",
        clients,
        faults,
        least_kills,
    )
    for client in clients:
        client.join()
    faults.stop()
    world.behave()
    until(lambda: desk.rows(OPEN)[0][0] == 0, what=f"all end; {desk.rows(ENDED)}", seconds=400)
    faults.end_watching()
    _try_again(desk, book)
    until(lambda: desk.rows(OPEN)[0][0] == 0, what="those that were tried again end", seconds=300)
    until(lambda: desk.rows(UNTOLD)[0][0] == 0, what="the program is told of all", seconds=400)
    found = [*book.problems, *faults.errors, *proof.problems(desk, book.ordered, world)]
    if isinstance(desk, HostsDesk):
        found += left_folders(desk)
    ended = {f"{engine} {status}": count for engine, status, count in desk.rows(ENDED)}
    ended |= {f"failed by {code}": count for code, count in desk.rows(CODES)}
    return Report(
        mode=desk.mode,
        upscales=len(book.ordered),
        seconds=time.monotonic() - began,
        kills=faults.kills,
        done=dict(faults.done),
        resumed=faults.watch.resumed,
        answers=dict(book.answers) | dict(world.vendor.failed),
        ended=ended,
        too_late=desk.log.read_text(errors="replace").count("lost its claim and stops"),
        problems=found,
    )


def _say(state: Callable[[], str], clients: list[Client], faults: Faults, least_kills: int) -> None:
    """Tell whoever waits how it stands, until all is ordered and there were kills enough."""
    pause, said_at = threading.Event(), time.monotonic()
    while any(client.is_alive() for client in clients) or faults.kills < least_kills:
        pause.wait(0.5)
        if time.monotonic() - said_at > 20:
            said_at = time.monotonic()
            print(state(), file=sys.stderr, flush=True)


def _try_again(desk: ChaosDesk, book: Book) -> None:
    """Somebody presses “Try again” twice at what failed: one order each."""
    failed = [row[0] for row in desk.rows(FAILED)][:RETRIES]
    if not failed:
        return
    browser = desk.sign_in()
    for pk in failed:
        for _ in range(2):
            page = browser.get(f"{desk.url}/upscales/{pk}/", timeout=30).text
            token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
            answer = browser.post(
                f"{desk.url}/upscales/{pk}/retry/",
                data={"csrfmiddlewaretoken": token},
                headers={"Referer": desk.url},
                timeout=30,
            )
            assert answer.ok, answer.text[:300]
    rows = desk.rows("SELECT id, retry_of_id FROM upscaler_upscale WHERE retry_of_id IS NOT NULL")
    for pk, _ in rows:
        book.note([pk])
    if len(rows) != len({retry_of for _, retry_of in rows}):
        book.problems.append("one failed upscale was tried again twice at once")

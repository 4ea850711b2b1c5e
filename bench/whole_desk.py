"""Whole desks that are measured: web server, database, queue and pictures of their own, as `make run` starts them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import report

# A bench may be run without what only tests need.
sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support import pictures, services_available
from tests.support.live_server import Desk, descendants

TITLES = {"embedded": "SQLite, one machine", "cluster": "PostgreSQL and RabbitMQ"}
MOST_ITEMS = 5_000
"""Of one batch over the API."""


@contextmanager
def whole_desk(mode: str, *, credits: int, **environment: str) -> Iterator[Desk]:
    """A desk whose web server runs, with the demo team and its ``credits``; nothing works on orders yet."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "run" / mode
        place.mkdir(parents=True)
        desk = Desk(mode, place)
        for shorter_in_tests in ("LEASE_SECONDS", "SWEEP_SECONDS"):
            desk.environment.pop(shorter_in_tests)
        desk.environment |= environment
        try:
            desk.set_up()
            desk.start_web()
            desk.manage("grant_credits", "--team", "demo", "--note", "For the bench", str(credits))
            yield desk
        finally:
            desk.close()


def in_each_mode(modes: tuple[str, ...], measured: Callable[[str], str]) -> Iterator[str]:
    """A section for each of ``modes``; one that says so where the mode's services do not answer."""
    for mode in modes:
        if mode == "cluster" and not (services_available.postgres() and services_available.rabbitmq()):
            yield f"### {TITLES[mode]}\n\n**Not measured: they do not answer.**"
            continue
        report.progress(f"{TITLES[mode]}: begins")
        yield f"### {TITLES[mode]}\n\n{measured(mode)}"


def order_many(desk: Desk, token: str, number: int, *, size: tuple[int, int] = (24, 20)) -> list[int]:
    """Order so many pictures of that ``size`` in batches over the API; the batches' ids."""
    links = []
    for place in range(min(number, 50)):
        files = {"file": (f"{place}.jpg", pictures.jpeg(size) + b"%d" % place)}
        links.append(desk.api("post", "uploads", token, files=files).json()["image_url"])
    batches = []
    for start in range(0, number, MOST_ITEMS):
        places = range(start, min(start + MOST_ITEMS, number))
        items = [{"image_url": links[place % len(links)], "sku": f"{place:05}"} for place in places]
        body = {"model_name": "recraft", "name": "Many", "items": items}
        answer = desk.api("post", "batches", token, json=body, timeout=600)
        assert answer.ok, answer.text[:500]
        batches.append(int(answer.json()["batch_id"]))
    return batches


def asked(desk: Desk, program: str) -> Any:
    """What a program in the desk's shell prints last, as it would be read from JSON."""
    return json.loads(desk.manage("shell", "--verbosity", "0", "-c", program).splitlines()[-1])


def web_seconds(desk: Desk) -> float:
    """Seconds of one core that the web server's processes have used since they were started."""
    assert desk.web is not None
    ticks = 0
    for pid in (desk.web.pid, *descendants(desk.web.pid)):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks / os.sysconf("SC_CLK_TCK")

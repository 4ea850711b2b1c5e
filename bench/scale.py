"""Whether pages and lists take as long with a million upscales as with a thousand."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any

import requests

from bench import desk_databases as databases
from bench import report
from bench.web_servers import desk_server, drawn_anew

SIZES = tuple(int(size) for size in os.environ.get("SCALE_SIZES", "1000,100000,1000000").split(","))
KINDS = tuple(os.environ.get("SCALE_DATABASES", "SQLite,PostgreSQL").split(","))
LOOKS = int(os.environ.get("SCALE_LOOKS", "60"))
"""How often each page is asked for; the 95th of a hundred counts."""
HISTORY = ("--teams", "9", "--months", "24", "--people", "20", "--in-batches", "40")
"""What `make_history` makes: the largest of nine teams has a fifth of all."""
P95_GOAL, QUERIES_GOAL, LAST_PAGE_GOAL = 1.5, 8, 2.0
NAME = "scale"


def run() -> str:
    """Measure all; Markdown."""
    about = (
        "`make bench PART=scale`; `SCALE_SIZES=1000,1000000 SCALE_LOOKS=200 SCALE_DATABASES=PostgreSQL` before it "
        "measures others, and `BENCH_KEEP=1` keeps the databases in `bench/out/` and in PostgreSQL for the next time. "
        "`manage.py make_history` makes nine teams of twenty people and two years of work, two in five pictures in "
        "batches; an admin of the largest team, which has a fifth of all, asks. One gunicorn with two processes serves "
        "each size, and the sizes take turns, one request after the other, so that what else the machine does falls on "
        f"all of them alike. ms: the 95th of a hundred of {LOOKS} answers; of the lists the median. The number of "
        "queries includes those for the session and the person."
    )
    parts = [about]
    for kind in KINDS:
        if kind == "PostgreSQL" and not databases.postgres_answers():
            parts.append(f"### {kind}\n\n**Not measured: no PostgreSQL answers at `TEST_POSTGRES_URL`.**")
            continue
        parts.append(f"### {kind}\n\n{_measured(kind)}")
    return "\n\n".join(parts)


def _measured(kind: str) -> str:
    with TemporaryDirectory() as folder, ExitStack() as opened:
        facts: dict[int, dict[str, Any]] = {}
        desks: dict[int, str] = {}
        for size in SIZES:
            of_desk = databases.environment(kind, size, NAME) | {"API_RATE": "100000000/min"}
            of_desk |= {"STATIC_ROOT": f"{folder}/static", "WEB_CONCURRENCY": "2"}
            opened.callback(databases.drop, kind, size, NAME)
            databases.fill(kind, size, of_desk, *HISTORY)
            if size == SIZES[0]:
                databases.manage(of_desk, "collectstatic", "--noinput", "--verbosity", "0")
            command = [sys.executable, "-m", "bench.scale_facts"]
            done = subprocess.run(command, env=of_desk, capture_output=True, text=True, check=True)
            facts[size] = json.loads(done.stdout)
            desks[size] = opened.enter_context(desk_server(of_desk))
        report.progress(f"{kind}: measuring")
        return _tables(facts, _times(desks, facts))


def _times(desks: Mapping[int, str], facts: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[int, list[float]]]:
    """Of each page and list the milliseconds of its answers at each size."""
    found: dict[str, dict[int, list[float]]] = {}
    with requests.Session() as session:
        for kind in ("pages", "lists"):
            names = list(facts[SIZES[0]][kind])
            found |= {name: {size: [] for size in SIZES} for name in names}
            # The first rounds warm up both processes of each server.
            for turn in range(-4, LOOKS):
                for name in names:
                    for size in SIZES:
                        ms = _ms(session, desks[size] + facts[size][kind][name], _headers(kind, facts[size]))
                        if turn >= 0:
                            found[name][size].append(ms)
            report.progress(f"{kind} measured")
    return found


def _headers(kind: str, facts: Mapping[str, Any]) -> dict[str, str]:
    return {"Cookie": facts["cookie"]} if kind == "pages" else {"Authorization": f"Bearer {facts['token']}"}


def _ms(session: requests.Session, url: str, headers: dict[str, str]) -> float:
    # No cookie that the answer sets: one would be sent to the desk of another size.
    session.cookies.clear()
    began = time.monotonic()
    session.get(url, headers=headers | drawn_anew(), timeout=60).raise_for_status()
    return 1000 * (time.monotonic() - began)


def _tables(facts: Mapping[int, Mapping[str, Any]], times: Mapping[str, Mapping[int, list[float]]]) -> str:
    largest = max(SIZES)
    rows = []
    for name in facts[largest]["pages"]:
        p95 = {size: statistics.quantiles(times[name][size], n=20)[-1] for size in SIZES}
        ratio = p95[largest] / p95[min(SIZES)]
        queries = max(facts[size]["queries"][name] for size in SIZES)
        rows.append(
            [
                name,
                *(f"{p95[size]:.0f}" for size in SIZES),
                f"{ratio:.2f}: {report.verdict(ratio, P95_GOAL, at_most=True)}",
                f"{queries}: {report.verdict(queries, QUERIES_GOAL, at_most=True)}",
            ]
        )
    head = ["page", *(f"ms with {size:,}" for size in SIZES), f"{P95_GOAL:g} times", f"{QUERIES_GOAL} queries"]
    pages = report.table(head, rows)
    rows = []
    for size in SIZES:
        ms = {name: statistics.median(times[name][size]) for name in facts[size]["lists"]}
        ratio = ms["last"] / ms["first"]
        rows.append(
            [
                f"{size:,}, {facts[size]['of team']:,} the team's",
                *(f"{one:.0f}" for one in ms.values()),
                f"{ratio:.2f}: {report.verdict(ratio, LAST_PAGE_GOAL, at_most=True)}",
            ]
        )
    head = [
        "`GET /api/v1/generations` of",
        "ms: first page",
        "middle",
        "last",
        f"last to first, {LAST_PAGE_GOAL:g} times",
    ]
    return f"{pages}\n\n{report.table(head, rows)}"

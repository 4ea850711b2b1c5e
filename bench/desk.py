"""How long the pages take with a thousand and with a million upscales, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys

from bench import desk_databases as databases
from bench import report

SIZES = (1_000, 1_000_000)
MAX_RATIO = 3.0
PAGES = {
    "usage": "/usage/",
    "ledger": "/ledger/",
    "history": "/history/",
    "history, failed ones of one person": "/history/?status=Error&person={person}",
    "usage of all teams, for staff": "/usage/?team=all",
    "admin, all upscales": "/admin/upscaler/upscale/",
    "admin, one team's failed ones of a week": (
        "/admin/upscaler/upscale/?team__id__exact={team}&status__exact=Error&created_at__from={week}"
    ),
    "admin, one person's": "/admin/upscaler/upscale/?created_by__id__exact={person}",
    "admin, a name that is in no picture": "/admin/upscaler/upscale/?q=nowhere",
    "admin, ledger": "/admin/upscaler/creditentry/",
}
JUDGED = ("usage", "ledger")
"""Pages with a goal: at most ``MAX_RATIO`` times as long."""


def run() -> str:
    parts = []
    for kind in ("SQLite", "PostgreSQL"):
        if kind == "PostgreSQL" and not databases.postgres_answers():
            parts.append(f"### {kind}\n\n**Not measured: no PostgreSQL answers at `TEST_POSTGRES_URL`.**")
            continue
        parts.append(f"### {kind}\n\n{_measured(kind)}")
    about = (
        "`make bench PART=desk`. `manage.py make_history` makes three teams with ten people each and twelve months of "
        "work; the pages are asked for by Django's test client, signed in as an admin of the largest team, "
        "who is staff: all of the desk but the web server takes part. Medians of 15 after two to warm up; the number "
        "of queries includes those for the session and the person."
    )
    return "\n\n".join([about, *parts])


def _measured(kind: str) -> str:
    found = {}
    for size in SIZES:
        environment = databases.environment(kind, size)
        try:
            databases.fill(kind, size, environment)
            report.progress(f"{kind}: measuring with {size:,}")
            command = [sys.executable, "-m", "bench.desk_pages", json.dumps(PAGES)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found[size] = json.loads(done.stdout)
        finally:
            databases.drop(kind, size)
    return _table(found)


def _table(found: dict[int, dict[str, dict[str, float]]]) -> str:
    small, large = (found[size] for size in SIZES)
    rows = []
    for name in PAGES:
        if "missing" in large[name]:
            report.progress(f"!!! {name} WAS NOT MEASURED: {large[name]['missing']} !!!")
            rows.append([name, "**not measured**", "", "", "", ""])
            continue
        ratio = large[name]["ms"] / small[name]["ms"]
        goal = f"{MAX_RATIO:g} times: {report.verdict(ratio, MAX_RATIO, at_most=True)}" if name in JUDGED else ""
        queries = sorted({int(small[name]["queries"]), int(large[name]["queries"])})
        rows.append(
            [
                name,
                f"{small[name]['ms']:.1f}",
                f"{large[name]['ms']:.1f}",
                f"{ratio:.2f}",
                " and ".join(map(str, queries)),
                goal,
            ]
        )
    head = ["page", *(f"ms with {size:,}" for size in SIZES), "ratio", "queries", "goal"]
    return report.table(head, rows)

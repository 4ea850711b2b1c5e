"""How long the pages take with a thousand and with a million upscales, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench import report

OUT = Path(__file__).parent / "out"
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
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
        if kind == "PostgreSQL" and not _postgres_answers():
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
        url = _database(kind, size)
        environment = {
            **os.environ,
            "DATABASE_URL": url,
            "MEDIA_ROOT": str(OUT / "media"),
            "DEBUG": "false",
            "HTTPS": "false",
            "SECRET_KEY": "for-the-bench-only",
            "ALLOWED_HOSTS": "testserver",
            "LOG_LEVEL": "ERROR",
        }
        try:
            if not _is_made(size, environment):
                _manage(environment, "migrate", "--verbosity", "0")
                report.progress(f"{kind}: making {size:,} upscales")
                report.progress(_manage(environment, "make_history", "--upscales", str(size), "--i-know"))
            report.progress(f"{kind}: measuring with {size:,}")
            command = [sys.executable, "-m", "bench.desk_pages", json.dumps(PAGES)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found[size] = json.loads(done.stdout)
        finally:
            if not os.environ.get("BENCH_KEEP"):
                _drop(kind, size)
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


def _database(kind: str, size: int) -> str:
    if kind == "SQLite":
        OUT.mkdir(exist_ok=True)
        return f"sqlite:///{OUT / f'desk_{size}.sqlite3'}"
    name = f"bench_desk_{size}"
    if name not in _on_postgres("SELECT datname FROM pg_database"):
        _on_postgres(f"CREATE DATABASE {name}")
    return f"{POSTGRES.rpartition('/')[0]}/{name}"


def _drop(kind: str, size: int) -> None:
    if kind == "SQLite":
        for path in OUT.glob(f"desk_{size}.sqlite3*"):
            path.unlink()
    else:
        _on_postgres(f"DROP DATABASE IF EXISTS bench_desk_{size}")


def _on_postgres(statement: str) -> list[str]:
    import psycopg

    address = POSTGRES.replace("postgres://", "postgresql://")
    with psycopg.connect(address, autocommit=True, connect_timeout=3) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return [row[0] for row in cursor] if cursor.description else []


def _postgres_answers() -> bool:
    import psycopg

    try:
        _on_postgres("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def _is_made(size: int, environment: dict[str, str]) -> bool:
    """Whether a database that `BENCH_KEEP` left behind can be used again."""
    program = "from upscaler.models import Upscale; print(Upscale.objects.count())"
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.split()[-1:] == [str(size)]

"""The databases of desks that are measured: a made-up history in SQLite or in PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench import report

OUT = Path(__file__).parent / "out"
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


def environment(kind: str, size: int, name: str = "desk") -> dict[str, str]:
    """What a desk's processes need to work on the database; makes the database on PostgreSQL, without tables."""
    return {
        **os.environ,
        "DATABASE_URL": _database(kind, size, name),
        "MEDIA_ROOT": str(OUT / "media"),
        "DEBUG": "false",
        "HTTPS": "false",
        "SECRET_KEY": "for-the-bench-only",
        "ALLOWED_HOSTS": "testserver,127.0.0.1",
        "LOG_LEVEL": "ERROR",
    }


def fill(kind: str, size: int, of_desk: dict[str, str], *options: str) -> None:
    """Make the history of ``size`` upscales with those ``options``, unless `BENCH_KEEP` left one behind."""
    manage(of_desk, "migrate", "--verbosity", "0")
    if not _is_made(size, of_desk):
        report.progress(f"{kind}: making {size:,} upscales")
        report.progress(manage(of_desk, "make_history", "--upscales", str(size), "--i-know", *options))


def drop(kind: str, size: int, name: str = "desk") -> None:
    """Remove the database, unless `BENCH_KEEP` is set."""
    if os.environ.get("BENCH_KEEP"):
        return
    if kind == "SQLite":
        for path in OUT.glob(f"{name}_{size}.sqlite3*"):
            path.unlink()
    else:
        _on_postgres(f"DROP DATABASE IF EXISTS bench_{name}_{size}")


def postgres_answers() -> bool:
    """Whether there is a PostgreSQL at `TEST_POSTGRES_URL`."""
    import psycopg

    try:
        _on_postgres("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def manage(of_desk: dict[str, str], *arguments: str) -> str:
    """Run a management command; its output."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=of_desk, capture_output=True, text=True, check=True).stdout.strip()


def _database(kind: str, size: int, name: str) -> str:
    if kind == "SQLite":
        OUT.mkdir(exist_ok=True)
        return f"sqlite:///{OUT / f'{name}_{size}.sqlite3'}"
    database = f"bench_{name}_{size}"
    if database not in _on_postgres("SELECT datname FROM pg_database"):
        _on_postgres(f"CREATE DATABASE {database}")
    return f"{POSTGRES.rpartition('/')[0]}/{database}"


def _on_postgres(statement: str) -> list[str]:
    import psycopg

    address = POSTGRES.replace("postgres://", "postgresql://")
    with psycopg.connect(address, autocommit=True, connect_timeout=3) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return [row[0] for row in cursor] if cursor.description else []


def _is_made(size: int, of_desk: dict[str, str]) -> bool:
    program = "from upscaler.models import Upscale; print(Upscale.objects.count())"
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", program]
    done = subprocess.run(command, env=of_desk, capture_output=True, text=True, check=False)
    # What is ordered by a bench comes on top.
    return done.returncode == 0 and int((done.stdout.split() or ["0"])[-1]) >= size

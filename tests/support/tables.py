"""The tables that all migrations make, made once and copied for each database of the tests.

A copy takes no time, the migrations take many seconds, and each process of a test run needs a database of its own, as
does each desk. What is copied is kept from run to run, for as long as the migrations stay as they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from tests.support import services_available

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".pytest_cache" / "tables"
PREFIX = "upscaler_tables_"
"""Of the names of PostgreSQL's databases that are copied."""
KEEP = 5
"""Of these databases: other checkouts on this machine have others."""
LOCK = 7_461_002


def _digest() -> str:
    """What the tables depend on: the migrations, what sets up the search after them, and all packages."""
    migrations = sorted(ROOT.glob("upscaler/migrations/*.py"))
    digest = hashlib.sha256()
    for file in [*migrations, ROOT / "upscaler" / "search.py", ROOT / "requirements.lock"]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def copy_sqlite(path: Path) -> None:
    """Make the SQLite database ``path`` with all tables; what lies there is replaced."""
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{_digest()}.sqlite3"
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            for old in KEPT.glob("*.sqlite3*"):
                old.unlink()
            draft = kept.with_suffix(".draft.sqlite3")
            _migrate(f"sqlite:///{draft}")
            with closing(sqlite3.connect(draft)) as database:
                # All in the one file that is copied.
                database.execute("PRAGMA journal_mode = DELETE")
            draft.rename(kept)
        shutil.copyfile(kept, path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")


@contextlib.contextmanager
def _alone() -> Iterator[psycopg.Connection]:
    """A connection that no other process has at the same time: a database that somebody uses can't be copied."""
    with psycopg.connect(services_available.POSTGRES_URL, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield connection


def copy_postgres(name: str) -> None:
    """Make PostgreSQL's database ``name`` with all tables; one of this name is replaced."""
    kept = PREFIX + _digest()
    with _alone() as connection:
        # The newest first.
        query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY oid DESC"
        there = [row[0] for row in connection.execute(query, [PREFIX])]
        if kept not in there:
            draft = f"draft_{kept}"
            drop_postgres(draft)
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(draft)))
            _migrate(urlsplit(services_available.POSTGRES_URL)._replace(path=f"/{draft}").geturl())
            connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(draft), Identifier(kept)))
            for old in there[KEEP - 1 :]:
                drop_postgres(old)
        drop_postgres(name)
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(kept)))


def drop_postgres(name: str) -> None:
    """Remove a database of PostgreSQL, whoever uses it."""
    with psycopg.connect(services_available.POSTGRES_URL, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def _migrate(url: str) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": url, "SECRET_KEY": "for-tests-only"}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

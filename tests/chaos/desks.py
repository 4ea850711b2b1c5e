"""The desk that is put to the test: two web servers, one for each engine, before the same workers and rows."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests

from tests.support import services_available
from tests.support.cutting_proxy import CuttingProxy
from tests.support.live_server import Desk, descendants, free_port, until
from tests.support.relay import Relay
from tests.support.vendor import KEY

ENGINES = ("local", "uwear")


class ChaosDesk(Desk):
    """``mode`` embedded or cluster. Its lines to database and broker lead through proxies that can cut them."""

    def __init__(self, mode: str, folder: Path) -> None:
        super().__init__(mode, folder)
        self.urls = {"local": self.url, "uwear": f"http://127.0.0.1:{free_port()}"}
        self.webs: dict[str, subprocess.Popen[bytes]] = {}
        self.commits: CuttingProxy | None = None
        self.broker: Relay | None = None
        self.real_database = self.environment["DATABASE_URL"]
        self.environment |= {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "FIDELITY_CHECKS": "false",
            "LOOK_SECONDS": "0",
            "LOCAL_CACHE_DIR": "off",
            "UWEAR_API_KEY": KEY,
            "UWEAR_CONCURRENCY": "4",
            "UWEAR_CONNECT_TIMEOUT": "1",
            "UWEAR_READ_TIMEOUT": "3",
            "UWEAR_SETTLE_SECONDS": "4",
            # Each call fails by chance here: that says nothing of the next.
            "UWEAR_BREAKER_FAILURES": "20",
            "UWEAR_TIME_LIMIT": "120",
            "PUBLIC_URL": self.urls["uwear"],
            "FETCHES_PER_TEAM": "4",
            "TMPDIR": str(folder / "temporary"),
        }
        (folder / "temporary").mkdir()
        if mode == "cluster":
            self._go_through_proxies()

    def _go_through_proxies(self) -> None:
        database = urlsplit(self.environment["DATABASE_URL"])
        self.commits = CuttingProxy((database.hostname or "127.0.0.1", database.port or 5432))
        host = f"{database.netloc.rpartition('@')[0]}@127.0.0.1:{self.commits.port}"
        self.environment["DATABASE_URL"] = database._replace(netloc=host, query="sslmode=disable").geturl()
        broker = urlsplit(self.environment["BROKER_URL"])
        self.broker = Relay((broker.hostname or "127.0.0.1", broker.port or 5672))
        host = f"{broker.netloc.rpartition('@')[0]}@127.0.0.1:{self.broker.port}"
        self.environment["BROKER_URL"] = broker._replace(netloc=host).geturl()

    def allow(self, *hosts: str) -> None:
        """Let the desk fetch from these, beside itself. Before its processes are started."""
        own = [url.removeprefix("http://") for url in self.urls.values()]
        self.environment["FETCH_ALLOW_HOSTS"] = ",".join([*own, *hosts])

    def start_web(self) -> None:
        """Start those web servers that do not run, and wait for them."""
        missing = [engine for engine in ENGINES if engine not in self.webs]
        before = dict(self.environment)
        for engine in missing:
            self.environment |= {"ENGINE": engine, "PORT": self.urls[engine].rpartition(":")[2]}
            gunicorn = [sys.executable, "-m", "gunicorn", "config.wsgi", "--config", "config/gunicorn.py"]
            self.webs[engine] = self._start(gunicorn)
        self.environment = before
        for engine in missing:
            until(lambda url=self.urls[engine]: _is_up(url), what=f"the web server for {engine} starts", seconds=90)

    def kill_web(self, engine: str) -> None:
        """SIGKILL for a web server and its workers; `start_web` brings it back."""
        web = self.webs.pop(engine)
        for pid in (web.pid, *descendants(web.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        web.wait()

    def close(self) -> None:
        for engine in list(self.webs):
            self.kill_web(engine)
        super().close()
        for line in (self.commits, self.broker):
            if line is not None:
                line.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database says, past all proxies."""
        with self.connection() as run:
            return run(sql)

    @contextmanager
    def connection(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """A line of one's own to the database."""
        if self.mode == "embedded":
            lite = sqlite3.connect(f"file:{self.folder / 'desk.sqlite3'}?mode=ro", uri=True, timeout=30)
            try:
                yield lambda sql: lite.execute(sql).fetchall()
            finally:
                lite.close()
        else:
            with psycopg.connect(self.real_database, autocommit=True, application_name="chaos") as line:
                yield lambda sql: line.execute(sql).fetchall()  # type: ignore[call-overload]

    def end_sessions(self, share: int) -> int:
        """Have the database end every ``share``-th session of the desk's. Returns how many."""
        with psycopg.connect(services_available.POSTGRES_URL, autocommit=True) as admin:
            ended = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid %% %s = 0"
                " AND application_name <> 'chaos'",
                [self.database, share],
            )
            return len(ended.fetchall())


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.RequestException:
        return False

"""The desk that is put to the test: two web servers, one for each engine, before the same workers and rows."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import psycopg
import requests

from tests.chaos.outside import Outside
from tests.support import full_disk, services_available
from tests.support.cutting_proxy import CuttingProxy
from tests.support.live_server import Desk, free_port, kill_all, until
from tests.support.relay import Address, Relay
from tests.support.vendor import KEY

ENGINES = ("local", "uwear")
DISK = 48
"""Megabytes."""
GUNICORN = [sys.executable, "-m", "gunicorn", "config.wsgi", "--config", "config/gunicorn.py"]


class ChaosDesk(Desk):
    """``mode`` embedded or cluster. Its lines to database and broker lead through proxies that can cut them."""

    on_disks: tuple[str, ...] = ("media", "temporary")
    """The folders that get a disk of their own."""

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
        self.disks = [disk for name in self.on_disks if (disk := full_disk.mounted(folder / name, megabytes=DISK))]
        """Those of the pictures and of the temporary folder; none where nothing can be mounted."""
        if mode == "cluster":
            self._go_through_proxies()

    def _go_through_proxies(self) -> None:
        self.commits = CuttingProxy(address_of(self.environment["DATABASE_URL"], 5432))
        url = through(self.environment["DATABASE_URL"], ("127.0.0.1", self.commits.port))
        self.environment["DATABASE_URL"] = f"{url}?sslmode=disable"
        self.broker = Relay(address_of(self.environment["BROKER_URL"], 5672))
        self.environment["BROKER_URL"] = through(self.environment["BROKER_URL"], ("127.0.0.1", self.broker.port))

    def meet(self, world: Outside) -> None:
        """Let the desk know all that is around it. Before its processes are started."""
        own = [url.removeprefix("http://") for url in self.urls.values()]
        self.environment["FETCH_ALLOW_HOSTS"] = ",".join([*own, world.vendor.host, world.shop, world.hooks])
        self.environment["UWEAR_API_URL"] = world.vendor.api_url

    def start_web(self) -> None:
        """Start those web servers that do not run, and wait for them."""
        missing = [engine for engine in ENGINES if engine not in self.webs]
        for engine in missing:
            self.webs[engine] = self._start_web(engine)
        for engine in missing:
            until(lambda url=self.urls[engine]: _is_up(url), what=f"the web server for {engine} starts", seconds=90)

    def _start_web(self, engine: str) -> subprocess.Popen[bytes]:
        return self._start(GUNICORN, ENGINE=engine, PORT=self.urls[engine].rpartition(":")[2])

    def kill_web(self, engine: str) -> None:
        """SIGKILL for a web server and its workers; `start_web` brings it back."""
        kill_all(self.webs.pop(engine))

    def close(self) -> None:
        for engine in list(self.webs):
            self.kill_web(engine)
        super().close()
        for line in (self.commits, self.broker):
            if line is not None:
                line.close()
        for disk in self.disks:
            disk.unmount()

    def stored(self) -> set[str]:
        """The names of all files in the picture storage."""
        media = Path(self.environment["MEDIA_ROOT"])
        return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}

    def read(self, name: str) -> IO[bytes]:
        """One of them. Raises OSError."""
        return (Path(self.environment["MEDIA_ROOT"]) / name).open("rb")

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


def address_of(url: str, usual_port: int) -> Address:
    """Where a service listens."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or usual_port


def through(url: str, address: Address) -> str:
    """The same service, by another address."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{address[0]}:{address[1]}").geturl()


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=2).ok
    except requests.RequestException:
        return False

"""A whole desk in processes of its own: the web server and the workers, as `make run` starts them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.support import services_available, tables

ROOT = Path(__file__).resolve().parents[2]

ON_ONE_QUEUE = pytest.mark.parametrize("desk", ["embedded"], indirect=True)
"""For tests of pages and connections, which are the same whatever queue stands behind them."""

NEW_TEAM = """
from django.contrib.auth import get_user_model
from upscaler import credits
from upscaler.accounts import tokens
from upscaler.models import Membership, Team
team = Team.objects.create(name="{slug}", slug="{slug}")
user = get_user_model().objects.get(username="demo")
Membership.objects.create(team=team, user=user)
credits.grant(team=team, amount=200, note="For a test")
print(tokens.issue(team=team, user=user, name="tests")[1])
"""
NEW_MEMBER = """
from django.contrib.auth import get_user_model
from upscaler.models import Membership, Team
user = get_user_model().objects.create_user("{name}", password="upscale-demo")
Membership.objects.create(team=Team.objects.get(slug="demo"), user=user)
"""


def until(condition: Callable[[], Any], *, what: str, seconds: float = 120, every: float = 0.1) -> Any:
    """The condition's first true value. Fails with ``what`` where it stays false."""
    deadline = time.monotonic() + seconds
    tick = threading.Event()
    while time.monotonic() < deadline:
        if value := condition():
            return value
        tick.wait(every)
    raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")


class Desk:
    """One desk with a database, pictures and a port of its own. ``mode`` is ``embedded`` or ``cluster``.

    What is put into ``environment`` before `set_up` is the desk's too.
    """

    def __init__(self, mode: str, folder: Path) -> None:
        self.mode = mode
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "desk.log"
        self.shop_port = free_port()
        self.database = f"upscaler_{uuid.uuid4().hex[:12]}"
        self.vhost = ""
        self._tokens: dict[tuple[str, str], str] = {}
        self.web: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DEBUG": "false",
            "SECRET_KEY": "for-tests-only",
            "HTTPS": "false",
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": f"sqlite:///{folder / 'desk.sqlite3'}",
            "MEDIA_ROOT": str(folder / "media"),
            "TILE_CACHE_DIR": str(folder / "cache"),
            "STATIC_ROOT": str(_shared(folder) / "static"),
            "PORT": str(self.port),
            "LEASE_SECONDS": "3",
            "SWEEP_SECONDS": "1",
            "API_RATE": "100000/min",
            "FETCH_ALLOW_HOSTS": f"127.0.0.1:{self.port},127.0.0.1:{self.shop_port}",
        }
        if mode == "cluster":
            self._use_services()

    def _use_services(self) -> None:
        self.environment["DATABASE_URL"] = services_available.POSTGRES_URL.rpartition("/")[0] + f"/{self.database}"
        self.environment["TASK_BACKEND"] = "cluster"
        self.environment["BROKER_URL"] = services_available.RABBITMQ_URL
        # A virtual host of its own where that can be had, so that no other desk's worker takes our messages.
        if os.geteuid() == 0 and shutil.which("rabbitmqctl"):
            rabbit = ["rabbitmqctl", "--quiet"]
            subprocess.run([*rabbit, "add_vhost", self.database], capture_output=True, check=False)
            allow = [*rabbit, "set_permissions", "-p", self.database, "guest", ".*", ".*", ".*"]
            if subprocess.run(allow, capture_output=True, check=False).returncode == 0:
                self.vhost = self.database
                self.environment["BROKER_URL"] = services_available.RABBITMQ_URL.rstrip("/") + f"/{self.vhost}"

    def manage(self, *arguments: str) -> str:
        """Run a management command; its output."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def set_up(self) -> None:
        """Tables, static files, the demo team; by the first desk of a test run for all others on SQLite."""
        template = _shared(self.folder) / "desk.sqlite3"
        own = self.environment["DATABASE_URL"]
        with (_shared(self.folder) / "set_up.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not Path(self.environment["STATIC_ROOT"]).exists():
                self.manage("collectstatic", "--noinput", "--verbosity", "0")
            if self.mode == "embedded" and not template.exists():
                tables.copy_sqlite(template)
                self.environment["DATABASE_URL"] = f"sqlite:///{template}"
                self._make_demo()
                self.environment["DATABASE_URL"] = own
        if self.mode == "embedded":
            self._copy_database(template)
        else:
            tables.copy_postgres(self.database)
            url = services_available.POSTGRES_URL.rpartition("/")[0] + f"/{self.database}"
            with psycopg.connect(url) as connection:
                connection.execute("UPDATE upscaler_deskidentity SET identity = %s", [uuid.uuid4().hex])
            self._make_demo()

    def _make_demo(self) -> None:
        self.environment["DEBUG"] = "true"
        self.manage("make_demo")
        self.environment["DEBUG"] = "false"

    def _copy_database(self, template: Path) -> None:
        with (
            closing(sqlite3.connect(template)) as source,
            closing(sqlite3.connect(self.folder / "desk.sqlite3")) as own,
        ):
            source.backup(own)
            # Two desks with one identity would take each other's links for their own.
            own.execute("UPDATE upscaler_deskidentity SET identity = ?", [uuid.uuid4().hex])
            own.commit()
            own.execute("PRAGMA journal_mode = WAL")

    def start_web(self, path: str = "/healthz", *, every: float = 0.1) -> None:
        """Start the web server and wait until it answers at ``path``, asked every so many seconds."""
        gunicorn = [sys.executable, "-m", "gunicorn", "config.wsgi", "--config", "config/gunicorn.py"]
        self.web = self._start(gunicorn)
        what = f"the web server starts; {self.log.read_text()[-2000:]}"
        until(lambda: self._is_up(path), what=what, seconds=60, every=every)

    def stop_web(self, *, seconds: float = 60) -> None:
        """Ask the web server to stop, and wait for it: longer than it waits for the requests at hand."""
        assert self.web is not None
        self.web.terminate()
        self.web.wait(timeout=seconds)
        self.web = None

    def start_worker(self) -> None:
        self.worker = self._start([sys.executable, "manage.py", "runworker"])

    def _start(self, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """A process of the desk's. ``environment``: what it has beside, or otherwise than, the desk's own."""
        own = {**self.environment, **environment}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=own, stdout=log, stderr=log, start_new_session=True)

    def _is_up(self, path: str) -> bool:
        try:
            return requests.get(self.url + path, timeout=10).ok
        except requests.RequestException:
            return False

    def stop_worker(self) -> int:
        """Ask the worker to stop and wait for it; its exit code."""
        assert self.worker is not None
        self.worker.send_signal(signal.SIGTERM)
        code = self.worker.wait(timeout=120)
        self.worker = None
        return code

    def kill_worker(self) -> None:
        """SIGKILL for the worker and everything that it started: what a power cut leaves."""
        assert self.worker is not None
        kill_all(self.worker)
        self.worker = None

    def close(self) -> None:
        """Stop everything and remove what was made outside the folder."""
        if self.worker is not None:
            self.kill_worker()
        if self.web is not None:
            self.stop_web()
        if self.vhost:
            subprocess.run(["rabbitmqctl", "--quiet", "delete_vhost", self.vhost], capture_output=True, check=False)
        if self.mode == "cluster":
            tables.drop_postgres(self.database)

    def token(self, user: str = "demo", team: str = "demo") -> str:
        """A person's API token, made when it is first asked for."""
        if (user, team) not in self._tokens:
            made = self.manage("issue_token", "--team", team, "--user", user, "--name", "tests")
            self._tokens[user, team] = made.splitlines()[-1]
        return self._tokens[user, team]

    def token_of_new_team(self) -> str:
        """A token of a team that no other test works for, so that nothing of theirs is refunded to it meanwhile."""
        made = self.manage("shell", "-c", NEW_TEAM.format(slug=f"team-{uuid.uuid4().hex[:8]}"))
        return made.splitlines()[-1]

    def new_member(self) -> str:
        """Somebody new in the demo team, for a test that leaves choices behind which the page begins with next time."""
        name = f"person-{uuid.uuid4().hex[:8]}"
        self.manage("shell", "-c", NEW_MEMBER.format(name=name))
        return name

    def sign_in(self, user: str = "demo", password: str = "upscale-demo") -> requests.Session:
        """A browser without JavaScript, as far as forms go; `post` sends one."""
        session = requests.Session()
        self.post(session, "/accounts/login/", {"username": user, "password": password})
        return session

    def post(self, session: requests.Session, path: str, data: dict[str, Any], **options: Any) -> requests.Response:
        """Open a page and send its form."""
        page = session.get(self.url + path, timeout=30)
        token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        data = {"csrfmiddlewaretoken": token, **data}
        return session.post(self.url + path, data=data, headers={"Referer": self.url}, timeout=30, **options)

    def browse(self, method: str, path: str, cookies: dict[str, str], **options: Any) -> requests.Response:
        """One request of a signed-in browser that does not follow where it is sent."""
        headers = {"Referer": self.url}
        options = {"timeout": 120, "allow_redirects": False, **options}
        return requests.request(method, self.url + path, cookies=cookies, headers=headers, **options)

    def balance(self, token: str) -> int:
        return self.api("get", "credits", token).json()["balance"]

    def api(self, method: str, path: str, token: str, **options: Any) -> requests.Response:
        """A call of the JSON API; ``path`` may be a whole address."""
        url = path if path.startswith("http") else f"{self.url}/api/v1/{path}"
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, url, headers=headers, **{"timeout": 30, **options})

    def submit(self, token: str, content: bytes, name: str = "shirt.jpg", **body: Any) -> int:
        """Upload and submit a picture; the generation's id."""
        link = self.api("post", "uploads", token, files={"file": (name, content)}).json()["image_url"]
        answer = self.api("post", "generation-upscale", token, json={"image_url": link, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()["generation_id"]

    def generation(self, token: str, number: int) -> dict[str, Any]:
        return self.api("get", f"generation/{number}", token).json()

    def wait_for(self, token: str, number: int, *statuses: str) -> dict[str, Any]:
        """The generation once it has one of ``statuses``."""

        def reached() -> dict[str, Any] | None:
            row = self.generation(token, number)
            return row if row["status"] in statuses else None

        try:
            return until(reached, what=f"generation {number} gets {statuses}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-4000:]}") from None


def descendants(pid: int) -> list[int]:
    """Every process under ``pid``, from Linux's /proc."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def command_of(pid: int) -> str:
    """A process's command line, empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for it and everything that it started."""
    for pid in reversed([process.pid, *descendants(process.pid)]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _shared(folder: Path) -> Path:
    """The folder that all desks of a test run have in common, also those of its other processes."""
    return folder.parent.parent if "PYTEST_XDIST_WORKER" in os.environ else folder.parent


def free_port() -> int:
    """A port below those that the system gives to outgoing connections, which would else be in its place by and by."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")

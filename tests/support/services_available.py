"""What the tests need beside Python packages, and whether this machine has it.

``python -m tests.support.services_available`` finds or installs a Chromium and says loudly what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


def chromium() -> str | None:
    """The path of a Chromium: Debian's, Chrome, or Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    try:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
            return path if os.path.exists(path) else None
    except Exception:
        return None


def postgres() -> bool:
    """Whether the PostgreSQL of the tests lets us in."""
    import psycopg

    try:
        with psycopg.connect(POSTGRES_URL.replace("postgres://", "postgresql://"), connect_timeout=2):
            return True
    except psycopg.Error:
        return False


def redis() -> bool:
    """Whether the Redis of the tests answers."""
    from redis import Redis, RedisError

    try:
        return bool(Redis.from_url(REDIS_URL, socket_connect_timeout=2).ping())
    except RedisError:
        return False


def rabbitmq() -> bool:
    """Whether the RabbitMQ of the tests lets us in."""
    from kombu import Connection

    try:
        with Connection(RABBITMQ_URL, connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
            return True
    except Exception:
        return False


def install_chromium() -> None:
    """Debian's as root, else Playwright's own build."""
    if os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False, env=environment)
    if chromium() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> int:
    if chromium() is None:
        print("No Chromium here: installing one.", flush=True)
        install_chromium()
    missing = [
        f"{name} ({skipped})"
        for name, is_there, skipped in (
            ("Chromium", chromium() is not None, "the browser tests"),
            ("PostgreSQL", postgres(), "the tests on PostgreSQL"),
            ("RabbitMQ", rabbitmq(), "the tests on the cluster queue"),
            ("Redis", redis(), "the limit of calls over several processes"),
        )
        if not is_there
    ]
    if missing:
        print(f"!!! NOT HERE, SO NOT TESTED: {'; '.join(missing)} !!!", flush=True)
    return 1 if missing and CI else 0


if __name__ == "__main__":
    sys.exit(main())

"""Web servers that are measured: gunicorn in a process of its own, once it answers."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import requests

_count = itertools.count()


def drawn_anew() -> dict[str, str]:
    """A header that makes a request another than all before, so that no page is answered as it was."""
    return {"X-Bench": f"{next(_count)}"}


@contextmanager
def server(arguments: list[str], environment: dict[str, str], path: str) -> Iterator[str]:
    """gunicorn, once it answers at ``path``; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", *arguments, "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"gunicorn {arguments[0]} did not answer within a minute")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=60)


def desk_server(environment: dict[str, str]) -> AbstractContextManager[str]:
    """The desk's own, as it is started in earnest."""
    return server(["config.wsgi", "--config", "config/gunicorn.py"], environment, "/healthz")

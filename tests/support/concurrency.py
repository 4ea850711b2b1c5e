"""Doing one thing many times at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection


def at_once(times: int, act: Callable[[], Any]) -> list[Any]:
    """What ``act`` gives in each of ``times`` threads that begin together, each with its own database connection."""
    gate = threading.Barrier(times)
    results: list[Any] = []

    def run() -> None:
        try:
            gate.wait()
            results.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == times, "a thread ended in an exception"
    return results

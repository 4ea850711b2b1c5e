"""A pool in front of PostgreSQL, and what the desk does about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from upscaler import backup, connection_pool
from upscaler.health import checks


def last_used_first() -> Iterator[int]:
    """PgBouncer, as it is: the connection that was given back last."""
    while True:
        yield 41


def one_after_the_other() -> Iterator[int]:
    """PgBouncer with `server_round_robin=1`."""
    return iter(count(41))


def _session(ask: Callable[[], int]) -> Any:
    class Cursor:
        def __enter__(self) -> Cursor:
            return self

        def __exit__(self, *error: object) -> None: ...

        def execute(self, sql: str) -> None: ...

        def fetchone(self) -> tuple[int]:
            return (ask(),)

    settings_dict = {"DISABLE_SERVER_SIDE_CURSORS": False}
    return SimpleNamespace(vendor="postgresql", cursor=Cursor, close=lambda: None, settings_dict=settings_dict)


def _behind(monkeypatch: pytest.MonkeyPatch, mine: Callable[[], int], others: Callable[[], int]) -> Any:
    session = _session(mine)
    session.copy = lambda: _session(others)
    monkeypatch.setattr(connection_pool, "connection", session)
    monkeypatch.setattr(checks, "connection", session)
    return session


@pytest.mark.parametrize("pool", [last_used_first, one_after_the_other])
def test_a_pool_that_hands_connections_around_is_noticed(
    monkeypatch: pytest.MonkeyPatch, pool: Callable[[], Iterator[int]]
) -> None:
    processes = pool()
    session = _behind(monkeypatch, lambda: next(processes), lambda: next(processes))
    [warning] = checks.transaction_pooling_is_known(databases=["default"])
    assert warning.id == "upscaler.W012" and "disable_server_side_cursors" in str(warning.hint)
    session.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = True
    assert checks.transaction_pooling_is_known(databases=["default"]) == []


def test_a_backup_is_not_taken_through_such_a_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _behind(monkeypatch, lambda: 41, lambda: 41)
    monkeypatch.setattr(
        backup, "connection", SimpleNamespace(vendor="postgresql", settings_dict=connection.settings_dict)
    )
    with pytest.raises(CommandError, match="DATABASE_URL to the address of PostgreSQL itself"):
        call_command("backup", str(tmp_path / "desk.tar"), "--without-pictures")
    assert list(tmp_path.iterdir()) == []


def test_a_connection_of_its_own_for_each_session_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _behind(monkeypatch, lambda: 41, lambda: 42)
    assert not connection_pool.is_transaction_pooled()
    assert checks.transaction_pooling_is_known(databases=["default"]) == []


def test_the_database_itself_is_no_such_pool(db: None) -> None:
    assert not connection_pool.is_transaction_pooled()

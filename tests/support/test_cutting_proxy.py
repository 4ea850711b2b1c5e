"""The proxy that cuts commits: what was committed, and what the client was told."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.support import services_available
from tests.support.cutting_proxy import AFTER, BEFORE, Commit, CuttingProxy, When, every, nth

pytestmark = pytest.mark.skipif(not services_available.postgres(), reason="PostgreSQL does not answer")
both_ways = pytest.mark.parametrize("when", [AFTER, BEFORE])


@pytest.fixture
def proxy() -> Iterator[CuttingProxy]:
    address = urlsplit(services_available.POSTGRES_URL)
    proxy = CuttingProxy((address.hostname or "127.0.0.1", address.port or 5432))
    yield proxy
    proxy.close()


@pytest.fixture
def table() -> Iterator[sql.Identifier]:
    name = sql.Identifier(f"cut_{uuid.uuid4().hex[:12]}")
    with psycopg.connect(services_available.POSTGRES_URL, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} (number integer)").format(name))
        yield name
        connection.execute(sql.SQL("DROP TABLE {}").format(name))


def through(proxy: CuttingProxy, **options: Any) -> psycopg.Connection:
    address = urlsplit(services_available.POSTGRES_URL)
    login = address.netloc.rpartition("@")[0]
    url = address._replace(netloc=f"{login}@127.0.0.1:{proxy.port}", query="sslmode=disable").geturl()
    return psycopg.connect(url, **options)


def numbers(table: sql.Identifier) -> list[int]:
    """The rows that were committed, asked past the proxy."""
    with psycopg.connect(services_available.POSTGRES_URL) as connection:
        rows = connection.execute(sql.SQL("SELECT number FROM {} ORDER BY number").format(table)).fetchall()
    return [number for (number,) in rows]


def in_a_transaction(connection: psycopg.Connection, insert: sql.Composed) -> None:
    with connection.transaction():
        connection.execute(insert, [1])
        connection.execute("SELECT 1")


def by_itself(connection: psycopg.Connection, insert: sql.Composed) -> None:
    connection.execute(insert, [1])


def prepared(connection: psycopg.Connection, insert: sql.Composed) -> None:
    connection.execute(insert, [1], prepare=True)


@both_ways
@pytest.mark.parametrize("cursor", [psycopg.Cursor, psycopg.ClientCursor], ids=["extended", "simple"])
@pytest.mark.parametrize("write", [in_a_transaction, by_itself, prepared])
def test_a_commit_is_cut(
    proxy: CuttingProxy, table: sql.Identifier, when: When, cursor: Any, write: Callable[..., None]
) -> None:
    insert = sql.SQL("INSERT INTO {} VALUES (%s)").format(table)
    connection = through(proxy, autocommit=True, cursor_factory=cursor)
    with proxy.cutting(every, when), pytest.raises(psycopg.OperationalError):
        write(connection, insert)
    assert connection.closed
    assert numbers(table) == ([1] if when == AFTER else [])
    [commit] = proxy.cuts
    assert commit.number == 1
    assert "INSERT INTO" in commit.sql


@both_ways
def test_only_the_chosen_one_is_cut(proxy: CuttingProxy, table: sql.Identifier, when: When) -> None:
    insert = sql.SQL("INSERT INTO {} VALUES (%s)").format(table)
    with proxy.cutting(nth(2), when):
        first = through(proxy)
        first.execute(insert, [1])
        assert numbers(table) == []
        first.commit()
        # Neither a rollback nor a question is a commit.
        first.execute(insert, [9])
        first.rollback()
        assert first.execute("SELECT 5").fetchone() == (5,)
        first.execute(insert, [2])
        with pytest.raises(psycopg.OperationalError):
            first.commit()
        with through(proxy) as second:
            second.execute(insert, [3])
    assert numbers(table) == ([1, 2, 3] if when == AFTER else [1, 3])
    assert [commit.number for commit in proxy.cuts] == [2]


def test_what_the_database_refuses_is_told(proxy: CuttingProxy, table: sql.Identifier) -> None:
    asked: list[Commit] = []

    def is_asked(commit: Commit) -> bool:
        asked.append(commit)
        return True

    connection = through(proxy, autocommit=True)
    with proxy.cutting(is_asked), pytest.raises(psycopg.DataError):
        connection.execute(sql.SQL("INSERT INTO {} VALUES (%s::integer)").format(table), ["no number"])
    assert asked == []
    assert connection.execute("SELECT 5").fetchone() == (5,)

"""The row that the answer of a poll is made of, read as quickly as the database can.

The question is written by Django once. PostgreSQL keeps its plan on each connection, and what it answers is only
compared, so its bytes are not turned into anything.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection
from django.db.models import BigIntegerField, CharField, DateTimeField, Exists, OuterRef
from django.utils import timezone

from upscaler import representations
from upscaler.accounts import tokens
from upscaler.models.prepared import Place, Prepared
from upscaler.models.upscale_queries import UpscaleQuerySet

Row = tuple[Any, ...]

_prepared: WeakKeyDictionary[Any, set[bytes]] = WeakKeyDictionary()
"""The names of the questions that each connection knows."""


def _question() -> UpscaleQuerySet:
    opens = tokens.that_opens(
        Place("digest", CharField()), Place("now", DateTimeField()), noted_after=Place("noted_after", DateTimeField())
    )
    of_token = Exists(opens.filter(team=OuterRef("team")).order_by())
    return representations.upscales().filter(of_token, pk=Place("number", BigIntegerField())).order_by()


QUESTION = Prepared(_question)


def read(digest: str, number: int) -> Row | None:
    """The upscale of that number, with all that its shapes read of others.

    None where the token of that digest does not open it now, or where the whole way has to find out why.
    """
    now = timezone.now()
    sql, given = QUESTION.statement(digest=digest, number=number, now=now, noted_after=now - tokens.NOTED_EVERY)
    if connection.vendor == "postgresql" and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return _of_postgresql(sql, given)
    if connection.vendor == "sqlite":
        return _of_sqlite(sql, given)
    with connection.cursor() as cursor:
        cursor.execute(sql, given)
        row: Row | None = cursor.fetchone()
    return row


def _of_sqlite(sql: str, given: list[Any]) -> Row | None:
    connection.ensure_connection()
    opened: Any = connection.connection
    with connection.wrap_database_errors:
        row: Row | None = opened.execute(_with_question_marks(sql), given).fetchone()
    return row


@lru_cache(maxsize=1)
def _with_question_marks(sql: str) -> str:
    # Django's cursor puts them in each time, which takes as long as the answer.
    return sql.replace("%s", "?")


def _of_postgresql(sql: str, given: list[Any]) -> Row | None:
    # No check of the connection goes before it, which would be a second question: where it fails, the whole way finds
    # another connection.
    from psycopg import OperationalError
    from psycopg.pq import ExecStatus

    name = _name(sql)
    connection.ensure_connection()
    opened: Any = connection.connection
    server = opened.pgconn
    try:
        known = _prepared.setdefault(opened, set())
        if name not in known:
            numbered = sql % tuple(f"${place}" for place in range(1, len(given) + 1))
            if server.prepare(name, numbered.encode()).status != ExecStatus.COMMAND_OK:
                return None
            known.add(name)
        result = server.exec_prepared(name, [str(value).encode() for value in given])
    except OperationalError:
        return None
    if result.status != ExecStatus.TUPLES_OK or not result.ntuples:
        return None
    return tuple(result.get_value(0, column) for column in range(result.nfields))


@lru_cache(maxsize=1)
def _name(sql: str) -> bytes:
    # A pool may hand on a connection on which another release has prepared its own question.
    return f"upscaler_poll_{sha256(sql.encode()).hexdigest()[:16]}".encode()

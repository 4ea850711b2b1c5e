"""What a page reads from the database: noted while the page is made, and read again to see whether it has changed.

::

    again = read_again(reads.all)
    if again == reads.all: the page would come out the same
    with recorded(again) as reads:
        response = get_response(request)
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection

READS = ("SELECT", "(SELECT")
LOCKS = (" FOR UPDATE", " FOR NO KEY UPDATE", " FOR SHARE", " FOR KEY SHARE")
"""What a SELECT ends in that holds its rows: one that is answered from memory would hold none."""


@dataclass(frozen=True)
class Read:
    """One question to the database, and all that it answered."""

    sql: str
    values: Any
    rows: Sequence[tuple[Any, ...]]
    columns: Any = field(default=None, compare=False)
    """What the cursor said of them."""

    @property
    def size(self) -> int:
        """The memory that it takes, in bytes, about."""
        held = itertools.chain([self.sql], self.values, *self.rows)
        return sum(map(sys.getsizeof, itertools.chain(held, self.rows)))


@dataclass
class Reads:
    """All that was asked, in order."""

    all: list[Read] = field(default_factory=list)
    can_be_repeated: bool = True
    """Whether nothing but questions went to the database, and all were answered."""

    @property
    def size(self) -> int:
        """The memory that they take together, in bytes, about."""
        return sum(read.size for read in self.all)


@contextmanager
def recorded(just_read: Sequence[Read] = ()) -> Iterator[Reads]:
    """Note all that this thread asks the database within it. What was ``just_read`` for the same request is not asked
    again, until something is written."""
    reads = Reads()

    def note(execute: Callable[..., Any], sql: str, values: Any, many: bool, context: dict[str, Any]) -> Any:
        cursor = context["cursor"]
        if isinstance(cursor.cursor, _Answered):
            cursor.cursor = cursor.cursor.asked
        if many or not _only_reads(sql) or not isinstance(values, (list, tuple)):
            reads.can_be_repeated = False
        if not reads.can_be_repeated:
            return execute(sql, values, many, context)
        result = None
        read = next((read for read in just_read if (read.sql, read.values) == (sql, values)), None)
        if read is None:
            try:
                result = execute(sql, values, many, context)
                with connection.wrap_database_errors:
                    read = Read(sql, values, cursor.cursor.fetchall(), cursor.cursor.description)
            except DatabaseError:
                # Whoever asked may go on without the answer, and had one the next time.
                reads.can_be_repeated = False
                raise
        reads.all.append(read)
        cursor.cursor = _Answered(cursor.cursor, read)
        return result

    with connection.execute_wrapper(note):
        yield reads


def read_again(reads: Sequence[Read]) -> list[Read]:
    """What the database gives to each question now, at least up to the first that has another answer.

    Raises the database's errors.
    """
    again: list[Read] = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # All in one message: to wait for each answer takes longer than to find it.
            cursor.execute("; ".join(read.sql for read in reads), [value for read in reads for value in read.values])
        for read in reads:
            if connection.vendor != "postgresql":
                cursor.execute(read.sql, read.values)
            elif again:
                cursor.nextset()
            rows = cursor.fetchall()
            # The same object, so that whoever compares the two lists need not compare its rows once more.
            is_same = rows == read.rows
            again.append(read if is_same else Read(read.sql, read.values, rows, cursor.description))
            if not is_same and connection.vendor != "postgresql":
                break
    return again


def _only_reads(sql: str) -> bool:
    return sql.startswith(READS) and not any(lock in sql for lock in LOCKS)


class _Answered:
    """A cursor whose rows were fetched already, for who asked."""

    def __init__(self, asked: Any, read: Read) -> None:
        self.asked = asked
        self.description = read.columns
        self._rows = iter(read.rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.asked, name)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        return list(itertools.islice(self._rows, size))

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

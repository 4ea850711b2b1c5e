"""Finding upscales by words, quickly in a million: by SKU, name, number and person.

Each row carries its `search_text`, without case and accents, and an index of trigrams over it finds any part of three
letters or more. In SQLite that is a full-text table which triggers keep; in PostgreSQL a GIN index with pg_trgm. Both
are made after every migration, by `set_up`. Without them the answers are the same, and slow.
"""

# ruff: noqa: S608 -- what is put into the statements are the names below

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from upscaler.models import MAX_ID, MonthlySpend, Team, Upscale
from upscaler.text import folded

logger = logging.getLogger(__name__)

MAX_LENGTH = 200
"""Characters of a query that are looked at."""
MAX_WORDS = 8
SHORT = 3
"""Shorter words have no trigram: they are looked for where a SKU or a number begins."""
MANY = 20_000
"""Hits of one word from which on they are no longer gathered first."""
TABLE = "upscaler_search"
INDEX = "upscaler_upscale_search"
ROWS = Upscale._meta.db_table
START = "char(2, 2)"
"""Before each text in SQLite's table: with it even one letter at the text's beginning is a trigram."""
TRIGGERS = {
    f"{TABLE}_insert": (
        f"AFTER INSERT ON {ROWS} BEGIN "
        f"INSERT INTO {TABLE} (rowid, text) VALUES (new.id, {START} || new.search_text); END"
    ),
    f"{TABLE}_delete": (
        f"AFTER DELETE ON {ROWS} BEGIN "
        f"INSERT INTO {TABLE} ({TABLE}, rowid, text) VALUES ('delete', old.id, {START} || old.search_text); END"
    ),
    f"{TABLE}_update": (
        f"AFTER UPDATE OF search_text ON {ROWS} WHEN old.search_text <> new.search_text BEGIN "
        f"INSERT INTO {TABLE} ({TABLE}, rowid, text) VALUES ('delete', old.id, {START} || old.search_text); "
        f"INSERT INTO {TABLE} (rowid, text) VALUES (new.id, {START} || new.search_text); END"
    ),
}


def matching(upscales: QuerySet[Upscale], query: str, *, team: Team | None = None) -> QuerySet[Upscale]:
    """Those of ``upscales`` in which every word of ``query`` is found.

    A word is any part of the SKU or of the name, the upscale's number, or with ``team`` a part of the name of one of
    its people. One of fewer than three letters is the beginning of a SKU or of a number; beside longer ones it is any
    part. Empty queries find everything.
    """
    words = folded(query[:MAX_LENGTH]).split()[:MAX_WORDS]
    if all(len(word) < SHORT for word in words):
        for word in words:
            upscales = upscales.filter(_begins(word) | _number_begins(word))
        return upscales
    people = _people(team) if team is not None else {}
    plain = []
    for word in words:
        called = [pk for pk, name in people.items() if word in name]
        if len(word) < SHORT:
            upscales = upscales.filter(search_text__contains=word)
        elif called:
            upscales = upscales.filter(_contain([word]) | Q(created_by__in=called))
        elif (number := _number(word)) is not None:
            upscales = upscales.filter(_contain([word], or_number=number))
        else:
            plain.append(word)
    return upscales.filter(_contain(plain)) if plain else upscales


def set_up(using: str = "default", **kwargs: Any) -> None:
    """Make the index where it is missing. Takes a minute or so for each million rows."""
    database = connections[using]
    if not _has_column(database):
        return  # Migrated back to before it.
    with transaction.atomic(using=using):
        if database.vendor == "sqlite":
            _set_up_sqlite(database)
        elif database.vendor == "postgresql":
            _set_up_postgresql(database)


def why_slow() -> str:
    """Why a search reads every row, for whoever runs the desk; empty where it does not, or where no row can be yet."""
    if not _has_column(connection):
        return ""
    if has_index():
        return ""
    if connection.vendor == "sqlite":
        return "this SQLite has no trigram index (3.34 or newer has)"
    return "the extension pg_trgm could not be made"


def has_index() -> bool:
    """Whether `set_up` could make the index."""
    if connection.vendor == "sqlite":
        return _is_there("sqlite_master", "name", TABLE)
    return _is_there("pg_indexes", "indexname", INDEX)


def _people(team: Team) -> dict[int, str]:
    spent = MonthlySpend.objects.filter(team=team).values("user")
    users = get_user_model().objects.filter(pk__in=spent)
    return {user.pk: folded(f"{user.get_full_name()} {user.get_username()}") for user in users}


def _number(word: str) -> int | None:
    is_one = word.isascii() and word.isdecimal() and len(word) <= len(str(MAX_ID))
    return int(word) if is_one and int(word) <= MAX_ID else None


def _contain(words: list[str], *, or_number: int | None = None) -> Q:
    found = _indexed(" ".join(map(_phrase, words)), or_number)
    if found is None:
        found = Q()
        for word in words:
            found &= Q(search_text__contains=word)
        if or_number is not None:
            found |= Q(pk=or_number)
    return found


def _begins(word: str) -> Q:
    found = _indexed(_phrase("\x02\x02" + word), None)
    return Q(search_text__startswith=word) if found is None else found


def _phrase(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _indexed(phrase: str, or_number: int | None) -> Q | None:
    """The rows that SQLite's table gives for ``phrase``; None where the rows themselves had better be read.

    All the table's hits are gathered before the first row is shown. Of a word with very many, those of a page are
    quicker found from the newest row on.
    """
    if connection.vendor != "sqlite" or not has_index():
        return None
    with connection.cursor() as cursor:
        hits = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"
        cursor.execute(f"SELECT count(*) FROM ({hits} LIMIT {MANY})", [phrase])
        if cursor.fetchone()[0] == MANY:
            return None
    if or_number is None:
        return Q(pk__in=RawSQL(hits, [phrase]))  # noqa: S611
    return Q(pk__in=RawSQL(f"{hits} UNION ALL SELECT %s", [phrase, or_number]))  # noqa: S611


def _number_begins(word: str) -> Q:
    numbers = Q(pk__in=[])
    if word.isdecimal() and word.isascii() and not word.startswith("0"):
        first, last = int(word), int(word)
        while first <= MAX_ID:
            numbers |= Q(pk__range=(first, min(last, MAX_ID)))
            first, last = first * 10, last * 10 + 9
    return numbers


def _has_column(database: Any) -> bool:
    with database.cursor() as cursor:
        if ROWS not in database.introspection.table_names(cursor):
            return False
        columns = database.introspection.get_table_description(cursor, ROWS)
        return any(column.name == "search_text" for column in columns)


def _is_there(catalogue: str, column: str, name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {catalogue} WHERE {column} = %s", [name])
        return cursor.fetchone() is not None


def _set_up_sqlite(database: Any) -> None:
    with database.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE name LIKE %s", [f"{TABLE}%"])
        there = {name for (name,) in cursor.fetchall()}
        if there >= {TABLE, *TRIGGERS}:
            return
        if TABLE not in there:
            try:
                cursor.execute(
                    f"CREATE VIRTUAL TABLE {TABLE} USING fts5(text, content='', tokenize='trigram case_sensitive 1')"
                )
            except DatabaseError as error:
                logger.warning("this SQLite can't make the index for searches, so they read every row: %s", error)
                return
        cursor.execute(f"INSERT INTO {TABLE} ({TABLE}) VALUES ('delete-all')")
        cursor.execute(f"INSERT INTO {TABLE} (rowid, text) SELECT id, {START} || search_text FROM {ROWS}")
        for name, body in TRIGGERS.items():
            cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {body}")


def _set_up_postgresql(database: Any) -> None:
    try:
        with transaction.atomic(using=database.alias), database.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute(f"CREATE INDEX IF NOT EXISTS {INDEX} ON {ROWS} USING gin (search_text gin_trgm_ops)")
    except DatabaseError as error:
        logger.warning("PostgreSQL can't make the index for searches, so they read every row: %s", error)

"""Queries that Django writes once in each process. To write one takes it ten times as long as SQLite takes to answer.

::

    BALANCE = Prepared(lambda: Team.objects.filter(pk=Place("team", BigIntegerField())).values_list("balance"))
    [(balance,)] = BALANCE.rows(team=1)

For what every order asks; everywhere else a plain query is soon enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Expression, Field, Model, QuerySet, sql
from django.db.models.query import ModelIterable, get_related_populators


class Place(Expression):
    """Stands in a `Prepared` query where a value goes that is given each time; never None, which SQL compares apart."""

    def __init__(self, name: str, output_field: Field[Any, Any]) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class _Written:
    """The statement of one kind of database."""

    def __init__(self, compiler: Any) -> None:
        self.sql, self.values = compiler.as_sql()

    def values_with(self, given: dict[str, Any]) -> list[Any]:
        """All that goes into the statement, the ``given`` values in their places."""
        return [
            value.output_field.get_db_prep_value(given[value.name], connection) if isinstance(value, Place) else value
            for value in self.values
        ]

    def execute(self, cursor: Any, given: dict[str, Any]) -> None:
        """Ask it, with the ``given`` values in their places."""
        cursor.execute(self.sql, self.values_with(given))


class _WrittenSelect(_Written):
    """One that gives rows, or objects where the queryset does."""

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        compiler: Any = queryset.query.get_compiler(connection=connection)
        super().__init__(compiler)
        self._columns = compiler.select
        self._converters = compiler.get_converters([column for column, *_ in self._columns])
        self._annotations = compiler.annotation_col_map
        self._klass_info: Any = compiler.klass_info if queryset._iterable_class is ModelIterable else None
        if self._klass_info is not None:
            self._first, self._end = (self._klass_info["select_fields"][number] for number in (0, -1))
            self._names = [column.target.attname for column, *_ in self._columns[self._first : self._end + 1]]

    def found(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """What the queryset would give."""
        converted = [self._converted(row) for row in rows]
        return converted if self._klass_info is None else [self._object(row) for row in converted]

    def _converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, (converters, expression) in self._converters.items():
            for converter in converters:
                values[place] = converter(values[place], expression, connection)
        return tuple(values)

    def _object(self, row: tuple[Any, ...]) -> Model:
        made: Model = self._klass_info["model"].from_db(connection.alias, self._names, row[self._first : self._end + 1])
        populators: Any = get_related_populators
        for populator in populators(self._klass_info, self._columns, connection.alias):
            populator.populate(row, made)
        for name, place in self._annotations.items():
            setattr(made, name, row[place])
        return made


class Prepared:
    """A queryset with `Place` where values go."""

    def __init__(self, queryset: Callable[[], QuerySet[Any, Any]]) -> None:
        """``queryset`` is called at the first use: models may not be ready before."""
        self._queryset = queryset
        self._written: dict[str, _WrittenSelect] = {}

    def rows(self, **given: Any) -> list[Any]:
        """All that the queryset gives with these values."""
        written = self._select()
        with connection.cursor() as cursor:
            written.execute(cursor, given)
            return written.found(cursor.fetchall())

    def first(self, **given: Any) -> Any:
        """The first that it gives; None without any. Of many, have the queryset end after one."""
        found = self.rows(**given)
        return found[0] if found else None

    def statement(self, **given: Any) -> tuple[str, list[Any]]:
        """The statement and its values, for who asks it in a way of its own."""
        written = self._select()
        return written.sql, written.values_with(given)

    def _select(self) -> _WrittenSelect:
        written = self._written.get(connection.vendor)
        if written is None:
            written = self._written[connection.vendor] = _WrittenSelect(self._queryset())
        return written


@dataclass(frozen=True)
class Change:
    """What a `PreparedChange` does: the rows, and their new ``values``; None deletes them."""

    rows: QuerySet[Any, Any]
    values: dict[str, Any] | None


class PreparedChange:
    """An UPDATE or a DELETE with `Place` where values go. It sends no signals and deletes nothing that points there."""

    def __init__(self, change: Callable[[], Change]) -> None:
        self._change = change
        self._written: dict[str, _Written] = {}

    def run(self, **given: Any) -> int:
        """Change the rows with these values. Returns how many they were."""
        written = self._written.get(connection.vendor)
        if written is None:
            change = self._change()
            query: Any = change.rows.query.chain(sql.DeleteQuery if change.values is None else sql.UpdateQuery)
            query.clear_ordering(force=True)
            if change.values is not None:
                query.add_update_values(change.values)
            written = self._written[connection.vendor] = _Written(query.get_compiler(connection=connection))
        with connection.cursor() as cursor:
            written.execute(cursor, given)
            return int(cursor.rowcount)


class PreparedInsert:
    """Adds one row of a model; it sends no signals. The database gives the row's number."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._written: dict[str, str] = {}

    def run(self, row: Model) -> None:
        """Add the row, with every column as it would be saved. Raises what `Model.save` does."""
        fields = [field for field in self._model._meta.local_concrete_fields if not field.primary_key]
        statement = self._written.get(connection.vendor)
        values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
        if statement is None:
            statement = self._written[connection.vendor] = self._statement(fields, row)
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            row.pk = cursor.fetchone()[0]
        row._state.adding, row._state.db = False, connection.alias

    def _statement(self, fields: Sequence[Field[Any, Any]], row: Model) -> str:
        query = sql.InsertQuery(self._model)
        query.insert_values(fields, [row])
        compiler: Any = query.get_compiler(connection=connection)
        compiler.returning_fields = [self._model._meta.pk]
        [(statement, _)] = compiler.as_sql()
        return str(statement)

"""Queries that are built once. Django spends 100 to 800 µs on building a query that the database answers in 15.

    @prepared
    def roles(conversation_id: UUID, user_id: int) -> QuerySet[Participant, str]:
        here = Participant.objects.filter(conversation_id=conversation_id, user_id=user_id)
        return here.values_list("role", flat=True)

    roles(conversation.pk, user.pk)   # → ["owner"]

    @prepared_update
    def rename(pk: UUID, title: str) -> Update:
        return Conversation.objects.filter(pk=pk), {"title": title}

    rename(conversation.pk, "Tea")    # → 1, the number of rows

    insert(Conversation(title="Tea"))

The function is called once, with stand-ins for its arguments, to learn the SQL; then only values are put in. So it must
build the same query whatever its arguments are: no `if`, no `in` over an argument, no limit that is one. Arguments are
of the types that its annotations say: UUID, int, str or datetime. Rows come as models (without related ones), as
`values` or as `values_list` would have them. Only for what runs for every question, answer or checkpoint: elsewhere it
saves nothing.
"""

from __future__ import annotations

import inspect
import itertools
import typing
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import update_wrapper
from typing import Any, Final, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Field, Model, QuerySet
from django.db.models.query import FlatValuesListIterable, ValuesIterable, ValuesListIterable
from django.db.models.sql import InsertQuery, UpdateQuery

R = TypeVar("R")
Update = tuple[QuerySet[Any, Any], dict[str, Any]]
"""The rows, and the new values of their fields."""

# Values that no query has by itself: constants of the same value would be taken for the argument.
_numbers: Final = itertools.count(1_600_000_000)
_STAND_INS: Final[dict[type, Callable[[], Any]]] = {
    uuid.UUID: uuid.uuid4,
    int: lambda: next(_numbers),
    str: lambda: f"stand-in {next(_numbers)}",
    datetime: lambda: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=next(_numbers)),
}
#: What some databases are given instead.
_CONVERSIONS: Final[dict[type, Callable[[Any], Any]]] = {
    uuid.UUID: lambda value: value.hex,
    datetime: lambda value: connection.ops.adapt_datetimefield_value(value),
}


class Prepared(Generic[R]):
    """Call it with the function's arguments, all by position; returns a list of rows."""

    def __init__(self, build: Callable[..., QuerySet[Any, R]]) -> None:
        self._build = build
        self._learned: dict[str, _Select] = {}
        update_wrapper(self, build)

    def __call__(self, *arguments: Any) -> list[R]:
        statement = self._learned.get(connection.vendor)
        if statement is None:
            statement = self._learned[connection.vendor] = _Select(self._build)
        return statement.run(arguments)


class PreparedUpdate:
    """Call it with the function's arguments, all by position; returns the number of rows that were changed."""

    def __init__(self, build: Callable[..., Update]) -> None:
        self._build = build
        self._learned: dict[str, _Statement] = {}
        update_wrapper(self, build)

    def __call__(self, *arguments: Any) -> int:
        return self.many([arguments])

    def many(self, calls: Sequence[tuple[Any, ...]]) -> int:
        """One update per call; returns the number of rows that were changed by all of them."""
        statement = self._learned.get(connection.vendor)
        if statement is None:
            statement = self._learned[connection.vendor] = _learn_update(self._build)
        with connection.cursor() as cursor:
            cursor.executemany(statement.sql, [statement.values(arguments) for arguments in calls])
            changed: int = cursor.rowcount
        return changed


def prepared(build: Callable[..., QuerySet[Any, R]]) -> Prepared[R]:
    return Prepared(build)


def prepared_update(build: Callable[..., Update]) -> PreparedUpdate:
    return PreparedUpdate(build)


class _Statement:
    """The SQL of one query for one kind of database, and where its arguments go."""

    def __init__(self, build: Callable[..., Any], compiler_of: Callable[[Any], Any]) -> None:
        hints = typing.get_type_hints(build)
        self._types = [hints[name] for name in inspect.signature(build).parameters]
        stand_ins = [_STAND_INS[kind]() for kind in self._types]
        self.built = build(*stand_ins)
        self.compiler = compiler_of(self.built)
        try:
            self.sql, parameters = self.compiler.as_sql()
        except EmptyResultSet:
            raise TypeError(f"{build.__qualname__} can never have a row") from None
        self._parameters = [_source(parameter, stand_ins) for parameter in parameters]
        used = {place for place, _ in self._parameters if place is not None}
        if len(used) != len(stand_ins):
            raise TypeError(f"an argument of {build.__qualname__} does not reach its SQL as it is")

    def values(self, arguments: tuple[Any, ...]) -> list[Any]:
        for value, kind in zip(arguments, self._types, strict=True):
            if not isinstance(value, kind):
                raise TypeError(f"{value!r:.40} is no {kind.__name__}")
        return [
            other if place is None else arguments[place] if other is None else other(arguments[place])
            for place, other in self._parameters
        ]


def _source(parameter: Any, stand_ins: list[Any]) -> tuple[int | None, Any]:
    """The argument's place and what it is converted with, or None and the constant."""
    for place, stand_in in enumerate(stand_ins):
        if parameter == stand_in:
            return place, None
        convert = _CONVERSIONS.get(type(stand_in))
        if convert is not None and parameter == convert(stand_in):
            return place, convert
    return None, parameter


class _Select(_Statement):
    def __init__(self, build: Callable[..., QuerySet[Any, Any]]) -> None:
        super().__init__(build, lambda queryset: queryset.query.get_compiler(connection=connection))
        fields = [column[0] for column in self.compiler.select[: self.compiler.col_count]]
        self._converters = self.compiler.get_converters(fields)
        self._read = _reader(self.built, self.compiler)

    def run(self, arguments: tuple[Any, ...]) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self.values(arguments))
            rows: Iterable[Any] = cursor.fetchall()
        if self._converters:
            rows = self.compiler.apply_converters(rows, self._converters)
        return list(self._read(rows))


def _reader(queryset: QuerySet[Any, Any], compiler: Any) -> Callable[[Iterable[Any]], Iterator[Any]]:
    shape = queryset._iterable_class
    query = queryset.query
    if issubclass(shape, ValuesIterable):
        names = list(query.selected or ())
        return lambda rows: (dict(zip(names, row, strict=True)) for row in rows)
    if issubclass(shape, FlatValuesListIterable):
        return lambda rows: (row[0] for row in rows)
    if issubclass(shape, ValuesListIterable):
        return lambda rows: map(tuple, rows)
    if query.select_related or query.annotation_select:
        raise TypeError("a prepared query reads models without related ones and annotations")
    model = queryset.model
    names = [column[0].target.attname for column in compiler.select]
    return lambda rows: (model.from_db(connection.alias, names, row) for row in rows)


def _learn_update(build: Callable[..., Update]) -> _Statement:
    def compiler_of(update: Update) -> Any:
        queryset, values = update
        query: Any = queryset.query.chain(UpdateQuery)
        query.add_update_values(values)
        query.clear_ordering(force=True)
        return query.get_compiler(connection=connection)

    return _Statement(build, compiler_of)


@dataclass(frozen=True, slots=True)
class _Insert:
    sql: str
    fields: list[Field[Any, Any]]
    returning: Any
    """What the database's own key is read with; None: the row brings its key."""


_inserts: dict[tuple[str, type[Model], bool], _Insert] = {}


def insert(row: Model) -> None:
    """Like `row.save(force_insert=True)` within a transaction, for values only (no expressions), and no signal is sent.
    Raises what that raises."""
    own_key = row.pk is not None
    which = (connection.vendor, type(row), own_key)
    known = _inserts.get(which)
    if known is None:
        known = _inserts[which] = _learn_insert(row, own_key)
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in known.fields]
    with connection.cursor() as cursor:
        if known.returning is None:
            cursor.execute(known.sql, values)
        else:
            cursor.execute(known.sql, [*values, *known.returning])
            (row.pk,) = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


def _learn_insert(row: Model, own_key: bool) -> _Insert:
    meta = row._meta
    fields = [field for field in meta.local_concrete_fields if own_key or not field.primary_key]
    query = InsertQuery(type(row))
    query.insert_values(fields, [row])
    compiler: Any = query.get_compiler(connection=connection)
    compiler.returning_fields = None if own_key else [meta.pk]
    ((sql, parameters),) = compiler.as_sql()
    returning = None if own_key else compiler.returning_params
    # An expression as a value (a database's default, for example) would be of this one row.
    if meta.parents or len(parameters) != len(fields) + len(returning or ()):
        raise TypeError(f"the rows of {meta.label} cannot be written by one statement")
    return _Insert(sql, fields, returning)

"""One row of a model, made by the factories, multiplied in SQL: right whatever columns the models grow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, models

FROZEN = "frozen_"
"""The prefix of the temporary table with the template rows of a table."""

_RULES = """
    SELECT 'ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(conname),
           'ALTER TABLE ' || conrelid::regclass || ' ADD CONSTRAINT ' || quote_ident(conname) || ' '
               || pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('u', 'f')
    ORDER BY contype DESC
"""
_INDEXES = """
    SELECT 'DROP INDEX ' || indexrelid::regclass, pg_get_indexdef(indexrelid)
    FROM pg_index
    WHERE indrelid = ANY(%s::regclass[]) AND NOT indisprimary
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('u', 'x'))
"""


def rows_freeze(templates: Mapping[type[models.Model], Sequence[models.Model | None]]) -> None:
    """Keep these rows as templates of their models, in temporary tables, and empty the models' own tables."""
    with connection.cursor() as cursor:
        for kind, rows in templates.items():
            query = f"CREATE TEMP TABLE {_frozen(kind)} AS SELECT * FROM {_table(kind)} WHERE id = ANY(%s)"  # noqa: S608  # no part is input
            cursor.execute(query, [[row.pk for row in rows if row]])
            assert cursor.rowcount == len(rows)
        cursor.execute(f"TRUNCATE {', '.join(map(_table, templates))} CASCADE")


def rows_multiply(
    kind: type[models.Model], *, rows: str, values: Mapping[str, str], on: str = "TRUE", order: str = ""
) -> None:
    """Insert the template of a model once for each of `rows`.

    rows: the FROM clause. values: an SQL expression for each column that differs from the template, by the column's
    name; a name that is no column is an error. on: which `template` goes with a row, where there are several.
    """
    fields = _options(kind).concrete_fields
    unknown = set(values) - {field.column for field in fields}
    assert not unknown, f"{kind.__name__} has no {', '.join(sorted(unknown))}"
    # A serial number is the table's own business.
    columns = [field.column for field in fields if field.column in values or not isinstance(field, models.AutoField)]
    chosen = ", ".join(values.get(name, f"template.{_quoted(name)}") for name in columns)
    sql_run(
        f"INSERT INTO {_table(kind)} ({', '.join(map(_quoted, columns))}) "  # noqa: S608  # no part is input
        f"SELECT {chosen} FROM {rows} JOIN {_frozen(kind)} AS template ON {on} {order}"
    )


@contextmanager
def rules_later(kinds: Sequence[type[models.Model]]) -> Iterator[None]:
    """Check uniqueness and references, and build the indexes, once at the end instead of row by row."""
    tables = [_table(kind) for kind in kinds]
    with connection.cursor() as cursor:
        found: list[tuple[str, str]] = []
        for query in (_INDEXES, _RULES):
            cursor.execute(query, [tables])
            found += cursor.fetchall()
        # References go first and come last: they stand on the unique rules.
        for drop, _ in reversed(found):
            cursor.execute(drop)
    yield
    with connection.cursor() as cursor:
        for _, make in found:
            cursor.execute(make)
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE NOT convalidated")
        assert cursor.fetchall() == [(0,)]


def sql_run(query: str, *values: Any) -> None:
    """Run a statement."""
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)


def rows_counted(kinds: Sequence[type[models.Model]]) -> dict[str, int]:
    """How many rows the models have, by model."""
    return {str(_options(kind).model_name): _options(kind).default_manager.count() for kind in kinds}


def _table(kind: type[models.Model]) -> str:
    return _quoted(_options(kind).db_table)


def _frozen(kind: type[models.Model]) -> str:
    return _quoted(FROZEN + _options(kind).db_table)


def _options(kind: type[models.Model]) -> Any:
    return kind._meta  # noqa: SLF001  # Django's public name for it


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)

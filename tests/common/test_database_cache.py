"""The database cache reports every failed write as failed, whatever the cause."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from common.database_cache import DatabaseCache
from common.dependencies import dependency_error
from common.errors import DatabaseUnavailable, PortalDiskUnwritable
from tests.faults import fault_script, raising

pytestmark = pytest.mark.django_db(transaction=True)
WRITES: dict[str, Callable[[DatabaseCache], object]] = {
    "add": lambda table: table.add("key", 1),
    "set": lambda table: table.set("key", 1),
    "incr": lambda table: table.incr("there"),
}


@pytest.fixture
def table() -> Iterator[DatabaseCache]:
    call_command("createcachetable", verbosity=0)
    table = DatabaseCache("savepoint_cache", {})
    table.set("there", 1)
    yield table
    table.clear()


@contextmanager
def pragma(name: str, value: object, afterwards: object) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name} = {value}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA {name} = {afterwards}")


@pytest.mark.parametrize("write", WRITES)
def test_write_into_a_database_that_may_only_be_read_is_raised(table: DatabaseCache, write: str) -> None:
    with pragma("query_only", 1, 0), pytest.raises(OperationalError, match="readonly") as raised:
        WRITES[write](table)
    assert type(dependency_error(raised.value)) is PortalDiskUnwritable
    assert (table.get("key"), table.get("there")) == (None, 1)


@pytest.mark.parametrize("write", ["add", "set"])
def test_write_into_a_database_that_is_full_is_raised(table: DatabaseCache, write: str) -> None:
    large = "x" * 1_000_000
    with pragma("max_page_count", 1, 1 << 30), pytest.raises(OperationalError, match="is full") as raised:
        getattr(table, write)("key", large)
    assert type(dependency_error(raised.value)) is PortalDiskUnwritable
    assert (table.get("key"), table.get("there")) == (None, 1)


@pytest.mark.parametrize("write", WRITES)
def test_refused_commit_is_raised(table: DatabaseCache, write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "commit", raising(OperationalError("database or disk is full")))
        with pytest.raises(OperationalError, match="full"):
            WRITES[write](table)
    assert (table.get("key"), table.get("there")) == (None, 1)


def test_key_that_another_process_added_meanwhile_is_there(table: DatabaseCache) -> None:
    fault = fault_script("another process is faster")

    def twice(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT"):
            fault.strike()
            execute(sql, *rest)
        return execute(sql, *rest)

    with connection.execute_wrapper(twice):
        assert not table.add("key", 1)


def test_writes_answer_as_those_of_django(table: DatabaseCache) -> None:
    assert table.add("key", 1)
    assert not table.add("key", 2)
    assert table.touch("key", 60)
    assert not table.touch("nobody", 60)
    assert table.incr("key") == 2


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("SQLITE_FULL", PortalDiskUnwritable),
        ("SQLITE_READONLY", PortalDiskUnwritable),
        ("SQLITE_READONLY_DBMOVED", PortalDiskUnwritable),
        ("SQLITE_IOERR_SHMSIZE", PortalDiskUnwritable),
        ("SQLITE_BUSY", DatabaseUnavailable),
        ("SQLITE_CANTOPEN", DatabaseUnavailable),
    ],
)
def test_database_on_a_full_disk_is_distinct_from_one_that_is_away(name: str, error: type) -> None:
    cause = sqlite3.OperationalError()
    cause.sqlite_errorname = name
    failure = OperationalError()
    failure.__cause__ = cause
    assert type(dependency_error(failure)) is error

"""Locks that a transaction holds until it ends."""

from __future__ import annotations

from typing import TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def row_lock(rows: QuerySet[M]) -> M | None:
    """Lock and return the one row `rows` selects until the transaction ends, or None when there is none.

    PostgreSQL locks the row (FOR NO KEY UPDATE, so that inserts which reference it go on). On SQLite a transaction
    is immediate, and so holds the only write lock from its first statement. Call it inside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("row_lock needs a transaction.")
    return rows.select_for_update(of=("self",), no_key=True).first()


def turn_lock(name: str) -> None:
    """Let one transaction at a time go on from here, until it ends; `name` tells what they take turns at.

    PostgreSQL has advisory locks for this; on SQLite a transaction is immediate. Call it inside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("turn_lock needs a transaction.")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])

"""The cache that all processes share where there is no Redis: a table of the database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.core.cache.backends import db
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.db import DatabaseError, IntegrityError, connections, router, transaction


class DatabaseCache(db.DatabaseCache):
    """Django's, which answers a failed write like a key that was there. This one raises the failure.

    A full disk would otherwise look to a user like too many sign-in attempts.
    """

    def _base_set(self, mode: str, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT) -> bool:
        using = router.db_for_write(self.cache_model_class)
        failures: list[DatabaseError] = []

        def noting(execute: Callable[..., Any], *statement: Any) -> Any:
            try:
                return execute(*statement)
            except IntegrityError:  # another process was faster: the key is there
                raise
            except DatabaseError as failure:
                failures.append(failure)
                raise

        with ExitStack() as within:
            # Django's own transaction is a savepoint in this one, so that a commit that fails is seen as well.
            within.enter_context(transaction.atomic(using=using))
            within.enter_context(connections[using].execute_wrapper(noting))
            written: bool = super()._base_set(mode, key, value, timeout)  # type: ignore[misc]  # its stubs leave it out
            if failures:
                raise failures[0]
        return written

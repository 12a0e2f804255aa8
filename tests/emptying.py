"""Empties the database after a test whose transactions were real, in a few milliseconds.

Django has each such test followed by `post_migrate`, which looks up every content type and permission and makes them
anew. Here that happens once: later, the rows that it made are inserted again.
"""

from __future__ import annotations

from django.apps import apps
from django.core.management import call_command
from django.db import transaction
from django.db.models import Model
from django.test import TransactionTestCase

_rows: dict[str, dict[type[Model], list[Model]]] = {}
"""For each database its rows after `post_migrate`, by model."""


def database_empty(test: TransactionTestCase) -> None:
    """Empty the test's databases but for the rows that `post_migrate` makes; takes the place of Django's method."""
    for alias in test._databases_names(include_mirrors=False):  # type: ignore[attr-defined]  # not public
        call_command(
            "flush",
            verbosity=0,
            interactive=False,
            database=alias,
            reset_sequences=False,
            allow_cascade=False,
            inhibit_post_migrate=alias in _rows,
        )
        if alias not in _rows:
            _rows[alias] = {
                model: found for model in apps.get_models(include_auto_created=True) if (found := _all(model, alias))
            }
            continue
        with transaction.atomic(using=alias):
            for model, rows in _rows[alias].items():
                model._base_manager.using(alias).bulk_create(rows)


def _all(model: type[Model], alias: str) -> list[Model]:
    is_table = model._meta.managed and not model._meta.proxy
    return list(model._base_manager.using(alias).all()) if is_table else []

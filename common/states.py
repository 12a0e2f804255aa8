"""State changes by compare-and-set: a row moves only from the state its reader saw."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet


def compare_and_set(rows: QuerySet[Any], /, **values: Any) -> bool:
    """Update the one row that `rows` still selects. Return whether it did: False means that another writer was faster.

    `rows` names the row by its key and by everything that must still hold (state, fence). More than one match is a
    mistake of the caller and raises RuntimeError.
    """
    changed = rows.update(**values)
    if changed > 1:
        model: type[Model] = rows.model
        raise RuntimeError(f"compare-and-set on {model.__name__} selected {changed} rows.")
    return changed == 1

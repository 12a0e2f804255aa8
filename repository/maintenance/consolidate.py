"""Many small index objects become few, and lose the packs that are about to go."""

from __future__ import annotations

from collections.abc import Iterator

from repository.index.table import Table
from repository.maintenance.checkpoint import Checkpoint
from repository.objects import INDEX, Objects, id_new

# 10 MB of index: small enough to be held a few times over while it is sealed.
ENTRIES_MAX = 200_000


def index_replace(
    objects: Objects,
    tables: dict[bytes, Table],
    *,
    without: frozenset[bytes],
    added: Table,
    check: Checkpoint,
) -> tuple[int, int]:
    """Write the index without some packs and with those of another table; then delete the objects that it replaces.

    Objects that are large and lose nothing stay. Returns how many were written and deleted. `check` is asked before
    the first is deleted. Raises `StorageError`; whatever is there then is a whole index.
    """
    replaced = {name: table for name, table in tables.items() if _is_replaced(table, without)}
    kept = {found.pack for name, table in tables.items() if name not in replaced for found in table.packs}
    if len(replaced) <= 1 and not len(added) and not any(_names(table, without) for table in replaced.values()):
        return 0, 0
    written = 0
    for table in _merged([*replaced.values(), added], without=without | kept):
        objects.put(INDEX, id_new(), table.encoded())
        written += 1
    check()
    for name in replaced:
        objects.delete(INDEX, name)
    return written, len(replaced)


def _is_replaced(table: Table, without: frozenset[bytes]) -> bool:
    return len(table) < ENTRIES_MAX // 2 or _names(table, without)


def _names(table: Table, packs: frozenset[bytes]) -> bool:
    return any(found.pack in packs for found in table.packs)


def _merged(tables: list[Table], *, without: frozenset[bytes]) -> Iterator[Table]:
    """Tables of a sane size, each with all chunks of its packs: a pack's chunks are never in two of them."""
    chunks = {found.pack: found.chunks for table in tables for found in table.packs if found.pack not in without}
    every = without | chunks.keys()
    group: set[bytes] = set()
    held = 0
    for pack, count in chunks.items():
        if group and held + count > ENTRIES_MAX:
            yield Table.merge(tables, without=every - group)
            group, held = set(), 0
        group.add(pack)
        held += count
    if group:
        yield Table.merge(tables, without=every - group)

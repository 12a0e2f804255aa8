"""Consolidation: merge small index objects, and drop the packs that are about to be deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from repository.checkpoint import Checkpoint
from repository.chunked.index.table import Table
from repository.chunked.objects import INDEX, Objects, id_new
from repository.storage import ObjectNotFound

# 6.4 MB of index: small enough for several copies in memory while one is sealed.
ENTRIES_MAX = 128_000
_TRIES = 5


@dataclass(frozen=True, slots=True)
class IndexPart:
    """Some index objects, merged into one table."""

    names: tuple[bytes, ...]
    table: Table


def index_load(objects: Objects) -> list[IndexPart]:
    """The index as few tables, each in memory once: a large object by itself, small ones merged.

    Raises `ObjectDamaged`, `StorageError`.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            return list(_parts(objects))
        except ObjectNotFound:  # replaced during the read
            if attempt == _TRIES:
                raise
    raise AssertionError("not reached")


def _parts(objects: Objects) -> Iterator[IndexPart]:
    held: list[tuple[bytes, Table]] = []
    for name in _names(objects):
        table = Table.decode(objects.get(INDEX, name))
        if len(table) >= ENTRIES_MAX // 2:
            yield IndexPart((name,), table)
            continue
        held.append((name, table))
        if sum(len(table) for _, table in held) >= ENTRIES_MAX:
            yield _part(held)
            held = []
    if held:
        yield _part(held)


def _names(objects: Objects) -> list[bytes]:
    """The names of all index objects, by two listings: one that a single listing lacks would go on naming packs that
    the prune deletes, and later snapshots would rely on them.
    """
    return sorted({name for _ in range(2) for name, _ in objects.list(INDEX)})


def _part(held: list[tuple[bytes, Table]]) -> IndexPart:
    tables = [table for _, table in held]
    return IndexPart(tuple(name for name, _ in held), tables[0] if len(tables) == 1 else Table.merge(tables))


def index_replace(
    objects: Objects,
    parts: list[IndexPart],
    *,
    without: frozenset[bytes],
    added: Table,
    check: Checkpoint,
) -> tuple[int, int]:
    """Write the index without some packs and with the entries of another table, then delete the replaced objects.

    Large objects without these packs stay. Returns how many objects were written and deleted. `check` is called before
    the first deletion. Raises `StorageError`; the index in storage is complete even then.
    """
    replaced = [part for part in parts if _is_replaced(part, without)]
    names = [name for part in replaced for name in part.names]
    if len(names) <= 1 and not len(added) and not any(_has(part.table, without) for part in replaced):
        return 0, 0
    kept = {found.pack for part in parts if part not in replaced for found in part.table.packs}
    written = 0
    for table in _merged([*(part.table for part in replaced), added], without=without | kept):
        objects.put(INDEX, id_new(), table.encoded())
        written += 1
    check()
    for name in names:
        objects.delete(INDEX, name)
    return written, len(names)


def _is_replaced(part: IndexPart, without: frozenset[bytes]) -> bool:
    return len(part.names) > 1 or len(part.table) < ENTRIES_MAX // 2 or _has(part.table, without)


def _has(table: Table, packs: frozenset[bytes]) -> bool:
    return any(found.pack in packs for found in table.packs)


def _merged(tables: list[Table], *, without: frozenset[bytes]) -> Iterator[Table]:
    """Tables of at most `ENTRIES_MAX` entries, each with all chunks of its packs: no pack is split over two tables."""
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

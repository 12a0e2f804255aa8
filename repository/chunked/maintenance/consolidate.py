"""Many small index objects become few, and lose the packs that are about to go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from repository.checkpoint import Checkpoint
from repository.chunked.index.table import Table
from repository.chunked.objects import INDEX, Objects, id_new
from repository.storage import ObjectNotFound

# 6.4 MB of index: small enough to be held a few times over while it is sealed.
ENTRIES_MAX = 128_000
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Part:
    """Some index objects, as one table."""

    names: tuple[bytes, ...]
    table: Table


def index_load(objects: Objects) -> list[Part]:
    """The index in few tables, of which each is in memory once: a large object by itself, small ones together.

    Raises `ObjectDamaged`, `StorageError`.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            return list(_parts(objects))
        except ObjectNotFound:  # replaced while it was read
            if attempt == _TRIES:
                raise
    raise AssertionError("not reached")


def _parts(objects: Objects) -> Iterator[Part]:
    held: list[tuple[bytes, Table]] = []
    for name, _ in objects.list(INDEX):
        table = Table.decode(objects.get(INDEX, name))
        if len(table) >= ENTRIES_MAX // 2:
            yield Part((name,), table)
            continue
        held.append((name, table))
        if sum(len(table) for _, table in held) >= ENTRIES_MAX:
            yield _part(held)
            held = []
    if held:
        yield _part(held)


def _part(held: list[tuple[bytes, Table]]) -> Part:
    tables = [table for _, table in held]
    return Part(tuple(name for name, _ in held), tables[0] if len(tables) == 1 else Table.merge(tables))


def index_replace(
    objects: Objects,
    parts: list[Part],
    *,
    without: frozenset[bytes],
    added: Table,
    check: Checkpoint,
) -> tuple[int, int]:
    """Write the index without some packs and with those of another table; then delete the objects that it replaces.

    Objects that are large and lose nothing stay. Returns how many were written and deleted. `check` is asked before
    the first is deleted. Raises `StorageError`; whatever is there then is a whole index.
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


def _is_replaced(part: Part, without: frozenset[bytes]) -> bool:
    return len(part.names) > 1 or len(part.table) < ENTRIES_MAX // 2 or _has(part.table, without)


def _has(table: Table, packs: frozenset[bytes]) -> bool:
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

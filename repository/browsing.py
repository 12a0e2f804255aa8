"""Browsing a walk that is cut into blocks: one folder, one path, or names, without reading all of it.

Both formats keep what they hold in the order of a walk (`trees.paths.walk_order`), a folder's content between the
folder and its next neighbour. The first path of every block is known, so a block that lies wholly below one subfolder
is skipped unread: a folder costs one block for each of its subfolders that is larger than a block, and those for its
own entries.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple, Protocol

from repository.errors import ManifestInvalid
from trees.paths import walk_order

BATCH_LEAST = 4
BATCH_MOST = 64
"""Blocks that are read together: few at first, because a page of a folder mostly needs no more."""
LINKS_MOST = 3
"""Further names in a row that are followed; a whole walk has no more than one."""


class ItemKind(StrEnum):
    """The kinds of items that people see."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"


class Item(NamedTuple):
    """A path of a backup.

    target: of a symbolic link. content: equal for equal contents of the same format, empty when unknown. name_of: the
    first name of a file, for a further one. is_whole: its fields are known; those of a further name may be its file's
    alone, which is looked up before such an item is returned.
    """

    path: bytes
    kind: ItemKind
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0
    target: bytes = b""
    content: bytes = b""
    name_of: bytes | None = None
    is_whole: bool = True


class Block(Protocol):
    """Entries that follow each other."""

    @property
    def rows(self) -> Sequence[Any]:
        """The entries in order, undecoded; among them may be rows that are no items."""
        ...

    def path(self, row: Any) -> bytes:
        """The path of a row."""
        ...

    def item(self, row: Any) -> Item | None:
        """The row as an item, checked by itself; None for one that is none, such as a path that was left out."""
        ...

    def may_name(self, needle: bytes) -> bool:
        """Whether a path may contain these bytes, letters of ASCII in lower case; False is certain."""
        ...


class Blocks(Protocol):
    """A walk in blocks. `firsts`: the first path of each; a block may begin with the rest of the path before it."""

    @property
    def firsts(self) -> Sequence[bytes]:
        """The first path of each block."""
        ...

    def read(self, numbers: Sequence[int]) -> Iterator[Block]:
        """The blocks of these numbers, in their order. Raises `Damage`, `StorageError`."""
        ...

    def identity(self, number: int) -> Hashable | None:
        """A value that no block of other content has; None where nothing is known."""
        ...


def item_find(blocks: Blocks, path: bytes) -> Item | None:
    """The item at a path; None where the backup has none. Raises `Damage`, `StorageError`."""
    found = _find(blocks, path)
    for _ in range(LINKS_MOST):
        if found is None or found.is_whole:
            return found
        first = _find(blocks, found.name_of or b"")
        found = first and first._replace(path=path, name_of=first.name_of or first.path)
    raise ManifestInvalid("the names of a file lead to no file")


def is_folder(blocks: Blocks, path: bytes) -> bool:
    """Whether the backup has a folder at that path; the root is always one."""
    if not path:
        return True
    found = _find(blocks, path)
    return found is not None and found.kind is ItemKind.FOLDER


def numbers_below(blocks: Blocks, folder: bytes) -> Sequence[int]:
    """The numbers of the blocks that may have entries below a folder, in order."""
    return tuple(_Span(walk_order(folder) + b"\0" if folder else b"", None).numbers(blocks.firsts))


def children(blocks: Blocks, folder: bytes, *, beyond: bytes | None = None, backwards: bool = False) -> Iterator[Item]:
    """The direct entries of a folder in the order of their names' bytes, or against it.

    beyond: only entries after that name, or before it when going backwards. A folder that is not there has none.
    Raises `Damage`, `StorageError`.
    """
    below = walk_order(folder) + b"\0" if folder else b""
    span = _Span(below, beyond, backwards=backwards)
    within = span.numbers(blocks.firsts)
    needed = (number for number in within if _is_needed(blocks.firsts, number, below))
    before: bytes | None = None
    for block in _read(blocks, needed):
        for item in _backward(block, span) if backwards else _forward(block, span):
            if before is not None and (item.path >= before if backwards else item.path <= before):
                raise ManifestInvalid("the entries of a backup are not in order")
            before = item.path
            yield item if item.is_whole else item_find(blocks, item.path) or item


def named(
    blocks: Blocks,
    needle: bytes,
    *,
    checkpoint: Callable[[], None],
    folder: bytes = b"",
    beyond: bytes | None = None,
    searched: set[Hashable] | None = None,
) -> Iterator[Item]:
    """The items at or below a folder with these bytes in their names, in the order of the walk.

    Letters of ASCII match in either case. beyond: only paths after that one. checkpoint: called for each batch of
    blocks; it raises to end the search. searched: identities of blocks that need no search, to which those searched
    now are added.
    """
    sought = needle.lower()
    span = _Span(walk_order(folder) + b"\0" if folder else b"", None)
    if beyond is not None:
        span.low = max(span.low, walk_order(beyond))
    known = set() if searched is None else searched
    wanted = (number for number in span.numbers(blocks.firsts) if not _seen(blocks.identity(number), known))
    for block in _read(blocks, wanted, checkpoint=checkpoint):
        if not block.may_name(sought):
            continue
        for row in block.rows:
            path = block.path(row)
            if sought not in path.rpartition(b"/")[2].lower() or not span.holds(walk_order(path)):
                continue
            if (item := block.item(row)) is not None:
                yield item if item.is_whole else item_find(blocks, item.path) or item


def _seen(identity: Hashable | None, known: set[Hashable]) -> bool:
    """Whether a block is among those known; it is from now on."""
    if identity is None or identity in known:
        return identity is not None
    known.add(identity)
    return False


def _find(blocks: Blocks, path: bytes) -> Item | None:
    number = bisect_right(blocks.firsts, walk_order(path), key=walk_order) - 1
    while number >= 0:
        (block,) = blocks.read([number])
        rows, keyed = block.rows, _keyed(block)
        for position in range(bisect_left(rows, walk_order(path), key=keyed), len(rows)):
            if block.path(rows[position]) != path:
                break
            if (item := block.item(rows[position])) is not None:
                return item
        if blocks.firsts[number] != path:
            return None
        number -= 1
    return None


class _Span:
    """The keys between `low` and `high`, both excluded, which are those below a folder; None for no upper one."""

    def __init__(self, below: bytes, beyond: bytes | None, *, backwards: bool = False) -> None:
        self.below, self.backwards = below, backwards
        self.low, self.high = below, below[:-1] + b"\1" if below else None
        if beyond is not None and backwards:
            self.high = below + beyond
        elif beyond is not None:
            self.low = below + beyond

    def holds(self, key: bytes) -> bool:
        """Whether a key lies between them."""
        return self.low < key and (self.high is None or key < self.high)

    def numbers(self, firsts: Sequence[bytes]) -> Iterator[int]:
        """The blocks that may have keys of the span, in the direction of the span."""
        first = max(0, bisect_right(firsts, self.low, key=walk_order) - 1)
        last = len(firsts) if self.high is None else bisect_left(firsts, self.high, key=walk_order)
        return iter(range(last - 1, first - 1, -1) if self.backwards else range(first, last))


def _forward(block: Block, span: _Span) -> Iterator[Item]:
    """The direct entries of a block in order; what lies below one of them is jumped over."""
    rows, keyed = block.rows, _keyed(block)
    position = bisect_right(rows, span.low, key=keyed)
    while position < len(rows) and span.holds(key := keyed(rows[position])):
        child = _child(key, span.below)
        if child is not None:
            position = bisect_left(rows, span.below + child + b"\1", lo=position, key=keyed)
            continue
        if (item := block.item(rows[position])) is not None:
            yield item
        position += 1


def _backward(block: Block, span: _Span) -> Iterator[Item]:
    """The direct entries of a block against their order."""
    rows, keyed = block.rows, _keyed(block)
    position = (len(rows) if span.high is None else bisect_left(rows, span.high, key=keyed)) - 1
    while position >= 0 and span.holds(key := keyed(rows[position])):
        child = _child(key, span.below)
        if child is not None:
            position = bisect_right(rows, span.below + child, hi=position, key=keyed) - 1
            continue
        if (item := block.item(rows[position])) is not None:
            yield item
        position -= 1


def _keyed(block: Block) -> Callable[[Any], bytes]:
    return lambda row: walk_order(block.path(row))


def _is_needed(firsts: Sequence[bytes], number: int, below: bytes) -> bool:
    """Whether a block may hold a direct entry: not when it begins and ends below the same one."""
    if number + 1 == len(firsts):
        return True
    left = _child(walk_order(firsts[number]), below)
    return left is None or left != _child(walk_order(firsts[number + 1]), below)


def _child(key: bytes, below: bytes) -> bytes | None:
    """The direct entry that a key lies below; None when it is one itself, or lies elsewhere."""
    if not key.startswith(below):
        return None
    name, slash, _ = key[len(below) :].partition(b"\0")
    return name if slash else None


def _read(blocks: Blocks, numbers: Iterator[int], *, checkpoint: Callable[[], None] | None = None) -> Iterator[Block]:
    """The blocks in batches that grow."""
    size = BATCH_LEAST
    while batch := list(islice(numbers, size)):
        if checkpoint is not None:
            checkpoint()
        yield from blocks.read(batch)
        size = min(BATCH_MOST, size * 2)

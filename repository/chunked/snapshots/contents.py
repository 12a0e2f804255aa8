"""The work of a snapshot's threads: read a file, cut it into chunks, and store the new ones."""

from __future__ import annotations

import threading
from typing import NamedTuple

from pyfastcdc import FastCDC

from repository.checkpoint import Checkpoint
from repository.chunked.chunks.chunk import ChunkType, Compressor
from repository.chunked.chunks.repository_keys import RepositoryKeys
from repository.chunked.manifest.records import Content, Xattrs
from repository.chunked.packs.writing import ChunkWriter
from repository.chunked.snapshots.ahead import Base
from repository.chunked.snapshots.cutting import GRID_SIZE, chunker_of, cut_by_content, cut_by_grid
from repository.chunked.snapshots.cutting_rules import HEAD_SIZE, Rule, rule_by_content, rule_by_name
from repository.chunked.snapshots.deltas import delta_content
from trees.source import Source, SourceEntry, SourceFile, SourceGone

MIB = 1 << 20
# The buffer is larger than a chunk: the chunker needs the bytes behind a chunk to find its end.
BUFFER_SPARE = MIB


class Done(NamedTuple):
    """A stored part of a file, or without `content` the reason why it could not be read (`gone`)."""

    content: Content | None
    header: int = 0
    changed: bool = False
    xattrs: Xattrs = None
    gone: str | None = None


class _Tools:
    """The compressor, chunker and buffer of one thread."""

    def __init__(self, chunker: FastCDC) -> None:
        size = max(chunker.max_size, GRID_SIZE) + BUFFER_SPARE
        self.compressor = Compressor()
        self.chunker = chunker
        self.buffer = memoryview(bytearray(size))


class Contents:
    """Stores the contents of files; `checkpoint` is called before each chunk and may raise."""

    def __init__(self, source: Source, writer: ChunkWriter, keys: RepositoryKeys, *, checkpoint: Checkpoint) -> None:
        self._source = source
        self._writer = writer
        self._chunker = keys.chunker
        self._seed = keys.derive("chunker")
        self._checkpoint = checkpoint
        self._own = threading.local()

    def part(self, entry: SourceEntry, span: tuple[int, int], *, rule: Rule | None, base: Base | None) -> Done:
        """Read and store one part of a larger file. Without a `rule`, its name and content decide."""
        suggested = rule or rule_by_name(entry.path, entry.size)
        try:
            with self._source.open(entry, in_place=suggested.in_place, span=span) as file:
                found = rule or _rule(entry, file)
                if found.in_place == suggested.in_place or file.is_like_parent:
                    return self._part(file, span, found, base)
            with self._source.open(entry, in_place=found.in_place, span=span) as file:
                return self._part(file, span, found, base)
        except SourceGone as error:
            return Done(None, gone=str(error))

    def claim(self, size: int, hashes: bytes) -> tuple[bytes, bool]:
        """Return the id of a chunk with these block hashes, and whether it is new and must be sealed."""
        return self._writer.claim(ChunkType.DATA, size, hashes)

    def seal(self, chunk: bytes, plain: bytes) -> None:
        """Store a chunk for which `claim` returned True."""
        self._checkpoint()
        self._writer.seal(ChunkType.DATA, chunk, memoryview(plain), self._tools.compressor)

    def rule(self, entry: SourceEntry) -> Rule:
        """The rule by which a file is cut; raises `SourceGone` when it cannot be read."""
        with self._source.open(entry, in_place=False, span=(0, HEAD_SIZE)) as file:
            return _rule(entry, file)

    def _part(self, file: SourceFile, span: tuple[int, int], rule: Rule, base: Base | None) -> Done:
        whole = next(iter(file.data_ranges(*span)), None) == span
        is_delta = rule.in_place or file.is_like_parent
        if is_delta and whole and base is not None and base.header == rule.header:
            content = delta_content(file, span, header=rule.header, base=base.content, store=self._store)
            return Done(content, rule.header, file.changed(), file.xattrs())
        if rule.in_place or not whole:
            # A hole shifts no bytes: the data around it stays on the grid, and small pieces share a chunk.
            content, shrunk = cut_by_grid(file, span, header=rule.header, buffer=self._tools.buffer, store=self._store)
        else:
            tools = self._tools
            content, shrunk = cut_by_content(file, span, chunker=tools.chunker, buffer=tools.buffer, store=self._store)
        return Done(content, rule.header, shrunk or file.changed(), file.xattrs())

    def _store(self, plain: memoryview, hashes: bytes) -> bytes:
        self._checkpoint()
        return self._writer.store(ChunkType.DATA, plain, hashes, self._tools.compressor)

    @property
    def _tools(self) -> _Tools:
        tools: _Tools | None = getattr(self._own, "tools", None)
        if tools is None:
            tools = self._own.tools = _Tools(chunker_of(self._chunker, self._seed))
        return tools


def _rule(entry: SourceEntry, file: SourceFile) -> Rule:
    head = memoryview(bytearray(HEAD_SIZE))
    length = file.readinto(head, 0)
    return rule_by_content(rule_by_name(entry.path, entry.size), entry.size, bytes(head[:length]))

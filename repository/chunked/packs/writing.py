"""Writes each chunk once: sealed directly into the buffer of a pack, which is uploaded when it is full."""

from __future__ import annotations

import mmap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from repository.chunked.chunks.chunk import ChunkCipher, ChunkType, Compressor, Location
from repository.chunked.index.index import Index
from repository.chunked.index.table import Table
from repository.chunked.objects import PACKS, Objects, id_new
from repository.chunked.pack_layout import HEADER_SIZE, PACK_SIZE, Entry, header, tail

MIB = 1 << 20
# One is filled while the other is uploaded.
BUFFERS = 2
MANIFEST_PACK_SIZE = 8 * MIB
# An index object is written after so many packs: the next snapshot after an interruption need not read them.
PACKS_PER_INDEX = 64
# Cached ids that the index has; the ids of bundles are soon looked up again.
SEEN_MAX = 1 << 15
# Bounds directories and memory when chunks have a few bytes each, as in a file that is mostly holes.
CHUNKS_PER_PACK = 1 << 14
CHUNKS_PER_INDEX = 1 << 14


@dataclass(slots=True)
class _Pack:
    """A pack being filled. `writing` counts the chunks that have reserved room and are not sealed yet."""

    name: bytes
    buffer: mmap.mmap
    view: memoryview
    offset: int
    entries: list[Entry] = field(default_factory=list)
    writing: int = 0
    closed: bool = False

    def is_full(self, length: int, size: int) -> bool:
        """Whether `length` more bytes go into the next pack instead."""
        begun = self.offset > HEADER_SIZE
        return begun and (self.offset + length > size or len(self.entries) + self.writing >= CHUNKS_PER_PACK)


class PackQueue:
    """Packs of one type: any thread reserves room in them; full packs are uploaded. At most two buffers are in use."""

    def __init__(self, objects: Objects, *, head: bytes, size: int, stored: _Stored) -> None:
        self._objects = objects
        self._head = head
        self._size = size
        self.sent_bytes = 0
        self._stored = stored
        self._free: list[mmap.mmap] = []
        self._made = 0
        self._turn = threading.Condition()
        self._open: _Pack | None = None
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="pack-sender")
        self._error: BaseException | None = None

    def reserve(self, length: int) -> tuple[_Pack, int, memoryview]:
        """Reserve room for a chunk's stored bytes; return the pack, the offset in it and the view to write to.

        Waits while both buffers are busy. Raises the error of an earlier upload.
        """
        with self._turn:
            while True:
                self._raise()
                pack = self._open
                if pack is None:
                    self._begin()
                elif pack.is_full(length, self._size):
                    self._close(pack)
                else:
                    at = pack.offset
                    pack.offset += length
                    pack.writing += 1
                    return pack, at, pack.view[at : at + length]

    def written(self, pack: _Pack, entry: Entry) -> None:
        """Record that the chunk is sealed in its reserved room."""
        with self._turn:
            pack.entries.append(entry)
            pack.writing -= 1
            self._send_if_done(pack)

    def fail(self, error: BaseException) -> None:
        """Stop the queue: this and every later call raises the error, in the threads that wait as well."""
        with self._turn:
            self._error = self._error or error
            self._turn.notify_all()

    def flush(self) -> None:
        """Start the upload of the open pack."""
        with self._turn:
            if self._open is not None:
                self._close(self._open)

    def finish(self) -> None:
        """Upload the open pack and wait until all packs are stored; raises the error of an upload."""
        self.flush()
        with self._turn:
            self._turn.wait_for(lambda: self._error or len(self._free) == self._made)
            self._raise()

    def end(self) -> None:
        """Stop the upload thread after its current upload; packs that wait are dropped."""
        self._sender.shutdown(wait=True, cancel_futures=True)

    def _begin(self) -> None:
        """Open a new pack, or wait once for a buffer. A buffer can hold one chunk more than a pack."""
        if self._free:
            buffer = self._free.pop()
        elif self._made < BUFFERS:
            self._made += 1
            buffer = mmap.mmap(-1, self._size + 9 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            # A few huge pages are faster to allocate than ten thousand small ones, where the kernel has them.
            with suppress(OSError):
                buffer.madvise(mmap.MADV_HUGEPAGE)
        else:
            self._turn.wait()
            return  # another thread may have taken the buffer
        view = memoryview(buffer)
        view[:HEADER_SIZE] = self._head
        self._open = _Pack(id_new(), buffer, view, HEADER_SIZE)

    def _close(self, pack: _Pack) -> None:
        pack.closed = True
        self._open = None
        self._send_if_done(pack)

    def _send_if_done(self, pack: _Pack) -> None:
        if pack.closed and not pack.writing:
            self._sender.submit(self._store, pack)

    def _store(self, pack: _Pack) -> None:
        try:
            pack.entries.sort(key=lambda entry: entry[1].offset)
            end = tail(self._objects, pack.name, pack.entries)
            self._objects.put_raw(PACKS, pack.name, [pack.view[: pack.offset], end])
            self.sent_bytes += pack.offset + len(end)
            self._stored.add(pack.name, pack.offset + len(end), pack.entries)
        except BaseException as error:  # noqa: BLE001  # raised by the next write
            self.fail(error)
        finally:
            with self._turn:
                self._free.append(pack.buffer)
                self._turn.notify_all()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


class _Stored:
    """The stored packs, and those of them that no index object names yet."""

    def __init__(self, index: Index, known: set[bytes]) -> None:
        self._index = index
        self._known = known
        self._entries: list[Entry] = []
        self._sizes: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def add(self, pack: bytes, size: int, entries: list[Entry]) -> None:
        """Record a stored pack; write an index object after enough of them."""
        with self._lock:
            self._sizes[pack] = size
            self._entries += entries
            if len(self._sizes) >= PACKS_PER_INDEX or len(self._entries) >= CHUNKS_PER_INDEX:
                self._index_write()

    def finish(self) -> None:
        """Write an index object for all packs that none names yet."""
        with self._lock:
            if self._sizes:
                self._index_write()

    def _index_write(self) -> None:
        """Move these chunks from the set of ids to the index, which takes less memory."""
        self._index.store(self._entries, self._sizes)
        self._known.difference_update([chunk for chunk, _ in self._entries])
        self._entries, self._sizes = [], {}


class ChunkWriter:
    """Stores chunks that the repository does not have; any thread may call."""

    def __init__(self, objects: Objects, cipher: ChunkCipher, index: Index) -> None:
        self._cipher = cipher
        self._index = index
        self._known: set[bytes] = set()
        self._seen: set[bytes] = set()
        self._stored = _Stored(index, self._known)
        head = header(cipher.suite)
        self._queues = {
            ChunkType.DATA: PackQueue(objects, head=head, size=PACK_SIZE, stored=self._stored),
            ChunkType.MANIFEST: PackQueue(objects, head=head, size=MANIFEST_PACK_SIZE, stored=self._stored),
        }
        self._lock = threading.Lock()
        self.added_bytes = 0

    @property
    def stored_bytes(self) -> int:
        """The size in bytes of the packs uploaded so far."""
        return sum(queue.sent_bytes for queue in self._queues.values())

    def has(self, chunk: bytes) -> bool:
        """Whether a snapshot may name the chunk: it is stored, or is being written."""
        if chunk in self._known or chunk in self._seen:
            return True
        if not self._index.reusable(chunk):
            return False
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen.add(chunk)
        return True

    def store(self, type_: ChunkType, plain: memoryview, hashes: bytes, compressor: Compressor) -> bytes:
        """Store a chunk unless the repository has it; return its id. Raises `StorageError`."""
        chunk, is_new = self.claim(type_, len(plain), hashes)
        if is_new:
            self.seal(type_, chunk, plain, compressor)
        return chunk

    def claim(self, type_: ChunkType, size: int, hashes: bytes) -> tuple[bytes, bool]:
        """Return the id of a chunk with these block hashes, and whether it is new. The caller must `seal` a new one."""
        chunk = self._cipher.chunk_id(type_, hashes)
        if self.has(chunk):
            return chunk, False
        with self._lock:
            if chunk in self._known:
                return chunk, False
            self._known.add(chunk)
            self.added_bytes += size
        return chunk, True

    def adopt(self, pack: bytes, size: int, entries: list[Entry]) -> None:
        """Use a pack that no index names: an interrupted snapshot left it."""
        self._index.take(Table.build(entries, {pack: size}))
        self._stored.add(pack, size, entries)

    def finish(self) -> None:
        """Wait until every chunk is stored and indexed; raises the error of an upload."""
        for queue in self._queues.values():
            queue.flush()  # the queues upload in parallel
        for queue in self._queues.values():
            queue.finish()
        self._stored.finish()

    def end(self) -> None:
        """Stop the threads and free the buffers, also after a failure."""
        for queue in self._queues.values():
            queue.end()

    def seal(self, type_: ChunkType, chunk: bytes, plain: memoryview, compressor: Compressor) -> None:
        """Put a claimed chunk into a pack. Raises `StorageError`."""
        queue = self._queues[type_]
        try:
            compression, payload = compressor.payload(plain)
            size, length = len(plain), len(payload) + self._cipher.overhead
            pack, offset, room = queue.reserve(length)
            self._cipher.seal_into(room, payload, chunk_id=chunk, type_=type_, compression=compression, plain_size=size)
        except BaseException as error:
            # Other threads may name the chunk already, or wait for the pack.
            queue.fail(error)
            raise
        queue.written(pack, (chunk, Location(pack.name, offset, length, size, type_, compression)))
